/** Control groups of version 1 and 2: limits, usage, removal. */
@NullMarked
package io.portafilter.cgroup;

import org.jspecify.annotations.NullMarked;
