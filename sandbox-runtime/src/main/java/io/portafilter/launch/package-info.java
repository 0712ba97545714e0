/** Launch programs: a process start as a list of system calls, its text and its ELF file. */
@NullMarked
package io.portafilter.launch;

import org.jspecify.annotations.NullMarked;
