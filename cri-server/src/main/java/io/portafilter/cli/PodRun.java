package io.portafilter.cli;

import io.grpc.StatusRuntimeException;
import io.portafilter.config.Config;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.ImageStatusRequest;
import io.portafilter.cri.v1.ImageStatusResponse;
import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.PodIP;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.cri.v1.PodSandboxNetworkStatus;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.PodSandboxStateValue;
import io.portafilter.cri.v1.PodSandboxStatusRequest;
import io.portafilter.cri.v1.RemovePodSandboxRequest;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.cri.v1.StatusRequest;
import io.portafilter.cri.v1.StopPodSandboxRequest;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;

/**
 * One run of a pod, as kubelet would do it: images, volumes, sandbox, init containers one after another, the others
 * together, and the end. {@link #stop()} may be called by another thread at any time.
 */
final class PodRun {
    private final Connection connection;
    private final Config config;
    private final Pod pod;
    private final boolean remove;
    private final PrintStream progress;
    private final ContainerOutput output;
    private final ContainerRun.Person person;
    private final Thread thread = Thread.currentThread();

    private final Map<String, RunFacts.Image> images = new HashMap<>();
    private final List<ContainerRun> sidecars = new CopyOnWriteArrayList<>();
    private final List<ContainerRun> others = new CopyOnWriteArrayList<>();

    private volatile boolean stopped;
    /** Whether to stop is to interrupt the thread that runs; later on it is to stop the containers. */
    private boolean interruptible = true;

    /** Made by the thread that will call {@link #run()}. */
    PodRun(
            Connection connection,
            Config config,
            Pod pod,
            boolean remove,
            PrintStream progress,
            ContainerOutput output,
            ContainerRun.Person person) {
        this.connection = connection;
        this.config = config;
        this.pod = pod;
        this.remove = remove;
        this.progress = progress;
        this.output = output;
        this.person = person;
    }

    /** Runs the pod to its end and returns the exit status. */
    int run() throws CommandException, IOException, InterruptedException {
        try {
            int status = runPod();
            return stopped ? ExitStatus.INTERRUPTED : status;
        } catch (StatusRuntimeException e) {
            if (stopped) {
                return ExitStatus.INTERRUPTED;
            }
            throw new CommandException(ExitStatus.RUN_FAILED, Connection.sentence(e.getStatus()));
        }
    }

    /**
     * Stops the containers with their grace period, sidecars after the others. The thread in {@link #run()} then ends
     * the pod.
     */
    void stop() {
        synchronized (this) {
            stopped = true;
            if (interruptible) {
                thread.interrupt();
            }
        }
        stopContainers();
    }

    private synchronized void leaveInterruptiblePart() {
        interruptible = false;
        boolean _ = Thread.interrupted();
    }

    private void say(String sentence) {
        progress.println("portafilter: " + sentence);
    }

    private int runPod() throws CommandException, IOException, InterruptedException {
        if (pod.restartPolicy().isEmpty()) {
            say("restartPolicy is absent: Never is taken, where a cluster takes Always");
        }
        if (!pod.unused().isEmpty()) {
            say("without a cluster these fields mean nothing: " + String.join(", ", pod.unused()));
        }
        String uid = UUID.randomUUID().toString();
        Path directory = config.root().resolve("run").resolve(uid);
        Path logs = config.root().resolve("logs").resolve(pod.namespace() + "_" + pod.name() + "_" + uid);
        refuseRunningPod();
        for (Pod.Container container : pod.allContainers()) {
            images.put(container.name(), image(container));
        }
        RunFacts facts = HostReading.facts(uid, logs.toString(), Optional.empty(), supportsRecursiveReadOnly());
        refuseRoot(new PodTranslation(pod, facts));
        Files.createDirectories(
                config.root().resolve("logs"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        leaveInterruptiblePart();
        try (PodVolumes volumes = PodVolumes.create(directory.resolve("volumes"), pod)) {
            return stopped ? ExitStatus.INTERRUPTED : inSandbox(facts, volumes);
        } finally {
            PodVolumes.removeTree(directory);
            if (remove) {
                PodVolumes.removeTree(logs);
            }
        }
    }

    // ---- before the sandbox

    private void refuseRunningPod() throws CommandException {
        boolean runs = connection
                .runtime()
                .listPodSandbox(ListPodSandboxRequest.newBuilder()
                        .setFilter(PodSandboxFilter.newBuilder()
                                .setState(PodSandboxStateValue.newBuilder().setState(PodSandboxState.SANDBOX_READY)))
                        .build())
                .getItemsList()
                .stream()
                .anyMatch(other -> other.getMetadata().getName().equals(pod.name())
                        && other.getMetadata().getNamespace().equals(pod.namespace()));
        if (runs) {
            throw new CommandException(
                    ExitStatus.RUN_FAILED,
                    "pod " + pod.namespace() + "/" + pod.name()
                            + " runs already: stop it, or give this one another name");
        }
    }

    private boolean supportsRecursiveReadOnly() {
        return connection.runtime().status(StatusRequest.getDefaultInstance()).getRuntimeHandlersList().stream()
                .anyMatch(handler ->
                        handler.getName().isEmpty() && handler.getFeatures().getRecursiveReadOnlyMounts());
    }

    private RunFacts.Image image(Pod.Container container) throws CommandException {
        Pod.PullPolicy policy = container.pullPolicy().orElse(Pod.PullPolicy.IF_NOT_PRESENT);
        Optional<Image> found = switch (policy) {
            case ALWAYS -> Optional.empty();
            case IF_NOT_PRESENT, NEVER -> localImage(container.image());
        };
        if (found.isEmpty() && policy == Pod.PullPolicy.NEVER) {
            throw new CommandException(
                    ExitStatus.RUN_FAILED,
                    "image " + container.image() + " of container " + container.name()
                            + " is not here, and imagePullPolicy is Never: portafilter import or pull brings it");
        }
        if (found.isEmpty()) {
            found = localImage(Pull.image(connection, container.image(), Optional.empty(), progress));
        }
        Image image = found.orElseThrow(() -> new CommandException(
                ExitStatus.RUN_FAILED, "image " + container.image() + " was pulled, and removed by somebody at once"));
        return new RunFacts.Image(
                image.getId(),
                container.image(),
                image.hasUid() ? Optional.of(image.getUid().getValue()) : Optional.empty(),
                image.getUsername());
    }

    private Optional<Image> localImage(String name) {
        ImageStatusResponse status = connection
                .images()
                .imageStatus(ImageStatusRequest.newBuilder()
                        .setImage(ImageSpec.newBuilder().setImage(name))
                        .build());
        return status.hasImage() ? Optional.of(status.getImage()) : Optional.empty();
    }

    private void refuseRoot(PodTranslation translation) throws CommandException {
        for (Pod.Container container : pod.allContainers()) {
            RunFacts.Image image = images.get(container.name());
            Optional<String> refusal = image == null ? Optional.empty() : translation.rootRefusal(container, image);
            if (refusal.isPresent()) {
                throw new CommandException(
                        ExitStatus.RUN_FAILED, "container " + container.name() + ": " + refusal.get());
            }
        }
    }

    // ---- the sandbox

    private record Sandbox(ContainerRun.PodSandbox pod, RunFacts facts) {}

    private int inSandbox(RunFacts asked, PodVolumes volumes)
            throws CommandException, IOException, InterruptedException {
        Sandbox sandbox = runSandbox(asked);
        try {
            List<String> addresses = addresses(sandbox.pod.id());
            Path hosts = volumes.hostsFile(addresses, sandbox.pod.config().getHostname());
            RunFacts facts = sandbox.facts.withPodIps(addresses).withHostsFile(hosts.toString());
            return containers(new ContainerRun.Surroundings(
                    connection,
                    new PodTranslation(pod, facts),
                    sandbox.pod,
                    volumes,
                    Map.copyOf(images),
                    output,
                    progress,
                    person));
        } finally {
            end(sandbox.pod.id());
        }
    }

    private Sandbox runSandbox(RunFacts facts) throws CommandException, IOException {
        if (pod.hostUsers()) {
            return runSandboxNow(facts);
        }
        // Two runs at a time must not choose the same ids.
        try (FileChannel file = FileChannel.open(
                        config.root().resolve("run").resolve("ids.lock"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE);
                FileLock _ = file.lock()) {
            Optional<Long> first = PodIds.free(config.usernsRange(), PodIds.used(connection));
            if (first.isEmpty()) {
                throw new CommandException(
                        ExitStatus.RUN_FAILED,
                        "hostUsers: false: no block of 65536 ids is free in userns_range; remove stopped pods, or"
                                + " configure a larger range");
            }
            return runSandboxNow(facts.withFirstHostId(first.get()));
        }
    }

    private Sandbox runSandboxNow(RunFacts facts) {
        PodSandboxConfig sandbox = new PodTranslation(pod, facts).sandbox();
        String id = connection
                .runtime()
                .runPodSandbox(
                        RunPodSandboxRequest.newBuilder().setConfig(sandbox).build())
                .getPodSandboxId();
        return new Sandbox(new ContainerRun.PodSandbox(id, sandbox), facts);
    }

    private List<String> addresses(String sandbox) {
        PodSandboxNetworkStatus network = connection
                .runtime()
                .podSandboxStatus(PodSandboxStatusRequest.newBuilder()
                        .setPodSandboxId(sandbox)
                        .build())
                .getStatus()
                .getNetwork();
        return Stream.concat(
                        Stream.of(network.getIp()),
                        network.getAdditionalIpsList().stream().map(PodIP::getIp))
                .filter(address -> !address.isEmpty())
                .toList();
    }

    private void end(String sandbox) {
        connection
                .runtime()
                .stopPodSandbox(StopPodSandboxRequest.newBuilder()
                        .setPodSandboxId(sandbox)
                        .build());
        if (remove) {
            connection
                    .runtime()
                    .removePodSandbox(RemovePodSandboxRequest.newBuilder()
                            .setPodSandboxId(sandbox)
                            .build());
        }
    }

    // ---- containers

    /** Runs all containers to their end; the exit status by {@link ExitRule#ofPod}. */
    private int containers(ContainerRun.Surroundings around) throws CommandException, InterruptedException {
        Pod.RestartPolicy policy = pod.restartPolicy().orElse(Pod.RestartPolicy.NEVER);
        // What must end before the pod begins cannot be started for ever.
        Pod.RestartPolicy initPolicy = policy == Pod.RestartPolicy.NEVER ? policy : Pod.RestartPolicy.ON_FAILURE;
        List<Integer> statuses = new ArrayList<>();
        try {
            for (Pod.Container container : pod.initContainers()) {
                if (container.sidecar()) {
                    start(sidecars, around, container, Pod.RestartPolicy.ALWAYS);
                } else {
                    int status = start(others, around, container, initPolicy).await();
                    if (status != 0 || stopped) {
                        return status;
                    }
                }
            }
            List<ContainerRun> mains = new ArrayList<>();
            for (Pod.Container container : pod.containers()) {
                mains.add(start(others, around, container, policy));
            }
            for (ContainerRun main : mains) {
                statuses.add(main.await());
            }
            return ExitRule.ofPod(statuses);
        } finally {
            stopContainers();
            for (ContainerRun run :
                    Stream.concat(others.stream(), sidecars.stream()).toList()) {
                run.awaitOutput();
            }
        }
    }

    private ContainerRun start(
            List<ContainerRun> kind,
            ContainerRun.Surroundings around,
            Pod.Container container,
            Pod.RestartPolicy policy)
            throws InterruptedException {
        ContainerRun run = ContainerRun.start(around, container, policy);
        kind.add(run);
        if (stopped) {
            run.stop(pod.gracePeriodSeconds());
        }
        // A pod of which a container could not be made does not go on without it.
        run.whenFailed(() -> Thread.ofVirtual().start(this::stopContainers));
        return run;
    }

    private void stopContainers() {
        others.parallelStream().forEach(run -> run.stop(pod.gracePeriodSeconds()));
        sidecars.reversed().forEach(run -> run.stop(pod.gracePeriodSeconds()));
    }
}
