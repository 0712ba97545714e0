/** What tests against a live server need: the server, its client, a registry, the kernel as the judge. */
@NullMarked
package io.portafilter.e2e;

import org.jspecify.annotations.NullMarked;
