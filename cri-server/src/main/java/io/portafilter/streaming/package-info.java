/** Streams of exec, attach and port-forward, and container logs. */
@NullMarked
package io.portafilter.streaming;

import org.jspecify.annotations.NullMarked;
