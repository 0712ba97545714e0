package io.portafilter.e2e.kubelet;

import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.e2e.Await;
import io.portafilter.e2e.Live;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * For a test class: a kubelet on the server of {@link Live}, which has to be registered before it and to be given
 * {@link #missing}. Takes the manifests of each test away and waits until its containers are gone; shows the end of
 * kubelet's log when a test fails.
 */
final class Node implements BeforeAllCallback, BeforeEachCallback, AfterEachCallback, AfterAllCallback {
    /** Long: kubelet, the server and a loaded machine may each be slow. */
    private static final Duration SOON = Duration.ofMinutes(3);

    /** What a pod is that only has to be there: one container, {@code main}. */
    static final String IDLE = "containers:\n- {name: main, image: IMAGE, command: [sleep, \"10000\"]}\n";

    private final Live live;
    private final String moreYaml;
    private Optional<Kubelet> kubelet = Optional.empty();

    private Node(Live live, String moreYaml) {
        this.live = live;
        this.moreYaml = moreYaml;
    }

    static Node of(Live live) {
        return new Node(live, "");
    }

    /** @param moreYaml lines at the end of kubelet's configuration */
    static Node of(Live live, String moreYaml) {
        return new Node(live, moreYaml);
    }

    /** For {@link Live}: what keeps a class from running; nothing where e2e/kubelet runs it. */
    static String missing() {
        return program("kubelet").isEmpty() ? "no kubelet was built: e2e/kubelet does it and runs these" : "";
    }

    /** A program that e2e/kubelet built. */
    static Optional<Path> program(String name) {
        return Optional.of(System.getProperty("portafilter." + name, ""))
                .filter(place -> !place.isEmpty())
                .map(Path::of)
                .filter(Files::isExecutable);
    }

    @Override
    public void beforeAll(ExtensionContext context) {
        Kubelet configured = Kubelet.configured(program("kubelet").orElseThrow(), live.portafilter(), moreYaml);
        kubelet = Optional.of(configured);
        var _ = configured.start();
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        if (!kubelet().isRunning()) {
            var _ = kubelet().start();
        }
    }

    @Override
    public void afterEach(ExtensionContext context) {
        context.getExecutionException()
                .filter(e -> !(e instanceof org.opentest4j.TestAbortedException))
                .ifPresent(e -> System.err.println("--- kubelet's log of the failed test " + context.getDisplayName()
                        + "\n" + kubelet().logTail() + "\n---"));
        kubelet().placed().forEach(kubelet()::remove);
        if (!live.portafilter().isRunning()) {
            var _ = live.portafilter().start();
        }
        if (!kubelet().isRunning()) {
            var _ = kubelet().start();
        }
        awaitNoPods();
    }

    @Override
    public void afterAll(ExtensionContext context) {
        kubelet.ifPresent(Kubelet::close);
    }

    Kubelet kubelet() {
        return kubelet.orElseThrow();
    }

    /** Puts a manifest of a pod on the host's network, as its pods run before a network is configured. */
    void place(String pod, String spec) {
        kubelet().place(pod, "hostNetwork: true\nterminationGracePeriodSeconds: 1\n" + spec.replace("IMAGE", image()));
    }

    /** Puts a manifest, as {@link #place} does, and waits until its pod is ready. */
    StaticPod run(String pod, String spec) {
        place(pod, spec);
        return awaitReady(pod);
    }

    /** A pod of a container {@code main} that does nothing, ready. */
    StaticPod idle(String pod) {
        return run(pod, IDLE);
    }

    /** A pod with a network of its own. */
    void placeOnPodNetwork(String pod, String spec) {
        kubelet().place(pod, "terminationGracePeriodSeconds: 1\n" + spec.replace("IMAGE", image()));
    }

    /** Of the test's registry: kubelet pulls it when it is not there. */
    String image() {
        return live.busybox();
    }

    /** Waits until kubelet says so of a pod, and answers what it says. */
    StaticPod await(String pod, String what, Predicate<StaticPod> condition) {
        return await(pod, what, SOON, condition);
    }

    StaticPod await(String pod, String what, Duration limit, Predicate<StaticPod> condition) {
        try {
            Await.until(pod + " " + what, limit, () -> {
                // kubelet's answer costs it a look at all pods: not at each step of a wait
                java.util.concurrent.locks.LockSupport.parkNanos(
                        Duration.ofMillis(100).toNanos());
                return condition.test(kubelet().pod(pod));
            });
        } catch (AssertionError e) {
            throw new AssertionError(
                    e.getMessage() + "\nkubelet says: " + kubelet().pods().get(pod), e);
        }
        return kubelet().pod(pod);
    }

    StaticPod awaitReady(String pod) {
        return await(pod, "is ready", it -> it.phase().equals("Running") && it.is("Ready"));
    }

    StaticPod awaitPhase(String pod, String phase) {
        return await(pod, "is " + phase, it -> it.phase().equals(phase));
    }

    /** Waits until kubelet says so of a container, of which it may know nothing yet. */
    StaticPod awaitContainer(String pod, String container, String what, Predicate<StaticPod.ContainerView> condition) {
        return await(
                pod,
                container + " " + what,
                it -> it.find(container).filter(condition).isPresent());
    }

    /** Waits until nothing of a pod runs. What has ended waits for kubelet's garbage collection, which comes each minute. */
    void awaitNoPods() {
        Await.until(
                "kubelet has ended all pods",
                SOON,
                () -> live.cri().pods().stream().noneMatch(pod -> pod.getState() == PodSandboxState.SANDBOX_READY)
                        && live.cri().containers().stream()
                                .noneMatch(it -> it.getState() == ContainerState.CONTAINER_RUNNING)
                        && kubelet().pods().isEmpty());
    }

    /** The process id on the host of the container that kubelet tells of. */
    long pid(StaticPod.ContainerView container) {
        String info = live.cri()
                .runtime()
                .containerStatus(io.portafilter.cri.v1.ContainerStatusRequest.newBuilder()
                        .setContainerId(container.id())
                        .setVerbose(true)
                        .build())
                .getInfoOrThrow("info");
        return com.google.gson.JsonParser.parseString(info)
                .getAsJsonObject()
                .get("pid")
                .getAsLong();
    }

    /** ExecSync, not by kubelet: for a look into a container. */
    String exec(StaticPod.ContainerView container, String script) {
        var answer = live.cri()
                .runtime()
                .execSync(io.portafilter.cri.v1.ExecSyncRequest.newBuilder()
                        .setContainerId(container.id())
                        .addAllCmd(List.of("sh", "-c", script))
                        .setTimeout(20)
                        .build());
        if (answer.getExitCode() != 0) {
            throw new AssertionError(script + ": exit status " + answer.getExitCode() + "\n"
                    + answer.getStdout().toStringUtf8() + answer.getStderr().toStringUtf8());
        }
        return answer.getStdout().toStringUtf8().strip();
    }
}
