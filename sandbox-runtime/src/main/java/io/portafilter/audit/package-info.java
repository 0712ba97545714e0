/** What the kernel says of the processes of containers, beside what they were given. Reads alone, changes nothing. */
@NullMarked
package io.portafilter.audit;

import org.jspecify.annotations.NullMarked;
