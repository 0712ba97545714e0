package io.portafilter.e2e;

import static io.portafilter.cri.v1.ContainerState.CONTAINER_CREATED;
import static io.portafilter.cri.v1.ContainerState.CONTAINER_EXITED;
import static io.portafilter.cri.v1.ContainerState.CONTAINER_RUNNING;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.ExecSyncResponse;
import io.portafilter.cri.v1.PodSandboxConfig;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * One of several clients that do random things to the same pods and containers at once. What the state is, nobody knows
 * then; but some answers are wrong in every order, and a state that one client has seen is never followed by an earlier
 * one, whoever asks.
 */
final class ConcurrentClient {

    private static final String UNKNOWN_ID = "fedcba9876543210".repeat(4);
    private static final int PREFIX_LENGTH = 24;
    private static final int KILLED = 137;
    private static final List<ContainerState> ORDER = List.of(CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_EXITED);

    /** What all clients know together. */
    static final class Knowledge {
        private final Map<Integer, String> pods = new ConcurrentHashMap<>();
        private final Map<Integer, String> containers = new ConcurrentHashMap<>();

        /** By container: how far it had come at least, an index of {@link #ORDER}. */
        private final Map<String, Integer> reached = new ConcurrentHashMap<>();

        /** Ids of pods and containers whose removal has been answered. */
        private final Set<String> removed = ConcurrentHashMap.newKeySet();

        private int reached(String id) {
            return reached.getOrDefault(id, 0);
        }

        private void reaches(String id, ContainerState state) {
            var _ = reached.merge(id, ORDER.indexOf(state), Math::max);
        }
    }

    private final Live live;
    private final Caller caller;
    private final String image;
    private final List<PodSandboxConfig> configs;
    private final Knowledge known;

    ConcurrentClient(Live live, Caller caller, String image, List<PodSandboxConfig> configs, Knowledge known) {
        this.live = live;
        this.caller = caller;
        this.image = image;
        this.configs = List.copyOf(configs);
        this.known = known;
    }

    void take(Step step) {
        switch (step.verb()) {
            case RUN_POD -> runPod(step);
            case STOP_POD -> expect(step, caller.stopPod(step.patienceMicros(), pod(step)), Status.Code.OK);
            case REMOVE_POD -> removePod(step);
            case POD_STATUS -> podStatus(step);
            case CREATE -> create(step);
            case START -> start(step);
            case STOP_GENTLY, KILL -> expect(step, caller.stop(step.patienceMicros(), container(step), false));
            case REMOVE -> remove(step);
            case EXEC -> exec(step);
            case STATUS -> status(step);
            case REOPEN_LOG ->
                expect(step, caller.reopenLog(container(step)), Status.Code.NOT_FOUND, Status.Code.FAILED_PRECONDITION);
        }
        lists(step);
    }

    private static String named(Step step, Optional<String> id) {
        String whole = id.orElse(UNKNOWN_ID);
        return switch (step.naming()) {
            case WHOLE, STALE -> whole;
            case PREFIX, SHORT -> whole.substring(0, PREFIX_LENGTH);
            case UNKNOWN, EMPTY -> UNKNOWN_ID;
        };
    }

    private String pod(Step step) {
        return named(step, Optional.ofNullable(known.pods.get(step.pod())));
    }

    private String container(Step step) {
        return named(step, Optional.ofNullable(known.containers.get(step.pod() * Step.PLACES + step.place())));
    }

    /** OK or one of the others; one that goes away may also hear that. */
    private static void expect(Step step, Caller.Outcome<?> outcome, Status.Code... others) {
        EnumSet<Status.Code> allowed = EnumSet.of(Status.Code.OK, others);
        if (step.patienceMicros() > 0) {
            allowed.addAll(Set.of(Status.Code.CANCELLED, Status.Code.DEADLINE_EXCEEDED));
        }
        if (!allowed.contains(outcome.code())) {
            throw new AssertionError(
                    step + " answered " + outcome.code() + " (" + outcome.message() + "), must be one of " + allowed);
        }
    }

    private void runPod(Step step) {
        Caller.Outcome<String> outcome = caller.runPod(step.patienceMicros(), configs.get(step.pod()));
        expect(step, outcome, Status.Code.ALREADY_EXISTS);
        outcome.answer().ifPresent(id -> known.pods.put(step.pod(), id));
    }

    private void removePod(Step step) {
        String name = pod(step);
        Caller.Outcome<?> outcome = caller.removePod(step.patienceMicros(), name);
        expect(step, outcome);
        removed(name, outcome);
    }

    private void removed(String name, Caller.Outcome<?> outcome) {
        if (outcome.isOk() && name.length() == UNKNOWN_ID.length()) {
            known.removed.add(name);
        }
    }

    private void podStatus(Step step) {
        String name = pod(step);
        boolean gone = known.removed.contains(name);
        Caller.Outcome<?> outcome = caller.podStatus(name);
        expect(step, outcome, Status.Code.NOT_FOUND);
        if (gone && outcome.isOk()) {
            throw new AssertionError(step + " found a pod that was removed");
        }
    }

    private void create(Step step) {
        CreateContainerRequest request = StateModel.request(live, pod(step), configs.get(step.pod()), image, step);
        Caller.Outcome<String> outcome = caller.create(step.patienceMicros(), request);
        expect(step, outcome, Status.Code.NOT_FOUND, Status.Code.FAILED_PRECONDITION, Status.Code.ALREADY_EXISTS);
        outcome.answer().ifPresent(id -> known.containers.put(step.pod() * Step.PLACES + step.place(), id));
    }

    private void start(Step step) {
        String name = container(step);
        Caller.Outcome<?> outcome = caller.start(step.patienceMicros(), name);
        boolean missing = outcome.message().contains("/no/such/program");
        Status.Code refusal = missing ? Status.Code.INVALID_ARGUMENT : Status.Code.NOT_FOUND;
        expect(step, outcome, refusal, Status.Code.FAILED_PRECONDITION);
        if (outcome.isOk() && name.length() == UNKNOWN_ID.length()) {
            known.reaches(name, CONTAINER_RUNNING);
        }
    }

    private void remove(Step step) {
        String name = container(step);
        Caller.Outcome<?> outcome = caller.remove(step.patienceMicros(), name);
        expect(step, outcome, Status.Code.FAILED_PRECONDITION);
        removed(name, outcome);
    }

    private void exec(Step step) {
        Caller.Outcome<ExecSyncResponse> outcome = caller.exec(step.patienceMicros(), container(step));
        expect(step, outcome, Status.Code.NOT_FOUND, Status.Code.FAILED_PRECONDITION);
        outcome.answer().ifPresent(answer -> {
            boolean right = Caller.saysHello(answer) || answer.getExitCode() == KILLED;
            if (!right) {
                throw new AssertionError(step + " answered " + answer);
            }
        });
    }

    private void status(Step step) {
        String name = container(step);
        boolean gone = known.removed.contains(name);
        int before = known.reached(name);
        Caller.Outcome<ContainerStatus> outcome = caller.status(name);
        expect(step, outcome, Status.Code.NOT_FOUND);
        outcome.answer().ifPresent(status -> {
            if (gone) {
                throw new AssertionError(step + " found a container that was removed");
            }
            seen(step, status.getId(), before, status.getState());
        });
    }

    private void seen(Step step, String id, int before, ContainerState now) {
        if (ORDER.indexOf(now) < before) {
            throw new AssertionError(
                    step + ": container " + id + " is " + now + ", but it was seen " + ORDER.get(before));
        }
        known.reaches(id, now);
    }

    private void lists(Step step) {
        Set<String> gone = Set.copyOf(known.removed);
        Map<String, Integer> before = Map.copyOf(known.reached);
        boolean streamed = step.place() == 0;
        Map<String, ContainerState> containers = caller.containers(streamed);
        Set<String> pods = caller.pods(streamed).keySet();
        if (pods.stream().anyMatch(gone::contains)
                || containers.keySet().stream().anyMatch(gone::contains)) {
            throw new AssertionError("listed after " + step + " is one that was removed: " + pods + " " + containers);
        }
        containers.forEach((id, state) -> seen(step, id, before.getOrDefault(id, 0), state));
    }
}
