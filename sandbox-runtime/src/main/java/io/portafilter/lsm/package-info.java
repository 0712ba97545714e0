/** The Linux security modules of the host: what they have loaded, and what is loaded into them. */
@NullMarked
package io.portafilter.lsm;

import org.jspecify.annotations.NullMarked;
