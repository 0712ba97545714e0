/** The Container Device Interface: devices of vendors, described in files of the node. */
@NullMarked
package io.portafilter.cdi;

import org.jspecify.annotations.NullMarked;
