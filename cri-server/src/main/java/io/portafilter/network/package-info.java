/** Pod networks: CNI plugins and host ports. */
@NullMarked
package io.portafilter.network;

import org.jspecify.annotations.NullMarked;
