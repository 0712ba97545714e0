package io.portafilter.state;

import io.portafilter.container.LaunchedContainer;
import io.portafilter.container.LaunchedPod;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What a server that starts makes of the records that an earlier one left: pure decisions. A {@code Became} record is
 * to be committed; a {@code Reopen} is to be looked for in the kernel, and what is found there given to
 * {@link #afterReopen(PodRecord, boolean)} or {@link #afterReopen(ContainerRecord, Found, long)}.
 */
public record Recovery(List<PodFate> pods, List<ContainerFate> containers) {
    /** Exit code of a container whose end nobody saw. */
    public static final int LOST = 255;

    /** Reason of a container whose end nobody saw. */
    public static final String UNKNOWN = "Unknown";

    public Recovery {
        pods = List.copyOf(pods);
        containers = List.copyOf(containers);
    }

    /** What becomes of a pod sandbox. */
    public sealed interface PodFate {
        PodRecord pod();

        /** As recorded. */
        record Kept(PodRecord pod) implements PodFate {}

        /** Otherwise than recorded. */
        record Became(PodRecord pod) implements PodFate {}

        /** READY if these processes are still there. */
        record Reopen(PodRecord pod, LaunchedPod launched) implements PodFate {}
    }

    /** What becomes of a container. */
    public sealed interface ContainerFate {
        ContainerRecord container();

        /** As recorded. */
        record Kept(ContainerRecord container) implements ContainerFate {}

        /** Otherwise than recorded. */
        record Became(ContainerRecord container) implements ContainerFate {}

        /** Runs if its monitor is still there, else its exit file tells how it ended. */
        record Reopen(ContainerRecord container, LaunchedContainer launched) implements ContainerFate {}
    }

    /** What the kernel and the exit file say of a container that was started. */
    public sealed interface Found {
        /** The monitor is there, and the program runs. */
        record Running() implements Found {}

        /** The exit file is there. */
        record Ended(int exitCode, boolean oomKilled, long atNanos) implements Found {}

        /** Neither monitor nor exit file, or a launch whose gate never opened. */
        record Lost() implements Found {}
    }

    /** This boot, as records are marked with it. */
    public static String currentBootId() {
        Path file = Path.of("/proc/sys/kernel/random/boot_id");
        try {
            return Files.readString(file).strip();
        } catch (IOException e) {
            throw new StateException("cannot read " + file + ": " + e, e);
        }
    }

    /** Decides for every record; {@code nowNanos} is when what was lost counts as ended. */
    public static Recovery of(
            Collection<PodRecord> pods, Collection<ContainerRecord> containers, String bootId, long nowNanos) {
        return new Recovery(
                pods.stream().map(pod -> decide(pod, bootId)).toList(),
                containers.stream()
                        .map(container -> decide(container, bootId, nowNanos))
                        .toList());
    }

    private static PodFate decide(PodRecord pod, String bootId) {
        return switch (pod.state()) {
            case NOTREADY -> new PodFate.Kept(pod);
            case READY -> {
                if (!pod.bootId().equals(bootId) || pod.launched().isEmpty()) {
                    yield new PodFate.Became(pod.notReady());
                }
                yield new PodFate.Reopen(pod, pod.launched().get());
            }
        };
    }

    private static ContainerFate decide(ContainerRecord container, String bootId, long nowNanos) {
        boolean sameBoot = container.bootId().equals(bootId);
        return switch (container.state()) {
            case EXITED -> new ContainerFate.Kept(container);
            case CREATED -> {
                if (!sameBoot) {
                    yield new ContainerFate.Became(lost(container, nowNanos, "the machine was started anew"));
                }
                // The gates' pipes closed with the earlier server, so its prepared process has ended.
                yield container.launched().isPresent()
                        ? new ContainerFate.Became(container.unprepared())
                        : new ContainerFate.Kept(container);
            }
            case STARTING, RUNNING -> {
                if (!sameBoot) {
                    yield new ContainerFate.Became(lost(container, nowNanos, "the machine was started anew"));
                }
                if (container.launched().isEmpty()) {
                    yield new ContainerFate.Became(lost(container, nowNanos, "no process is recorded"));
                }
                yield new ContainerFate.Reopen(container, container.launched().get());
            }
        };
    }

    private static ContainerRecord lost(ContainerRecord container, long nowNanos, String why) {
        return container.exited(nowNanos, LOST, UNKNOWN, why);
    }

    /** The pod sandbox after its first process was looked for. */
    public static PodRecord afterReopen(PodRecord pod, boolean pauseRuns) {
        return pauseRuns ? pod : pod.notReady();
    }

    /**
     * The container after it was looked for. A program that was seen running after the server had died between
     * {@code starting} and {@code running} is running since {@code starting}.
     */
    public static ContainerRecord afterReopen(ContainerRecord container, Found found, long nowNanos) {
        return switch (found) {
            case Found.Running() -> container.running(container.startedAtNanos());
            case Found.Ended(int exitCode, boolean oomKilled, long atNanos) ->
                container.exited(atNanos, exitCode, reason(exitCode, oomKilled), "");
            case Found.Lost() ->
                container.state() == ContainerState.STARTING
                        ? container.exited(
                                nowNanos, 128, "StartError", "the server ended while the container was started")
                        : lost(container, nowNanos, "its monitor ended without leaving an exit status");
        };
    }

    /** CRI's reason for an end: OOMKilled if the kernel killed it for memory, Completed for 0, else Error. */
    public static String reason(int exitCode, boolean oomKilled) {
        if (oomKilled) {
            return "OOMKilled";
        }
        return exitCode == 0 ? "Completed" : "Error";
    }

    /**
     * Names below a directory of ours ({@code pods/}, {@code containers/}) that no record knows: remains of what an
     * earlier server had begun and not committed, to be undone.
     */
    public static List<String> orphans(Collection<String> names, Collection<String> recordedIds) {
        Set<String> known = new HashSet<>(recordedIds);
        List<String> orphans = new ArrayList<>();
        for (String name : names) {
            if (!known.contains(name)) {
                orphans.add(name);
            }
        }
        orphans.sort(null);
        return orphans;
    }
}
