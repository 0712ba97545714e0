package io.portafilter.container;

import static io.portafilter.container.Probe.Need.OPTIONAL;
import static io.portafilter.container.Probe.Need.REQUIRED;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWCGROUP;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWIPC;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWNET;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWNS;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWPID;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWUTS;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.RESOLVE_IN_ROOT;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_MAGICLINKS;
import static io.portafilter.linux.LinuxConstants.SECCOMP_FILTER_FLAG_LOG;
import static io.portafilter.linux.LinuxConstants.SECCOMP_FILTER_FLAG_NEW_LISTENER;
import static io.portafilter.linux.LinuxConstants.SECCOMP_FILTER_FLAG_TSYNC;
import static io.portafilter.linux.LinuxConstants.SECCOMP_RET_ALLOW;

import io.portafilter.launch.Launcher;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcStatus;
import io.portafilter.rootfs.DetachedMount;
import io.portafilter.rootfs.MountTrial;
import io.portafilter.security.IdMapping;
import io.portafilter.security.SeccompProgram;
import io.portafilter.security.VolumeIds;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Tries what Portafilter uses of the kernel, each for real and not by the kernel's version, in processes and with objects
 * that are gone afterwards. {@link HostFeatures} has from here what kubelet is told.
 */
public final class KernelProbes {
    /** What the server itself does to make a container, whatever the container may. */
    private static final CapabilitySet OWN_NEEDS = CapabilitySet.of(
            Capability.CAP_CHOWN,
            Capability.CAP_DAC_OVERRIDE,
            Capability.CAP_FOWNER,
            Capability.CAP_FSETID,
            Capability.CAP_KILL,
            Capability.CAP_MKNOD,
            Capability.CAP_NET_ADMIN,
            Capability.CAP_SETFCAP,
            Capability.CAP_SETGID,
            Capability.CAP_SETPCAP,
            Capability.CAP_SETUID,
            Capability.CAP_SYS_ADMIN,
            Capability.CAP_SYS_PTRACE);

    private static final int POD_IDS = 65536;

    private static final String NEWER = "use a newer kernel";
    private static final String BUILT_IN =
            "use a kernel that has it built in, and look whether a sandbox around the" + " server forbids it";

    private final Path root;
    private final Launcher launcher;
    private final long firstHostId;

    private KernelProbes(Path root, Path state, long firstHostId) {
        this.root = root;
        this.launcher = new Launcher(state);
        this.firstHostId = firstHostId;
    }

    /**
     * All of them.
     *
     * @param root a directory on the file system of layers and writable directories
     * @param state a directory where the server keeps what ends with a reboot
     * @param firstHostId the first of 65536 host ids for a user namespace
     */
    public static List<Probe> all(Path root, Path state, long firstHostId) {
        KernelProbes probes = new KernelProbes(root, state, firstHostId);
        List<Probe> all = new ArrayList<>();
        all.addAll(probes.processes());
        all.addAll(probes.namespaces());
        all.addAll(probes.mounts());
        all.addAll(probes.filters());
        all.addAll(new CgroupProbes(probes.launcher).all());
        all.addAll(capabilities());
        return all;
    }

    // ---- processes

    private List<Probe> processes() {
        return List.of(
                Probe.of(
                        "launch programs",
                        REQUIRED,
                        "no container starts",
                        "mount the state directory's file system without noexec, or set vm.memfd_noexec below 2",
                        () -> TrialProcess.run(launcher, TrialProgram.nothing())),
                new Probe(
                        "executable memory files",
                        OPTIONAL,
                        "launch programs are started from unnamed files in the state directory",
                        "sysctl vm.memfd_noexec=1",
                        () -> Launcher.executesMemory()
                                ? new Outcome.Works("")
                                : new Outcome.Missing("vm.memfd_noexec forbids them")),
                Probe.of(
                        "pidfd_open, pidfd_getfd",
                        REQUIRED,
                        "containers cannot be watched, nor taken over by a restarted server",
                        "give the server CAP_SYS_PTRACE; " + NEWER + " (Linux 5.6)",
                        this::pidfds),
                Probe.of(
                        "openat2 within a root",
                        REQUIRED,
                        "paths of an image cannot be followed safely",
                        NEWER + " (Linux 5.6)",
                        KernelProbes::openat2));
    }

    private void pidfds() {
        try (TrialProcess process = TrialProcess.start(launcher, TrialProgram.nothing(), new Descriptors())) {
            process.awaitWorked();
            try (Fd pidfd = Kernel.pidfdOpen(process.pid());
                    Fd taken = Kernel.pidfdGetfd(pidfd, Slots.FIRST)) {
                var _ = Kernel.fstat(taken);
            }
        }
    }

    /** An absolute path that stays below the directory it was opened from. */
    private static void openat2() {
        try (Fd proc = Kernel.open("/proc", O_PATH);
                Fd _ = Kernel.openat2(proc, "/sys/kernel", O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)) {
            // /proc/sys/kernel was found as /sys/kernel
        }
    }

    // ---- namespaces

    private List<Probe> namespaces() {
        return List.of(
                namespace("mount", CLONE_NEWNS, REQUIRED, "no container has a root of its own"),
                Probe.of(
                        "PID namespace",
                        REQUIRED,
                        "no container has processes of its own",
                        BUILT_IN,
                        () -> TrialProcess.run(launcher, TrialProgram.child("PID", CLONE_NEWPID))),
                namespace("IPC", CLONE_NEWIPC, REQUIRED, "pods share the host's semaphores and shared memory"),
                namespace("UTS", CLONE_NEWUTS, REQUIRED, "pods have no hostname of their own"),
                namespace("network", CLONE_NEWNET, REQUIRED, "only pods in the host's network run"),
                namespace("cgroup", CLONE_NEWCGROUP, REQUIRED, "containers see the host's cgroups"),
                Probe.of(
                        "user namespace",
                        OPTIONAL,
                        "pods with hostUsers: false are refused",
                        "sysctl user.max_user_namespaces above 0, and kernel.unprivileged_userns_clone=1 where it exists",
                        this::userNamespace));
    }

    private Probe namespace(String kind, long flag, Probe.Need need, String lost) {
        return Probe.of(
                kind + " namespace",
                need,
                lost,
                BUILT_IN,
                () -> TrialProcess.run(launcher, TrialProgram.unshare(kind, flag)));
    }

    /** What a pod may have: {@value #POD_IDS} ids, its root the first of the range. */
    private VolumeIds podIds() {
        List<IdMapping> line = List.of(new IdMapping(0, firstHostId, POD_IDS));
        return new VolumeIds(line, line);
    }

    private void userNamespace() {
        try (HeldUserNamespace namespace = HeldUserNamespace.open(launcher, podIds())) {
            var _ = Kernel.fstat(namespace.descriptor());
        }
    }

    // ---- mounts

    private List<Probe> mounts() {
        return List.of(
                Probe.of(
                        "mounts by descriptor",
                        REQUIRED,
                        "no root file system can be made",
                        NEWER + " (Linux 5.2)",
                        MountTrial::descriptors),
                recursiveReadOnly(),
                Probe.of(
                        "overlay on " + root,
                        REQUIRED,
                        "no image can be the root of a container",
                        "load the module overlay (modprobe overlay), put root on ext4 or xfs with ftype=1, use Linux 5.10",
                        () -> MountTrial.overlay(root)),
                idMappedLayers(),
                new Probe(
                        "overlay: layers one by one",
                        OPTIONAL,
                        "images of many layers are mounted by a detour",
                        NEWER + " (Linux 6.7)",
                        KernelProbes::lowerdirPlus),
                new Probe(
                        "proc for another PID namespace",
                        OPTIONAL,
                        "containers that share the pod's PID namespace get their /proc by way of the pause process",
                        NEWER + " (Linux 6.17)",
                        () -> yesOrNo(Host.hasProcPidnsOption(), "the option pidns is not known")));
    }

    private Probe recursiveReadOnly() {
        return Probe.of(
                "recursive read-only mounts",
                REQUIRED,
                "volumes cannot be mounted, nor be read-only with all that is mounted in them",
                NEWER + " (Linux 5.12)",
                MountTrial::recursiveReadOnly);
    }

    private Probe idMappedLayers() {
        return Probe.of(
                "id-mapped layers on " + root,
                OPTIONAL,
                "pods with hostUsers: false are refused by kubelet",
                "put root on ext4, xfs or btrfs; " + NEWER + " (Linux 5.19)",
                () -> {
                    try (HeldUserNamespace namespace = HeldUserNamespace.open(launcher, podIds())) {
                        MountTrial.idMappedOverlay(root, namespace.descriptor(), firstHostId);
                    }
                });
    }

    private static Outcome lowerdirPlus() {
        try (Fd _ = Kernel.fsopen("overlay")) { // the server's own answer is kept for its life, so it must be one
            return yesOrNo(DetachedMount.supportsLowerdirPlus(), "lowerdir+ is not known");
        }
    }

    private static Outcome yesOrNo(boolean works, String why) {
        return works ? new Outcome.Works("") : new Outcome.Missing(why);
    }

    /** The two probes that decide what Status says of the runtime handlers. */
    static HostFeatures features(Path root, Path state, long firstHostId) {
        KernelProbes probes = new KernelProbes(root, state, firstHostId);
        return new HostFeatures(
                probes.idMappedLayers().run().outcome(),
                probes.recursiveReadOnly().run().outcome());
    }

    // ---- seccomp

    private List<Probe> filters() {
        return List.of(
                filter("seccomp filter", 0, REQUIRED, "containers with a seccomp profile are refused"),
                filter(
                        "seccomp: log",
                        SECCOMP_FILTER_FLAG_LOG,
                        OPTIONAL,
                        "profiles with SECCOMP_FILTER_FLAG_LOG are refused"),
                filter(
                        "seccomp: all threads at once",
                        SECCOMP_FILTER_FLAG_TSYNC,
                        OPTIONAL,
                        "nothing: filters are attached while a process has one thread"),
                filter(
                        "seccomp: user notification",
                        SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        OPTIONAL,
                        "nothing in this version: profiles with SCMP_ACT_NOTIFY are refused anyway"));
    }

    private Probe filter(String feature, long flags, Probe.Need need, String lost) {
        return Probe.of(
                feature,
                need,
                lost,
                BUILT_IN,
                () -> TrialProcess.run(launcher, TrialProgram.filter(allowingEverything(flags))));
    }

    /** One instruction: {@code BPF_RET | BPF_K} (linux/bpf_common.h). */
    private static SeccompProgram allowingEverything(long flags) {
        byte[] code = ByteBuffer.allocate(SeccompProgram.INSTRUCTION_BYTES)
                .order(ByteOrder.nativeOrder())
                .putShort((short) 0x06)
                .putShort((short) 0)
                .putInt((int) SECCOMP_RET_ALLOW)
                .array();
        return new SeccompProgram(code, flags, "allow everything");
    }

    // ---- capabilities

    private static List<Probe> capabilities() {
        return List.of(
                new Probe(
                        "capabilities of the server",
                        REQUIRED,
                        "containers cannot be made",
                        "start the server with them in its bounding set",
                        () -> allOf(OWN_NEEDS)),
                new Probe(
                        "CAP_SYS_RESOURCE",
                        OPTIONAL,
                        "no out-of-memory score below the server's own, no resource limit above its own",
                        "start the server with it in its bounding set",
                        () -> allOf(CapabilitySet.of(Capability.CAP_SYS_RESOURCE))),
                new Probe(
                        "capabilities of privileged containers",
                        OPTIONAL,
                        "privileged containers, and those that add ALL, get fewer capabilities than the kernel has",
                        "start the server with all in its bounding set",
                        () -> allOf(CapabilitySet.upTo(ProcFile.lastCapability()))));
    }

    private static Outcome allOf(CapabilitySet wanted) {
        ProcStatus self = ProcStatus.parse(ProcFile.read("/proc/self/status"));
        CapabilitySet missing = wanted.minus(self.bounding());
        if (!missing.isEmpty()) {
            return new Outcome.Missing("missing from the bounding set: " + missing);
        }
        return self.effective().containsAll(wanted)
                ? new Outcome.Works("")
                : new Outcome.Untried("the bounding set has them; needs root");
    }
}
