/** The kernel as it is: system calls, descriptors, errors. The only room that knows JNA. */
@NullMarked
package io.portafilter.linux;

import org.jspecify.annotations.NullMarked;
