/** A real kubelet drives the server, as it does on a node: {@code e2e/kubelet} builds it and runs these tests. */
@NullMarked
package io.portafilter.e2e.kubelet;

import org.jspecify.annotations.NullMarked;
