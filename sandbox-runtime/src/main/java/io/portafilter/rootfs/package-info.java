/** Root filesystems and mounts as descriptors, and paths below a descriptor. */
@NullMarked
package io.portafilter.rootfs;

import org.jspecify.annotations.NullMarked;
