package io.portafilter.e2e.bench;

import io.portafilter.e2e.Commands;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A bridge of its own for pods, made by Debian's plugins; and what these take by themselves, each started once for one
 * namespace as a runtime does.
 */
final class BridgeNetwork implements AutoCloseable {
    static final Path PLUGINS = Path.of("/usr/lib/cni");

    private static final List<String> CHAIN = List.of("bridge", "portmap", "firewall");

    private final Path leases;
    private final String name;
    private int next;
    private Optional<String> ready = Optional.empty();

    BridgeNetwork(Path leases) {
        this.leases = leases;
        this.name = "pfb" + ProcessHandle.current().pid() % 10_000;
    }

    private String plugin(String type) {
        return switch (type) {
            case "bridge" -> """
                    "type":"bridge","bridge":"%s","isGateway":true,"ipMasq":true,"hairpinMode":true,"ipam":{
                    "type":"host-local","dataDir":"%s","ranges":[[{"subnet":"10.213.240.0/20"}]],
                    "routes":[{"dst":"0.0.0.0/0"}]}""".formatted(name, leases);
            case "portmap" -> "\"type\":\"portmap\",\"capabilities\":{\"portMappings\":true}";
            default -> "\"type\":\"" + type + '"';
        };
    }

    /** For the server's directory of configurations. */
    String configuration() {
        List<String> plugins = new ArrayList<>();
        CHAIN.forEach(type -> plugins.add("{" + plugin(type) + "}"));
        return "{\"cniVersion\":\"1.0.0\",\"name\":\"" + name + "\",\"plugins\":[" + String.join(",", plugins) + "]}";
    }

    /**
     * How long ADD takes, in milliseconds. The namespace was made beforehand, as a runtime has it ready: the kernel is slow
     * to make one while it destroys others, and the plugins wait for the same locks.
     */
    double add() {
        String id = ready.orElseGet(this::newNamespace);
        String[] result = {""};
        double took = Bench.millis(() -> CHAIN.forEach(type -> result[0] = call("ADD", type, id, result[0])));
        CHAIN.reversed().forEach(type -> call("DEL", type, id, result[0]));
        Commands.run("ip", "netns", "delete", id).orFail();
        ready = Optional.of(newNamespace());
        return took;
    }

    private String newNamespace() {
        String id = name + "-" + next++;
        Commands.run("ip", "netns", "add", id).orFail();
        Commands.run("ip", "-n", id, "link", "set", "lo", "up").orFail();
        return id;
    }

    private String call(String verb, String type, String id, String previous) {
        ProcessBuilder builder = new ProcessBuilder(PLUGINS.resolve(type).toString());
        builder.environment().put("CNI_COMMAND", verb);
        builder.environment().put("CNI_CONTAINERID", id);
        builder.environment().put("CNI_NETNS", "/run/netns/" + id);
        builder.environment().put("CNI_IFNAME", "eth0");
        builder.environment().put("CNI_PATH", PLUGINS.toString());
        String request = "{\"cniVersion\":\"1.0.0\",\"name\":\"" + name + "\"," + plugin(type)
                + (previous.isEmpty() ? "" : ",\"prevResult\":" + previous) + "}";
        try {
            Process process = builder.start();
            process.getOutputStream().write(request.getBytes(StandardCharsets.UTF_8));
            process.getOutputStream().close();
            String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (process.waitFor() != 0) {
                throw new IllegalStateException(type + " " + verb + ": " + answer);
            }
            return answer;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    static boolean isThere() {
        return CHAIN.stream().allMatch(type -> Files.isExecutable(PLUGINS.resolve(type)));
    }

    @Override
    public void close() {
        ready.ifPresent(id -> Commands.run("ip", "netns", "delete", id).orFail());
        var _ = Commands.run("ip", "link", "delete", name);
    }
}
