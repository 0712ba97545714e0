package io.portafilter.network;

import io.portafilter.network.CniJson.Malformed;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A pod in a network, as it was asked for: all that is needed to take it out again, also when the configuration was
 * changed meanwhile, by another server, or after a reboot.
 *
 * @param podId which plugins know as the container's id
 * @param namespace the path of the network namespace
 * @param network as it was configured when the pod came
 * @param arguments {@code CNI_ARGS}, in order
 * @param capabilityArgs what plugins may want to be told, by capability
 */
record Attachment(
        String podId,
        String namespace,
        NetworkConfig network,
        Map<String, String> arguments,
        Map<String, Object> capabilityArgs) {

    /** What a pod's interface is called, as everywhere. */
    static final String INTERFACE = "eth0";

    Attachment {
        arguments = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(arguments));
        capabilityArgs = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(capabilityArgs));
    }

    /** {@code CNI_ARGS}. The specification knows no way to write a separator that is meant as a character. */
    String argumentText() {
        List<String> pairs = new ArrayList<>();
        arguments.forEach((key, value) -> pairs.add(key + "=" + value));
        return String.join(";", pairs);
    }

    byte[] toJson() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("podId", podId);
        fields.put("namespace", namespace);
        fields.put("network", network.source());
        fields.put("arguments", arguments);
        fields.put("capabilityArgs", capabilityArgs);
        return CniJson.bytes(fields);
    }

    static Attachment parse(byte[] text) throws Malformed {
        Map<String, Object> fields = CniJson.object(text);
        Map<String, String> arguments = new LinkedHashMap<>();
        part(fields, "arguments").forEach((key, value) -> arguments.put(key, String.valueOf(value)));
        return new Attachment(
                CniJson.textAt(fields, "podId"),
                CniJson.textAt(fields, "namespace"),
                NetworkConfig.of(part(fields, "network")),
                arguments,
                part(fields, "capabilityArgs"));
    }

    private static Map<String, Object> part(Map<String, Object> fields, String name) throws Malformed {
        return CniJson.objectAt(fields, name).orElseThrow(() -> new Malformed("lacks " + name));
    }
}
