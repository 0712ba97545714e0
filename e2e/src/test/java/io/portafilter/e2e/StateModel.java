package io.portafilter.e2e;

import static io.portafilter.cri.v1.ContainerState.CONTAINER_CREATED;
import static io.portafilter.cri.v1.ContainerState.CONTAINER_EXITED;
import static io.portafilter.cri.v1.ContainerState.CONTAINER_RUNNING;
import static io.portafilter.cri.v1.PodSandboxState.SANDBOX_NOTREADY;
import static io.portafilter.cri.v1.PodSandboxState.SANDBOX_READY;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.ExecSyncResponse;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.PodSandboxStatus;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * The state machine of pods and containers as CRI has it, in few lines, and the judge of one sequence of calls: makes
 * each, says what it must have answered, and compares all that the server lists with what must be there.
 *
 * <p>After a caller went away nobody knows how far its call came. Then the same call is made again, at once, and must
 * do what it would have done: that is what kubelet does.
 */
final class StateModel {

    private static final String UNKNOWN_ID = "0123456789abcdef".repeat(4);
    private static final int PREFIX_LENGTH = 24;
    private static final int KILLED = 137;
    private static final int START_FAILED = 128;
    private static final Duration SOON = Duration.ofSeconds(20);

    private final Live live;
    private final Caller caller;
    private final String image;
    private final List<PodSandboxConfig> configs;
    private final Map<Integer, PodModel> pods = new TreeMap<>();
    private final Map<Integer, String> stalePods = new TreeMap<>();
    private final Map<Integer, String> staleContainers = new TreeMap<>();
    private int steps;

    private static final class PodModel {
        private final String id;
        private PodSandboxState state = SANDBOX_READY;
        private final Map<Integer, ContainerModel> containers = new TreeMap<>();

        PodModel(String id) {
            this.id = id;
        }
    }

    private static final class ContainerModel {
        private final String id;
        private final Step.Program program;
        private final Path log;
        private ContainerState state = CONTAINER_CREATED;
        private int exitCode;

        ContainerModel(String id, Step.Program program, Path log) {
            this.id = id;
            this.program = program;
            this.log = log;
        }

        void exited(int code) {
            state = CONTAINER_EXITED;
            exitCode = code;
        }

        String reason() {
            return switch (exitCode) {
                case 0 -> state == CONTAINER_EXITED ? "Completed" : "";
                case START_FAILED -> "StartError";
                default -> "Error";
            };
        }
    }

    /** @param configs of the pods, one for each place */
    StateModel(Live live, Caller caller, String image, List<PodSandboxConfig> configs) {
        this.live = live;
        this.caller = caller;
        this.image = image;
        this.configs = List.copyOf(configs);
    }

    /** The request that makes the container of a place in a pod; the same for every caller. */
    static CreateContainerRequest request(Live live, String podId, PodSandboxConfig config, String image, Step step) {
        ContainerFixture fixture = new Pod(live.portafilter(), podId, config)
                .container(image)
                .configure(c -> {
                    c.getMetadataBuilder().setName("place-" + step.place());
                    c.setLogPath("place-" + step.place() + ".log");
                });
        return switch (step.program()) {
            case IDLE ->
                fixture.shell("trap 'exit 143' TERM; echo ready; while true; do sleep 1000 & wait $!; done")
                        .request();
            case SHORT_LIVED -> fixture.shell("exit 3").request();
            case MISSING -> fixture.command("/no/such/program").request();
        };
    }

    /** Makes one call and judges its answer and what is listed afterwards. */
    void take(Step step) {
        steps++;
        switch (step.verb()) {
            case RUN_POD -> runPod(step);
            case STOP_POD -> stopPod(step);
            case REMOVE_POD -> removePod(step);
            case POD_STATUS -> podStatus(step);
            case CREATE -> create(step);
            case START -> start(step);
            case STOP_GENTLY -> stop(step, true);
            case KILL -> stop(step, false);
            case REMOVE -> remove(step);
            case EXEC -> exec(step);
            case STATUS -> status(step);
            case REOPEN_LOG -> reopenLog(step);
        }
        compareLists();
    }

    // ---- ids

    private Collection<String> podIds() {
        return pods.values().stream().map(pod -> pod.id).toList();
    }

    private List<ContainerModel> all() {
        return pods.values().stream()
                .flatMap(pod -> pod.containers.values().stream())
                .toList();
    }

    /** What the step puts into the request. */
    private static String named(Step step, Optional<String> id, Optional<String> stale) {
        String known = id.orElse(stale.orElse(UNKNOWN_ID));
        return switch (step.naming()) {
            case WHOLE -> known;
            case PREFIX -> known.substring(0, PREFIX_LENGTH);
            case SHORT -> known.substring(0, 1);
            case STALE -> stale.orElse(UNKNOWN_ID);
            case UNKNOWN -> UNKNOWN_ID;
            case EMPTY -> "";
        };
    }

    private String podNamed(Step step) {
        return named(
                step,
                Optional.ofNullable(pods.get(step.pod())).map(pod -> pod.id),
                Optional.ofNullable(stalePods.get(step.pod())));
    }

    private static int place(Step step) {
        return step.pod() * Step.PLACES + step.place();
    }

    private String containerNamed(Step step) {
        return named(
                step,
                Optional.ofNullable(pods.get(step.pod()))
                        .map(pod -> pod.containers.get(step.place()))
                        .map(found -> found.id),
                Optional.ofNullable(staleContainers.get(place(step))));
    }

    /** Whether an id in a request names nothing for certain: empty, or the beginning of several. */
    private static boolean isInvalid(String name, Collection<String> ids) {
        return name.isEmpty() || ids.stream().filter(id -> id.startsWith(name)).count() > 1;
    }

    private boolean isInvalidPod(String name) {
        return isInvalid(name, podIds());
    }

    private boolean isInvalidContainer(String name) {
        return isInvalid(name, all().stream().map(found -> found.id).toList());
    }

    private Optional<PodModel> pod(String name) {
        return pods.values().stream().filter(pod -> pod.id.startsWith(name)).findFirst();
    }

    private Optional<ContainerModel> container(String name) {
        return all().stream().filter(found -> found.id.startsWith(name)).findFirst();
    }

    private PodModel podOf(ContainerModel container) {
        return pods.values().stream()
                .filter(pod -> pod.containers.containsValue(container))
                .findFirst()
                .orElseThrow();
    }

    // ---- judging

    private static void expect(Step step, Caller.Outcome<?> outcome, Status.Code... allowed) {
        if (!List.of(allowed).contains(outcome.code())) {
            throw new AssertionError(
                    step + " answered " + outcome.code() + " (" + outcome.message() + "), must be " + List.of(allowed));
        }
    }

    private static void expect(Step step, String what, Object expected, Object actual) {
        if (!expected.equals(actual)) {
            throw new AssertionError(step + ": " + what + " is " + actual + ", must be " + expected);
        }
    }

    /** What the caller who goes away got is one of these, or that it went away. */
    private static void expectOrGone(Step step, Caller.Outcome<?> outcome, Status.Code... allowed) {
        if (!Set.of(Status.Code.DEADLINE_EXCEEDED, Status.Code.CANCELLED).contains(outcome.code())) {
            expect(step, outcome, allowed);
        }
    }

    private void compareLists() {
        boolean streamed = steps % 2 == 0;
        Map<String, PodSandboxState> wantedPods = new TreeMap<>();
        pods.values().forEach(pod -> wantedPods.put(pod.id, pod.state));
        Map<String, ContainerState> wanted = new TreeMap<>();
        all().forEach(found -> wanted.put(found.id, found.state));
        Map<String, PodSandboxState> listedPods = caller.pods(streamed);
        Map<String, ContainerState> listed = caller.containers(streamed);
        if (!listedPods.equals(wantedPods) || !listed.equals(wanted)) {
            throw new AssertionError(
                    "listed are " + listedPods + " " + listed + ", there must be " + wantedPods + " " + wanted);
        }
    }

    // ---- pods

    private void runPod(Step step) {
        PodSandboxConfig config = configs.get(step.pod());
        Optional<PodModel> existing = Optional.ofNullable(pods.get(step.pod()));
        Status.Code right =
                existing.filter(pod -> pod.state == SANDBOX_NOTREADY).isPresent()
                        ? Status.Code.ALREADY_EXISTS
                        : Status.Code.OK;
        if (step.patienceMicros() > 0) {
            expectOrGone(step, caller.runPod(step.patienceMicros(), config), right);
        }
        Caller.Outcome<String> outcome = caller.runPod(0, config);
        expect(step, outcome, right);
        outcome.answer().ifPresent(id -> {
            existing.ifPresent(pod -> expect(step, "the id", pod.id, id));
            var _ = pods.putIfAbsent(step.pod(), new PodModel(id));
        });
    }

    private void stopPod(Step step) {
        String name = podNamed(step);
        Status.Code right = isInvalidPod(name) ? Status.Code.INVALID_ARGUMENT : Status.Code.OK;
        if (step.patienceMicros() > 0) {
            expectOrGone(step, caller.stopPod(step.patienceMicros(), name), right);
        }
        Caller.Outcome<?> outcome = caller.stopPod(0, name);
        expect(step, outcome, right);
        if (outcome.isOk()) {
            pod(name).ifPresent(pod -> {
                pod.state = SANDBOX_NOTREADY;
                pod.containers.values().stream()
                        .filter(found -> found.state == CONTAINER_RUNNING)
                        .forEach(found -> found.exited(KILLED));
            });
        }
    }

    private void removePod(Step step) {
        String name = podNamed(step);
        Status.Code right = isInvalidPod(name) ? Status.Code.INVALID_ARGUMENT : Status.Code.OK;
        Optional<PodModel> removed = right == Status.Code.OK ? pod(name) : Optional.empty();
        // a prefix may name another one when the first is gone
        String again = removed.map(pod -> pod.id).orElse(name);
        if (step.patienceMicros() > 0) {
            expectOrGone(step, caller.removePod(step.patienceMicros(), again), right);
        }
        expect(step, caller.removePod(0, again), right);
        removed.ifPresent(pod -> {
            int at = pods.entrySet().stream()
                    .filter(entry -> entry.getValue() == pod)
                    .findFirst()
                    .orElseThrow()
                    .getKey();
            pod.containers.forEach((place, found) -> staleContainers.put(at * Step.PLACES + place, found.id));
            stalePods.put(at, pod.id);
            pods.remove(at);
        });
    }

    private void podStatus(Step step) {
        String name = podNamed(step);
        Caller.Outcome<PodSandboxStatus> outcome = caller.podStatus(name);
        if (isInvalidPod(name)) {
            expect(step, outcome, Status.Code.INVALID_ARGUMENT);
            return;
        }
        Optional<PodModel> pod = pod(name);
        expect(step, outcome, pod.isPresent() ? Status.Code.OK : Status.Code.NOT_FOUND);
        pod.ifPresent(known -> {
            PodSandboxStatus status = outcome.answer().orElseThrow();
            expect(step, "the id", known.id, status.getId());
            expect(step, "the state", known.state, status.getState());
        });
    }

    // ---- containers

    private void create(Step step) {
        String name = podNamed(step);
        CreateContainerRequest request = request(live, name, configs.get(step.pod()), image, step);
        Optional<PodModel> pod = isInvalidPod(name) ? Optional.empty() : pod(name);
        Optional<ContainerModel> existing = pod.map(known -> known.containers.get(step.place()));
        Status.Code right = rightCreate(step, name, pod, existing);
        if (step.patienceMicros() > 0) {
            expectOrGone(step, caller.create(step.patienceMicros(), request), right);
        }
        Caller.Outcome<String> outcome = caller.create(0, request);
        expect(step, outcome, right);
        outcome.answer().ifPresent(id -> {
            existing.ifPresent(known -> expect(step, "the id", known.id, id));
            Path log = Path.of(
                    configs.get(step.pod()).getLogDirectory(),
                    request.getConfig().getLogPath());
            var _ = pod.orElseThrow().containers.putIfAbsent(step.place(), new ContainerModel(id, step.program(), log));
        });
    }

    private Status.Code rightCreate(Step step, String name, Optional<PodModel> pod, Optional<ContainerModel> existing) {
        if (isInvalidPod(name)) {
            return Status.Code.INVALID_ARGUMENT;
        }
        if (pod.isEmpty()) {
            return Status.Code.NOT_FOUND;
        }
        if (pods.get(step.pod()) != pod.get()) {
            // one character of an id can begin another pod's, whose configuration is not the step's
            return Status.Code.INVALID_ARGUMENT;
        }
        if (existing.isPresent()) {
            boolean same = existing.get().state == CONTAINER_CREATED && existing.get().program == step.program();
            return same ? Status.Code.OK : Status.Code.ALREADY_EXISTS;
        }
        return pod.get().state == SANDBOX_READY ? Status.Code.OK : Status.Code.FAILED_PRECONDITION;
    }

    private void start(Step step) {
        String name = containerNamed(step);
        if (isInvalidContainer(name)) {
            expect(step, caller.start(0, name), Status.Code.INVALID_ARGUMENT);
            return;
        }
        Optional<ContainerModel> found = container(name);
        if (found.isEmpty()) {
            expect(step, caller.start(0, name), Status.Code.NOT_FOUND);
            return;
        }
        ContainerModel container = found.get();
        if (container.state != CONTAINER_CREATED || podOf(container).state != SANDBOX_READY) {
            expect(step, caller.start(0, name), Status.Code.FAILED_PRECONDITION);
            return;
        }
        Status.Code right = container.program == Step.Program.MISSING ? Status.Code.INVALID_ARGUMENT : Status.Code.OK;
        if (step.patienceMicros() > 0) {
            expectOrGone(step, caller.start(step.patienceMicros(), name), right);
            // a server that was killed in the middle of the start may have ended it: then that is its end
            Optional<ContainerStatus> failed = caller.status(container.id)
                    .answer()
                    .filter(status -> status.getReason().equals("StartError"));
            // the first call may have come to its end: then it is started
            expect(step, caller.start(0, name), right, Status.Code.FAILED_PRECONDITION);
            if (caller.mayKill() && failed.isPresent()) {
                container.exited(START_FAILED);
                return;
            }
        } else {
            expect(step, caller.start(0, name), right);
        }
        started(step, container);
    }

    private void started(Step step, ContainerModel container) {
        switch (container.program) {
            case IDLE -> container.state = CONTAINER_RUNNING;
            case MISSING -> container.exited(START_FAILED);
            case SHORT_LIVED -> {
                Await.until(
                        step + ": it ends",
                        SOON,
                        () -> caller.status(container.id)
                                .answer()
                                .filter(status -> status.getState() == CONTAINER_EXITED)
                                .isPresent());
                container.exited(3);
            }
        }
    }

    private void stop(Step step, boolean gently) {
        String name = containerNamed(step);
        Status.Code right = isInvalidContainer(name) ? Status.Code.INVALID_ARGUMENT : Status.Code.OK;
        Optional<ContainerModel> running = right == Status.Code.OK
                ? container(name).filter(found -> found.state == CONTAINER_RUNNING)
                : Optional.empty();
        if (gently) {
            // process 1 of a PID namespace ignores the signal until it has a handler for it
            running.ifPresent(found -> Await.until(
                    step + ": its handler is set",
                    SOON,
                    () -> !new Container(live.portafilter(), found.id, found.log)
                            .logLines()
                            .isEmpty()));
        }
        if (step.patienceMicros() > 0) {
            expectOrGone(step, caller.stop(step.patienceMicros(), name, gently), right);
        }
        expect(step, caller.stop(0, name, gently), right);
        running.ifPresent(found -> found.exited(gently ? 143 : KILLED));
    }

    private void remove(Step step) {
        String name = containerNamed(step);
        Status.Code right = isInvalidContainer(name) ? Status.Code.INVALID_ARGUMENT : Status.Code.OK;
        Optional<ContainerModel> removed = right == Status.Code.OK ? container(name) : Optional.empty();
        String again = removed.map(found -> found.id).orElse(name);
        if (step.patienceMicros() > 0) {
            expectOrGone(step, caller.remove(step.patienceMicros(), again), right);
        }
        expect(step, caller.remove(0, again), right);
        removed.ifPresent(found -> {
            PodModel pod = podOf(found);
            pod.containers.values().remove(found);
            staleContainers.put(place(step), found.id);
        });
    }

    private void exec(Step step) {
        String name = containerNamed(step);
        Status.Code right = rightOfRunning(name);
        Caller.Outcome<ExecSyncResponse> outcome = caller.exec(step.patienceMicros(), name);
        if (step.patienceMicros() > 0) {
            expectOrGone(step, outcome, right);
            return;
        }
        expect(step, outcome, right);
        outcome.answer().ifPresent(answer -> expect(step, "its output and exit code", true, Caller.saysHello(answer)));
    }

    private Status.Code rightOfRunning(String name) {
        if (isInvalidContainer(name)) {
            return Status.Code.INVALID_ARGUMENT;
        }
        return container(name)
                .map(found -> found.state == CONTAINER_RUNNING ? Status.Code.OK : Status.Code.FAILED_PRECONDITION)
                .orElse(Status.Code.NOT_FOUND);
    }

    private void status(Step step) {
        String name = containerNamed(step);
        Caller.Outcome<ContainerStatus> outcome = caller.status(name);
        if (isInvalidContainer(name)) {
            expect(step, outcome, Status.Code.INVALID_ARGUMENT);
            return;
        }
        Optional<ContainerModel> found = container(name);
        expect(step, outcome, found.isPresent() ? Status.Code.OK : Status.Code.NOT_FOUND);
        found.ifPresent(known -> {
            ContainerStatus status = outcome.answer().orElseThrow();
            expect(step, "the id", known.id, status.getId());
            expect(step, "the state", known.state, status.getState());
            expect(step, "the exit code", known.exitCode, status.getExitCode());
            expect(step, "the reason", known.reason(), status.getReason());
            expect(
                    step,
                    "it has started",
                    known.state == CONTAINER_RUNNING || known.exitCode > 0 && known.exitCode != START_FAILED,
                    status.getStartedAt() > 0 && known.exitCode != START_FAILED);
            expect(step, "it has finished", known.state == CONTAINER_EXITED, status.getFinishedAt() > 0);
        });
    }

    private void reopenLog(Step step) {
        String name = containerNamed(step);
        expect(step, caller.reopenLog(name), rightOfRunning(name));
    }
}
