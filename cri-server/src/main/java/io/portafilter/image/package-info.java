/** Image references, registries, unpacking of layers, the image store. */
@NullMarked
package io.portafilter.image;

import org.jspecify.annotations.NullMarked;
