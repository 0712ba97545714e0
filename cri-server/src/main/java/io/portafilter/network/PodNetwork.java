package io.portafilter.network;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.config.Config;
import io.portafilter.linux.Fd;
import io.portafilter.network.CniJson.Malformed;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * The network of pods, as CNI plugins make it.
 *
 * <p>What is to be done is written down before it is done, in a file of the pod ({@value #FILE} in the directory that the
 * server's root has for it): whoever finds the file takes the pod out of the network, be it a later server.
 */
public final class PodNetwork implements AutoCloseable {

    private static final Logger LOG = System.getLogger(PodNetwork.class.getName());

    private static final String FILE = "network.json";

    /** Kubelet asks every few seconds whether the network is ready; plugins need not run for each who asks. */
    private static final Duration STATUS_HOLDS = Duration.ofSeconds(3);

    private static final Duration STATUS_LIMIT = Duration.ofSeconds(10);
    /** Who looks at a pod waits no longer. */
    private static final Duration CHECK_LIMIT = Duration.ofSeconds(10);

    private static final Duration GC_LIMIT = Duration.ofSeconds(10);
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private final String owner;
    private final String instance = UUID.randomUUID().toString();
    private final Plugins plugins;
    private final ConfigDirectory directory;
    private final ResultCache results;
    private final Duration timeout;
    private final NetworkNamespaces namespaces;

    /** Held for writing while garbage is collected: what is being added is none. */
    private final ReadWriteLock collecting = new ReentrantReadWriteLock();

    private volatile boolean configured;
    private volatile Optional<Told> told = Optional.empty();

    /** What plugins said of themselves. */
    private record Told(NetworkConfig config, long atNanos, String notReady) {}

    public PodNetwork(Config config) {
        this.owner = config.root().toString();
        this.plugins = new Plugins(config.cniBinDirs(), owner, instance, config.cniTimeout());
        this.directory = new ConfigDirectory(config.cniConfDir(), plugins);
        this.timeout = config.cniTimeout();
        this.results = new ResultCache(config.cniCacheDir());
        this.namespaces = new NetworkNamespaces(config.netnsDir());
    }

    /** Whether pods can be put into a network now. */
    public NetworkReadiness readiness() {
        return switch (directory.find()) {
            case ConfigDirectory.Found.Nothing(String why) ->
                new NetworkReadiness(false, "no network is configured: " + why, Optional.empty(), Optional.empty());
            case ConfigDirectory.Found.Wrong(Path file, String why) ->
                new NetworkReadiness(false, file + " " + why, Optional.of(file), Optional.empty());
            case ConfigDirectory.Found.Usable(Path file, NetworkConfig config) -> {
                configured = true;
                String notReady = notReady(config);
                yield new NetworkReadiness(
                        notReady.isEmpty(), notReady, Optional.of(file), Optional.of(config.source()));
            }
        };
    }

    /** Why the plugins of a network are not ready, by STATUS; empty if they are, or cannot be asked. */
    private String notReady(NetworkConfig config) {
        if (!config.version().isAtLeast(CniVersion.V1_1)) {
            return "";
        }
        Optional<Told> known = told.filter(
                each -> each.config.equals(config) && System.nanoTime() - each.atNanos < STATUS_HOLDS.toNanos());
        if (known.isPresent()) {
            return known.get().notReady;
        }
        String notReady = "";
        try {
            for (NetworkConfig.Plugin plugin : config.plugins()) {
                Map<String, Object> _ = plugins.call(
                        plugin,
                        new Plugins.Call("STATUS", Map.of()),
                        config.request(plugin, Map.of(), Map.of()),
                        STATUS_LIMIT);
            }
        } catch (NetworkException e) {
            notReady = "network " + config.name() + ": " + e.getMessage();
        }
        told = Optional.of(new Told(config, System.nanoTime(), notReady));
        return notReady;
    }

    /**
     * The network that a pod comes into; empty if none was ever configured, and it has loopback alone.
     *
     * @throws NetworkException if the configuration cannot be used, or there was one and is none any more
     */
    public Optional<PlannedNetwork> plan(PodAsked pod) {
        return switch (directory.find()) {
            case ConfigDirectory.Found.Nothing(String why) -> {
                if (configured) {
                    throw NetworkException.because("no network is configured any more: " + why);
                }
                yield Optional.empty();
            }
            case ConfigDirectory.Found.Wrong(Path file, String why) -> throw NetworkException.because(file + " " + why);
            case ConfigDirectory.Found.Usable usable -> {
                configured = true;
                Attachment attachment = new Attachment(
                        pod.id(),
                        namespaces.path(pod.id()).toString(),
                        usable.config(),
                        arguments(pod),
                        CapabilityArgs.of(pod));
                yield Optional.of(new PlannedNetwork(attachment));
            }
        };
    }

    /** A network that a pod is to come into. */
    public static final class PlannedNetwork {
        private final Attachment attachment;

        private PlannedNetwork(Attachment attachment) {
            this.attachment = attachment;
        }

        /** Whether somebody in it sets up ports of the node for pods. */
        public boolean mapsPorts() {
            return attachment.network().declares(CapabilityArgs.PORT_MAPPINGS);
        }

        public String name() {
            return attachment.network().name();
        }
    }

    private static Map<String, String> arguments(PodAsked pod) {
        Map<String, String> arguments = new LinkedHashMap<>();
        arguments.put("IgnoreUnknown", "1");
        arguments.put("K8S_POD_NAMESPACE", pod.namespace());
        arguments.put("K8S_POD_NAME", pod.name());
        arguments.put("K8S_POD_INFRA_CONTAINER_ID", pod.id());
        arguments.put("K8S_POD_UID", pod.uid());
        arguments.forEach((key, value) -> {
            if (value.chars().anyMatch(c -> c == ';' || c == '=' || Character.isISOControl(c))) {
                throw NetworkException.asked("CNI_ARGS has no way to write " + key + ": its value \""
                        + value.replaceAll("\\p{Cntrl}", "?") + "\" contains ';', '=' or a control character");
            }
        });
        return arguments;
    }

    /** A network namespace that nobody ever used, with loopback up; the caller closes it. */
    @MustBeClosed
    public Fd newNamespace() {
        return namespaces.take();
    }

    /**
     * What a pod got in its network.
     *
     * @param addresses its addresses, the primary one first
     * @param plugins how long the plugins took
     */
    public record Added(List<String> addresses, Duration plugins) {

        /** In no network but the host's, or in none at all. */
        public static final Added NOTHING = new Added(List.of(), Duration.ZERO);

        public Added {
            addresses = List.copyOf(addresses);
        }
    }

    /**
     * Puts a pod into a network.
     *
     * @param files the pod's own directory
     * @param namespace the pod's; it stays the caller's
     * @throws NetworkException if a plugin fails; {@link #remove} undoes what was done until then
     */
    public Added add(PlannedNetwork planned, Path files, Fd namespace) {
        Attachment pod = planned.attachment;
        Lock lock = collecting.readLock();
        lock.lock();
        try {
            write(files, pod);
            namespaces.name(pod.podId(), namespace);
            NetworkConfig network = pod.network();
            Optional<CniResult> result = Optional.empty();
            long begin = System.nanoTime();
            for (NetworkConfig.Plugin plugin : network.plugins()) {
                result = Optional.of(CniResult.of(call(pod, plugin, "ADD", result), network.version()));
            }
            Duration took = Duration.ofNanos(System.nanoTime() - begin);
            CniResult last = result.orElseThrow();
            results.put(pod, last);
            List<String> addresses = last.addresses(Attachment.INTERFACE);
            if (addresses.isEmpty()) {
                throw NetworkException.because("the plugins gave " + Attachment.INTERFACE + " no address");
            }
            return new Added(addresses, took);
        } catch (NetworkException e) {
            throw e.in("network " + pod.network().name());
        } finally {
            lock.unlock();
        }
    }

    private Map<String, Object> call(
            Attachment pod, NetworkConfig.Plugin plugin, String verb, Optional<CniResult> previous) {
        boolean named = !verb.equals("DEL") || NetworkNamespaces.isNamed(pod.namespace());
        Map<String, String> variables = new LinkedHashMap<>();
        variables.put("CNI_CONTAINERID", pod.podId());
        variables.put("CNI_NETNS", named ? pod.namespace() : "");
        variables.put("CNI_IFNAME", Attachment.INTERFACE);
        variables.put("CNI_ARGS", pod.argumentText());
        Map<String, Object> more = new LinkedHashMap<>();
        previous.ifPresent(result -> more.put("prevResult", result.fields()));
        return plugins.call(
                plugin,
                new Plugins.Call(verb, variables),
                pod.network().request(plugin, pod.capabilityArgs(), more),
                verb.equals("CHECK") ? CHECK_LIMIT : timeout);
    }

    private static void write(Path files, Attachment pod) {
        Path file = files.resolve(FILE);
        try {
            Files.write(file, pod.toJson());
        } catch (IOException e) {
            throw NetworkException.because("it cannot be noted in " + file + ": " + e, e);
        }
    }

    /** Whether a pod was put into a network, or may have been, and was not taken out again. */
    public static boolean isNoted(Path files) {
        return Files.exists(files.resolve(FILE));
    }

    private static Optional<Attachment> noted(Path files) {
        Path file = files.resolve(FILE);
        try {
            return Optional.of(Attachment.parse(Files.readAllBytes(file)));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (Malformed e) {
            // written halfway: nothing was done yet
            LOG.log(Level.WARNING, "network.note file=" + file + " cause=" + e.getMessage());
            return Optional.empty();
        } catch (IOException e) {
            throw NetworkException.because("it is not known how to undo it: " + file + " cannot be read: " + e, e);
        }
    }

    /**
     * Takes a pod out of its network, if it is in one. What was done already is not done again.
     *
     * @param files the pod's own directory
     * @throws NetworkException if a plugin fails: the pod is to be taken out again later
     */
    public void remove(Path files) {
        Optional<Attachment> noted = noted(files);
        if (noted.isEmpty()) {
            return;
        }
        Attachment pod = noted.get();
        Lock lock = collecting.readLock();
        lock.lock();
        try {
            delete(pod);
            NetworkNamespaces.unname(pod.namespace());
            results.remove(pod);
            Files.deleteIfExists(files.resolve(FILE));
        } catch (IOException e) {
            throw NetworkException.because("the note cannot be removed from " + files + ": " + e, e);
        } catch (NetworkException e) {
            throw e.in("network " + pod.network().name());
        } finally {
            lock.unlock();
        }
    }

    /** In reverse, and each one even if another failed: what one cannot undo must not keep what the others hold. */
    private void delete(Attachment pod) {
        NetworkConfig network = pod.network();
        Optional<CniResult> result = network.version().isAtLeast(CniVersion.V0_4) ? results.get(pod) : Optional.empty();
        Optional<NetworkException> first = Optional.empty();
        for (NetworkConfig.Plugin plugin : network.plugins().reversed()) {
            try {
                Map<String, Object> _ = call(pod, plugin, "DEL", result);
            } catch (NetworkException e) {
                first.ifPresentOrElse(earlier -> earlier.addSuppressed(e), () -> {});
                first = first.or(() -> Optional.of(e));
            }
        }
        if (first.isPresent()) {
            throw first.get();
        }
    }

    /** As {@link #remove}, of a pod that an earlier server was at work on: its plugins may still run. */
    public void removeLeft(Path files) {
        noted(files).ifPresent(pod -> LeftPlugins.await(owner, instance, pod.podId(), PATIENCE));
        remove(files);
    }

    /**
     * Asks the plugins whether a pod's network is as they made it.
     *
     * @return what they found wrong; empty if nothing, or if they cannot be asked
     */
    public Optional<String> check(Path files) {
        try {
            Optional<Attachment> noted = noted(files);
            if (noted.isEmpty()
                    || !noted.get().network().checks()
                    || !noted.get().network().version().isAtLeast(CniVersion.V0_4)) {
                return Optional.empty();
            }
            Attachment pod = noted.get();
            Optional<CniResult> result = results.get(pod);
            if (result.isEmpty()) {
                return Optional.of("there is no result of ADD");
            }
            for (NetworkConfig.Plugin plugin : pod.network().plugins()) {
                Map<String, Object> _ = call(pod, plugin, "CHECK", result);
            }
            return Optional.empty();
        } catch (NetworkException e) {
            return Optional.of(String.valueOf(e.getMessage()));
        }
    }

    /**
     * Has the plugins free what belongs to no pod any more (GC, from CNI 1.1 on).
     *
     * @param allFiles the directories of all pods that there are
     */
    public void collectGarbage(List<Path> allFiles) {
        Lock lock = collecting.writeLock();
        lock.lock();
        try {
            if (!(directory.find() instanceof ConfigDirectory.Found.Usable usable)) {
                return;
            }
            NetworkConfig network = usable.config();
            if (!network.version().isAtLeast(CniVersion.V1_1) || !network.collects()) {
                return;
            }
            List<Object> valid = new ArrayList<>();
            for (Path files : allFiles) {
                noted(files)
                        .filter(pod -> pod.network().name().equals(network.name()))
                        .ifPresent(
                                pod -> valid.add(Map.of("containerID", pod.podId(), "ifname", Attachment.INTERFACE)));
            }
            for (NetworkConfig.Plugin plugin : network.plugins()) {
                collect(network, plugin, valid);
            }
        } finally {
            lock.unlock();
        }
    }

    private void collect(NetworkConfig network, NetworkConfig.Plugin plugin, List<Object> valid) {
        try {
            Map<String, Object> _ = plugins.call(
                    plugin,
                    new Plugins.Call("GC", Map.of()),
                    network.request(
                            plugin,
                            Map.of(),
                            // the second is what the specification calls them in one place
                            Map.of("cni.dev/valid-attachments", valid, "cni.dev/attachments", valid)),
                    GC_LIMIT);
        } catch (NetworkException e) {
            LOG.log(Level.WARNING, "network.garbage network=" + network.name() + " cause=" + e.getMessage());
        }
    }

    @Override
    public void close() {
        namespaces.close();
    }
}
