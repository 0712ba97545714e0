package io.portafilter.container;

import static io.portafilter.container.Probe.Need.OPTIONAL;
import static io.portafilter.container.Probe.Need.REQUIRED;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.cgroup.CgroupHierarchy;
import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.DeviceRule;
import io.portafilter.launch.LaunchException;
import io.portafilter.launch.Launcher;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.SystemCall;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * Tries cgroups as containers use them, in one that is removed afterwards. On version 2 the controllers that were enabled
 * for the children of the root stay enabled, as they are for the first pod.
 */
final class CgroupProbes {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final long TRIAL_MEMORY_BYTES = 64L << 20;
    private static final String MOUNT_IT =
            "boot with the controller enabled (cgroup_enable=), and mount it on version 1";

    private final Launcher launcher;

    CgroupProbes(Launcher launcher) {
        this.launcher = launcher;
    }

    List<Probe> all() {
        return List.of(
                new Probe(
                        "cgroup version",
                        REQUIRED,
                        "no container can be limited or stopped as a whole",
                        "mount cgroup2 on /sys/fs/cgroup",
                        () -> new Outcome.Works(version(CgroupHierarchy.detect()))),
                Probe.of(
                        "processes in cgroups",
                        REQUIRED,
                        "no container can be limited or stopped as a whole",
                        "let the server write to the cgroup file system; look for a read-only mount",
                        () -> inCgroup(CgroupLimits.devicesOnly(List.of(DeviceRule.ALL)), _ -> "")),
                new Probe(
                        "birth in a cgroup",
                        REQUIRED,
                        "no container starts on cgroup version 2",
                        "use a newer kernel (clone3 with CLONE_INTO_CGROUP, Linux 5.7)",
                        this::birth),
                new Probe(
                        "device filter",
                        REQUIRED,
                        "containers could use every device, so they are refused",
                        "version 1: mount the devices controller; version 2: CONFIG_CGROUP_BPF and CAP_BPF",
                        this::deviceFilter),
                Probe.of(
                        "cgroup freezer",
                        OPTIONAL,
                        "a container that forks faster than it is killed may live on",
                        MOUNT_IT,
                        this::freezer),
                new Probe(
                        "cgroup.kill",
                        OPTIONAL,
                        "the processes of a container are frozen and killed one by one",
                        "use cgroup version 2 and Linux 5.14",
                        this::killFile),
                limit("cpu", "CPU shares and quotas are refused", shares()),
                limit("memory", "memory limits are refused, and ends for want of memory are not told", memory()),
                limit("pids", "limits of the number of processes are refused", pids()),
                limit("cpuset", "cpuset_cpus and cpuset_mems are refused", cpus()),
                new Probe(
                        "swap accounting",
                        OPTIONAL,
                        "a memory limit does not limit swap",
                        "boot with swapaccount=1",
                        this::swap),
                new Probe(
                        "hugetlb controller", OPTIONAL, "huge pages are not limited", MOUNT_IT, CgroupProbes::hugetlb));
    }

    private static String version(CgroupHierarchy hierarchy) {
        return switch (hierarchy) {
            case CgroupHierarchy.V1(List<CgroupHierarchy.Mount> mounts) ->
                "version 1: " + controllers(hierarchy)
                        + (mounts.stream().anyMatch(mount -> mount.line().startsWith("name="))
                                ? ", and named hierarchies"
                                : "");
            case CgroupHierarchy.V2 _ -> "version 2: " + controllers(hierarchy);
        };
    }

    private static String controllers(CgroupHierarchy hierarchy) {
        TreeSet<String> names = new TreeSet<>();
        switch (hierarchy) {
            case CgroupHierarchy.V1(List<CgroupHierarchy.Mount> mounts) ->
                mounts.forEach(mount -> names.addAll(mount.controllers()));
            case CgroupHierarchy.V2(String directory, String _) ->
                names.addAll(List.of(
                        ProcFile.read(directory + "/cgroup.controllers").strip().split("\\s+")));
        }
        names.removeIf(name -> name.startsWith("name="));
        return String.join(" ", names);
    }

    /** Makes a cgroup with these limits, runs a process in it, and ends both. */
    private <T> T inCgroup(CgroupLimits limits, Function<Cgroup, T> trial) {
        return inCgroup(limits, Optional.empty(), trial);
    }

    @SuppressWarnings("MustBeClosedChecker") // what is opened for joining is given to the process
    private <T> T inCgroup(CgroupLimits limits, Optional<String> device, Function<Cgroup, T> trial) {
        CgroupHierarchy hierarchy = CgroupHierarchy.detect();
        String path = "/portafilter-trial-" + ProcessHandle.current().pid();
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits);
        try (Rollback undo = new Rollback()) {
            undo.add(() -> PodLaunch.removeCgroup(cgroup));
            Descriptors descriptors = new Descriptors();
            List<Fd> opened = cgroup.openForJoin();
            boolean born = hierarchy instanceof CgroupHierarchy.V2;
            for (int i = 0; i < opened.size(); i++) {
                descriptors.give(born ? Slot.of(Slot.Role.CGROUP) : Slot.of(Slot.Role.TASKS, i), opened.get(i));
            }
            TrialProgram program = TrialProgram.inCgroup(born ? 0 : opened.size(), device);
            try (TrialProcess process = TrialProcess.start(launcher, program, descriptors)) {
                process.awaitWorked();
                return trial.apply(cgroup);
            }
        }
    }

    private Outcome birth() {
        if (CgroupHierarchy.detect() instanceof CgroupHierarchy.V1) {
            return new Outcome.NotNeeded("cgroup version 1: processes join");
        }
        return inCgroup(CgroupLimits.devicesOnly(List.of(DeviceRule.ALL)), _ -> new Outcome.Works(""));
    }

    /** A device that the rules allow can be opened, and one that they do not allow cannot. */
    private Outcome deviceFilter() {
        CgroupLimits nullAlone = CgroupLimits.devicesOnly(List.of(new DeviceRule('c', 1, 3, "rw")));
        var _ = inCgroup(nullAlone, Optional.of("/dev/null"), _ -> "");
        try {
            return inCgroup(
                    nullAlone,
                    Optional.of("/dev/zero"),
                    _ -> new Outcome.Missing("a process could open /dev/zero, which its cgroup does not allow"));
        } catch (LaunchException e) {
            boolean refused = e.failure()
                    .filter(failure -> failure.call() == SystemCall.OPENAT
                            && failure.errno().equals(Errno.EPERM))
                    .isPresent();
            if (refused) {
                return new Outcome.Works("");
            }
            throw e;
        }
    }

    private void freezer() {
        var _ = inCgroup(CgroupLimits.devicesOnly(List.of(DeviceRule.ALL)), cgroup -> {
            cgroup.freeze();
            cgroup.thaw();
            return "";
        });
    }

    private Outcome killFile() {
        return switch (CgroupHierarchy.detect()) {
            case CgroupHierarchy.V1 _ -> new Outcome.NotNeeded("cgroup version 1 has none");
            case CgroupHierarchy.V2(String directory, String _) ->
                inCgroup(CgroupLimits.devicesOnly(List.of(DeviceRule.ALL)), cgroup -> {
                    boolean exists = Files.exists(Path.of(directory + cgroup.path() + "/cgroup.kill"));
                    cgroup.kill(LIMIT);
                    return exists ? new Outcome.Works("") : new Outcome.Missing("cgroups have no such file");
                });
        };
    }

    private Probe limit(String controller, String lost, CgroupLimits limits) {
        return Probe.of(controller + " controller", OPTIONAL, lost, MOUNT_IT, () -> {
            var _ = inCgroup(limits, _ -> "");
        });
    }

    private Outcome swap() {
        String file = switch (CgroupHierarchy.detect()) {
            case CgroupHierarchy.V1(List<CgroupHierarchy.Mount> mounts) ->
                mounts.stream()
                        .filter(mount -> mount.controllers().contains("memory"))
                        .map(mount -> mount.directory() + "%s/memory.memsw.limit_in_bytes")
                        .findFirst()
                        .orElse("");
            case CgroupHierarchy.V2(String directory, String _) -> directory + "%s/memory.swap.max";
        };
        return inCgroup(
                memory(),
                cgroup -> !file.isEmpty() && Files.exists(Path.of(file.formatted(cgroup.path())))
                        ? new Outcome.Works("")
                        : new Outcome.Missing("the kernel does not count swap"));
    }

    private static Outcome hugetlb() {
        String found = controllers(CgroupHierarchy.detect());
        return List.of(found.split(" ")).contains("hugetlb")
                ? new Outcome.Works("")
                : new Outcome.Missing("the controller is not there; those are " + found);
    }

    private static CgroupLimits shares() {
        return limits(OptionalLong.of(512), OptionalLong.empty(), OptionalLong.empty(), "");
    }

    private static CgroupLimits memory() {
        return limits(OptionalLong.empty(), OptionalLong.of(TRIAL_MEMORY_BYTES), OptionalLong.empty(), "");
    }

    private static CgroupLimits pids() {
        return limits(OptionalLong.empty(), OptionalLong.empty(), OptionalLong.of(16), "");
    }

    private static CgroupLimits cpus() {
        String first = Integer.toString(Kernel.schedGetaffinity(0).nextSetBit(0));
        return limits(OptionalLong.empty(), OptionalLong.empty(), OptionalLong.empty(), first);
    }

    private static CgroupLimits limits(OptionalLong shares, OptionalLong memory, OptionalLong pids, String cpus) {
        OptionalLong unset = OptionalLong.empty();
        return new CgroupLimits(
                shares, unset, unset, memory, unset, pids, cpus, "", Map.of(), Map.of(), List.of(DeviceRule.ALL));
    }
}
