package io.portafilter.network;

import io.portafilter.network.CniJson.Malformed;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** The plugins' executables: where they are, which versions they speak, and what they answer. */
final class Plugins {

    /** Which server's a running plugin is: its value is the server's root. */
    static final String OWNER = "PORTAFILTER_ROOT";

    /** Which one it is of those that had this root one after the other. */
    static final String INSTANCE = "PORTAFILTER_INSTANCE";

    private static final String DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    private static final Duration VERSION_LIMIT = Duration.ofSeconds(10);

    private final List<Path> directories;
    private final String owner;
    private final String instance;
    private final Duration limit;
    private final Map<Path, Spoken> spoken = new ConcurrentHashMap<>();

    /** What a file said when it was as old and as large as this. */
    private record Spoken(FileTime modified, long size, List<String> versions) {}

    /**
     * What one call is about.
     *
     * @param verb ADD, DEL, CHECK, STATUS or GC
     * @param variables those of the specification but for verb and path
     */
    record Call(String verb, Map<String, String> variables) {}

    /**
     * The plugins of some directories.
     *
     * @param directories where they are looked for, in this order
     * @param owner the server's root
     * @param instance tells this server from an earlier one of the same root
     * @param limit how long one of them may take
     */
    Plugins(List<Path> directories, String owner, String instance, Duration limit) {
        this.directories = List.copyOf(directories);
        this.owner = owner;
        this.instance = instance;
        this.limit = limit;
    }

    Optional<Path> find(String type) {
        return directories.stream()
                .map(directory -> directory.resolve(type))
                .filter(file -> Files.isRegularFile(file) && Files.isExecutable(file))
                .findFirst();
    }

    Path require(String type) {
        return find(type)
                .orElseThrow(() ->
                        NetworkException.because("plugin " + type + " is not there: looked for it in " + directories));
    }

    /** Fails unless the plugin is there and speaks the version. Asked once for each state of its file. */
    void requireSpeaks(String type, CniVersion version) {
        Path file = require(type);
        List<String> versions = versions(type, file);
        if (!versions.contains(version.text())) {
            throw NetworkException.because("plugin " + file + " does not speak CNI " + version + ", but "
                    + String.join(", ", versions) + ": write a cniVersion that it speaks, or install a newer one");
        }
    }

    private List<String> versions(String type, Path file) {
        try {
            FileTime modified = Files.getLastModifiedTime(file);
            long size = Files.size(file);
            Spoken known = spoken.get(file);
            if (known == null || !known.modified.equals(modified) || known.size != size) {
                known = new Spoken(modified, size, ask(type, file));
                spoken.put(file, known);
            }
            return known.versions;
        } catch (IOException e) {
            throw NetworkException.because("plugin " + file + " cannot be looked at: " + e, e);
        }
    }

    private List<String> ask(String type, Path file) {
        byte[] request = "{\"cniVersion\":\"1.1.0\"}".getBytes(StandardCharsets.UTF_8);
        // skel of before 1.0 wants the others too, and uses none of them
        Map<String, String> variables = Map.of("CNI_CONTAINERID", "dummy", "CNI_NETNS", "dummy", "CNI_IFNAME", "dummy");
        Map<String, Object> answer = answer(
                type,
                "VERSION",
                PluginProcess.run(file, environment(new Call("VERSION", variables)), request, shorter(VERSION_LIMIT)));
        return CniJson.itemsAt(answer, "supportedVersions").stream()
                .map(String::valueOf)
                .toList();
    }

    private Duration shorter(Duration other) {
        return limit.compareTo(other) < 0 ? limit : other;
    }

    /**
     * Asks a plugin and returns its answer; an empty one where it has to give none.
     *
     * @param atMost how long it may take
     * @throws NetworkException with the plugin's own words when it refuses
     */
    Map<String, Object> call(NetworkConfig.Plugin plugin, Call call, byte[] request, Duration atMost) {
        Path file = require(plugin.type());
        PluginProcess.Ended ended;
        try {
            ended = PluginProcess.run(file, environment(call), request, shorter(atMost));
        } catch (NetworkException e) {
            throw e.in("plugin " + plugin.type() + " " + call.verb());
        }
        return answer(plugin.type(), call.verb(), ended);
    }

    /** Nothing of the server's environment but where programs such as iptables are. */
    private Map<String, String> environment(Call call) {
        Map<String, String> variables = new LinkedHashMap<>(call.variables());
        variables.put("CNI_COMMAND", call.verb());
        variables.put(
                "CNI_PATH",
                String.join(":", directories.stream().map(Path::toString).toList()));
        variables.put("PATH", Optional.ofNullable(System.getenv("PATH")).orElse(DEFAULT_PATH));
        variables.put(OWNER, owner);
        variables.put(INSTANCE, instance);
        return variables;
    }

    private static Map<String, Object> answer(String type, String verb, PluginProcess.Ended ended) {
        String who = "plugin " + type + " " + verb + ": ";
        boolean silent = ended.output().isBlank();
        if (ended.succeeded() && silent) {
            if (verb.equals("ADD") || verb.equals("VERSION")) {
                throw NetworkException.because(who + "it succeeded without an answer");
            }
            return Map.of();
        }
        try {
            Map<String, Object> answer = CniJson.object(ended.output().getBytes(StandardCharsets.UTF_8));
            if (ended.succeeded()) {
                return answer;
            }
            throw refused(who, ended, answer);
        } catch (Malformed e) {
            if (ended.succeeded() && !verb.equals("ADD") && !verb.equals("VERSION")) {
                return Map.of();
            }
            throw NetworkException.because(who
                    + (ended.succeeded() ? "its answer " + e.getMessage() : "it failed without an error object")
                    + " (" + ended.how() + ")" + PluginProcess.said(ended.errors()));
        }
    }

    /** The error object of the specification, section 5. */
    private static NetworkException refused(String who, PluginProcess.Ended ended, Map<String, Object> error) {
        String message = CniJson.textAt(error, "msg");
        String details = CniJson.textAt(error, "details");
        String code = String.valueOf(error.getOrDefault("code", "none"));
        String text = who
                + (message.isEmpty() ? "it failed" : message)
                + (details.isEmpty() ? "" : "; " + details)
                + " (code " + code + ", " + ended.how() + ")"
                + (message.isEmpty() ? PluginProcess.said(ended.errors()) : "");
        return code.equals("11") ? NetworkException.forNow(text) : NetworkException.because(text);
    }
}
