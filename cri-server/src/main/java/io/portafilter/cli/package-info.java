/** Commands, and the wiring of the server. */
@NullMarked
package io.portafilter.cli;

import org.jspecify.annotations.NullMarked;
