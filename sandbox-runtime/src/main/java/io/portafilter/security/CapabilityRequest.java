package io.portafilter.security;

import java.util.List;

/**
 * Capabilities as a request names them: any case, {@code CAP_} optional, {@code ALL} in add and drop.
 *
 * @param add added to the default set
 * @param drop taken away; of one name in both lists the drop holds
 * @param addAmbient added, and kept across execve for a user who is not root (capabilities(7))
 */
public record CapabilityRequest(List<String> add, List<String> drop, List<String> addAmbient) {

    /** The default set, unchanged. */
    public static final CapabilityRequest DEFAULT = new CapabilityRequest(List.of(), List.of(), List.of());

    public CapabilityRequest {
        add = List.copyOf(add);
        drop = List.copyOf(drop);
        addAmbient = List.copyOf(addAmbient);
    }
}
