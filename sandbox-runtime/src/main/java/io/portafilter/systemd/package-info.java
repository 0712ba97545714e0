/** What systemd is asked for: transient scopes over D-Bus. */
@NullMarked
package io.portafilter.systemd;

import org.jspecify.annotations.NullMarked;
