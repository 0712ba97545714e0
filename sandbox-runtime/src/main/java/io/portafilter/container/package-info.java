/** Joins the rooms: a container from its request to its running process. */
@NullMarked
package io.portafilter.container;

import org.jspecify.annotations.NullMarked;
