/** From what was asked to what the kernel is told: identities, capabilities, filters. Pure. */
@NullMarked
package io.portafilter.security;

import org.jspecify.annotations.NullMarked;
