/** Records that outlive the server, and their recovery. */
@NullMarked
package io.portafilter.state;

import org.jspecify.annotations.NullMarked;
