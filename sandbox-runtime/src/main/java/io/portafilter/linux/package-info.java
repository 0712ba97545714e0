/**
 * The kernel as it is: system calls, their numbers, constants and errors, and the files of {@code /proc}. The only room
 * that knows JNA.
 *
 * <p>{@link io.portafilter.linux.Kernel} is the only door to system calls. Names and values are the kernel's own; what
 * they are used for is decided elsewhere.
 */
@NullMarked
package io.portafilter.linux;

import org.jspecify.annotations.NullMarked;
