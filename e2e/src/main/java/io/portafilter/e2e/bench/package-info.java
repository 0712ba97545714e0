/** What it costs, measured at the client, beside what the same costs with others. */
@NullMarked
package io.portafilter.e2e.bench;

import org.jspecify.annotations.NullMarked;
