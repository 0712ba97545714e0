package io.portafilter.network;

import io.portafilter.network.CniJson.Malformed;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A network: the plugins that set it up, in their order.
 *
 * @param source the list as it is written, or as it would be for a file of one plugin
 * @param name of the network
 * @param version that the plugins are spoken to in
 * @param checks whether the plugins may be asked to CHECK
 * @param collects whether they may be asked to collect garbage: not where another runtime uses the network too
 */
record NetworkConfig(
        Map<String, Object> source,
        String name,
        CniVersion version,
        boolean checks,
        boolean collects,
        List<Plugin> plugins) {

    /** Of the specification, section 1: names and container ids alike. */
    static final Pattern NAME = Pattern.compile("[a-zA-Z0-9][a-zA-Z0-9_.-]*");

    NetworkConfig {
        plugins = List.copyOf(plugins);
    }

    /**
     * A plugin and what it is told.
     *
     * @param type the name of its executable
     * @param fields its configuration, without what is added for a call
     */
    record Plugin(String type, Map<String, Object> fields) {

        /** Whether it wants to be told of this in {@code runtimeConfig}. */
        boolean declares(String capability) {
            return CniJson.objectAt(fields, "capabilities")
                    .map(capabilities -> CniJson.isTrueAt(capabilities, capability))
                    .orElse(false);
        }
    }

    /** Whether a plugin wants to be told of this. */
    boolean declares(String capability) {
        return plugins.stream().anyMatch(plugin -> plugin.declares(capability));
    }

    /** A single plugin ({@code .conf}, {@code .json}): a list of one. */
    static NetworkConfig single(Map<String, Object> plugin) throws Malformed {
        if (plugin.containsKey("plugins") && !plugin.containsKey("type")) {
            throw new Malformed("is a list of plugins: its name has to end in .conflist");
        }
        Map<String, Object> list = new LinkedHashMap<>();
        for (String member : List.of("cniVersion", "name")) {
            Optional.ofNullable(plugin.get(member)).ifPresent(value -> list.put(member, value));
        }
        list.put("plugins", List.of(plugin));
        return of(list);
    }

    /** The name of the network that a list describes. */
    static String name(Map<String, Object> list) throws Malformed {
        String name = CniJson.textAt(list, "name");
        if (!NAME.matcher(name).matches()) {
            throw new Malformed(
                    name.isEmpty() ? "has no name" : "has the name \"" + name + "\", which no network can have");
        }
        return name;
    }

    /** A list of plugins ({@code .conflist}). */
    static NetworkConfig of(Map<String, Object> list) throws Malformed {
        String name = name(list);
        List<Plugin> plugins = new ArrayList<>();
        for (Object item : CniJson.itemsAt(list, "plugins")) {
            plugins.add(plugin(item));
        }
        if (plugins.isEmpty()) {
            throw new Malformed("has no plugins");
        }
        return new NetworkConfig(
                list,
                name,
                version(list),
                !CniJson.isTrueAt(list, "disableCheck"),
                !CniJson.isTrueAt(list, "disableGC"),
                plugins);
    }

    private static Plugin plugin(Object item) throws Malformed {
        Map<String, Object> fields =
                CniJson.asObject(item).orElseThrow(() -> new Malformed("has a plugin that is no object"));
        String type = CniJson.textAt(fields, "type");
        if (type.isEmpty()) {
            throw new Malformed("has a plugin without a type");
        }
        if (type.contains("/") || type.equals(".") || type.equals("..") || type.indexOf('\0') >= 0) {
            throw new Malformed("has the plugin \"" + type + "\": a type is a name, not a path");
        }
        return new Plugin(type, fields);
    }

    /** The newest of those that the list offers ({@code cniVersions}, since 1.1), else the one that it names. */
    private static CniVersion version(Map<String, Object> list) throws Malformed {
        Optional<CniVersion> offered = CniJson.itemsAt(list, "cniVersions").stream()
                .flatMap(item -> CniVersion.of(String.valueOf(item)).stream())
                .max(CniVersion::compareTo);
        if (offered.isPresent()) {
            return offered.get();
        }
        String named = CniJson.textAt(list, "cniVersion");
        return CniVersion.of(named)
                .orElseThrow(() -> new Malformed((named.isEmpty() ? "has no cniVersion" : "has cniVersion " + named)
                        + "; spoken here are " + CniVersion.known()));
    }

    /**
     * What a plugin reads in one call.
     *
     * @param capabilityArgs what the runtime has to tell, of which it gets what it declares
     * @param more {@code prevResult}, or what GC needs
     */
    byte[] request(Plugin plugin, Map<String, Object> capabilityArgs, Map<String, Object> more) {
        Map<String, Object> request = new LinkedHashMap<>(plugin.fields());
        request.put("name", name);
        request.put("cniVersion", version.text());
        Map<String, Object> told = new LinkedHashMap<>();
        capabilityArgs.forEach((capability, value) -> {
            if (plugin.declares(capability)) {
                told.put(capability, value);
            }
        });
        if (!told.isEmpty()) {
            request.put("runtimeConfig", told);
        }
        request.putAll(more);
        return CniJson.bytes(request);
    }
}
