/** Configuration files, their problems told all at once. */
@NullMarked
package io.portafilter.config;

import org.jspecify.annotations.NullMarked;
