package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.RLIMIT_NOFILE;
import static io.portafilter.linux.LinuxConstants.RLIM_INFINITY;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.cgroup.CgroupHierarchy;
import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.OomCount;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Launcher;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.Errno;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcStatus;
import io.portafilter.lsm.AppArmor;
import io.portafilter.lsm.Selinux;
import io.portafilter.rootfs.DetachedMount;
import io.portafilter.security.HostFacts;
import io.portafilter.security.KernelVersion;
import io.portafilter.security.SecurityModules;
import io.portafilter.systemd.Systemd;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/** This host as launches need it: what the kernel can do, and what is kept open for all of them. One for each server. */
public final class Host implements AutoCloseable {

    private static final int LOWEST_OOM_SCORE_ADJ = -1000;

    /** As other runtimes wait for it. */
    private static final Duration SYSTEMD_LIMIT = Duration.ofSeconds(30);

    private final LaunchFacts facts;
    private final CgroupHierarchy cgroups;
    private final Launcher launcher;
    private final Fd mountNamespace;
    private final AppArmor appArmor;
    private final Optional<Fd> proc;
    private final UnaryOperator<PreparedLaunch.Encoded> programs;
    private final ExecPrograms execPrograms = new ExecPrograms();
    private final Optional<SystemdScopes> scopes;

    private Host(
            LaunchFacts facts,
            CgroupHierarchy cgroups,
            Launcher launcher,
            Fd mountNamespace,
            AppArmor appArmor,
            Optional<Fd> proc,
            UnaryOperator<PreparedLaunch.Encoded> programs,
            Optional<SystemdScopes> scopes) {
        this.facts = facts;
        this.cgroups = cgroups;
        this.launcher = launcher;
        this.mountNamespace = mountNamespace;
        this.appArmor = appArmor;
        this.proc = proc;
        this.programs = programs;
        this.scopes = scopes;
    }

    /**
     * Looks at the host. Kernel features are tried, not concluded from versions.
     *
     * @param stateDirectory the server's own directory for files that do not survive a reboot
     */
    @SuppressWarnings("MustBeClosedChecker") // closed with this object
    public static Host open(Path stateDirectory) {
        CgroupHierarchy cgroups = CgroupHierarchy.detect();
        AppArmor appArmor = AppArmor.ofThisHost();
        SecurityModules modules = new SecurityModules(appArmor.state(), Selinux.isOn());
        return new Host(
                facts(cgroups, modules),
                cgroups,
                new Launcher(stateDirectory),
                Kernel.open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC),
                appArmor,
                modules.equals(SecurityModules.NONE) ? Optional.empty() : Optional.of(DetachedMount.proc()),
                UnaryOperator.identity(),
                Optional.empty());
    }

    /**
     * The same host, whose containers' cgroups are made by systemd. What is open stays this object's.
     *
     * @throws io.portafilter.systemd.SystemdException if it does not answer
     * @throws IllegalStateException on a host with cgroup version 1
     */
    public Host withSystemd(Path bus) {
        return withSystemd(bus, cgroups);
    }

    Host withSystemd(Path bus, CgroupHierarchy hierarchy) {
        return switch (hierarchy) {
            case CgroupHierarchy.V2 v2 ->
                new Host(
                        facts,
                        v2,
                        launcher,
                        mountNamespace,
                        appArmor,
                        proc,
                        programs,
                        Optional.of(new SystemdScopes(Systemd.connect(bus, SYSTEMD_LIMIT), v2, launcher)));
            case CgroupHierarchy.V1 _ ->
                throw new IllegalStateException("the cgroup driver systemd needs cgroup v2, and this host has v1:"
                        + " set cgroup_driver = \"cgroupfs\", or boot with systemd.unified_cgroup_hierarchy=1");
        };
    }

    /** Makes a cgroup with limits; it and what keeps it are undone unless all succeeds. */
    MadeCgroup makeCgroup(String path, CgroupLimits limits, Rollback undo) {
        MadeCgroup made = scopes.map(each -> each.make(path, limits))
                .orElseGet(() -> new MadeCgroup(Cgroup.create(cgroups, path, limits), Optional.empty()));
        undo.add(made::letGo);
        undo.add(() -> PodLaunch.removeCgroup(made.cgroup()));
        return made;
    }

    /** A cgroup, and the process that keeps systemd from taking it away before there is another in it. */
    record MadeCgroup(Cgroup cgroup, Optional<Placeholder> placeholder) {
        /** Called once another process is in it. */
        void letGo() {
            placeholder.ifPresent(Placeholder::close);
        }
    }

    /** {@link Cgroup#apply(CgroupLimits, Runnable)} on a cgroup that {@link #makeCgroup} made. */
    public void limit(String path, CgroupLimits limits, Runnable commit) {
        limit(Cgroup.at(cgroups, path), limits, commit);
    }

    /** The same; systemd, if it made the cgroup, knows of the limits afterwards. */
    void limit(Cgroup cgroup, CgroupLimits limits, Runnable commit) {
        cgroup.apply(limits, () -> scopes.ifPresentOrElse(each -> each.update(cgroup.path(), limits, commit), commit));
    }

    /** Counts what {@link Cgroup#oomKills} may come too late for: in cgroups that systemd removes. The caller closes it. */
    public Optional<OomCount> watchOom(String path, EventLoop loop) {
        return scopes.flatMap(each -> each.watchOom(path, loop));
    }

    private static LaunchFacts facts(CgroupHierarchy cgroups, SecurityModules modules) {
        ProcStatus self = ProcStatus.parse(ProcFile.read("/proc/self/status"));
        HostFacts host = new HostFacts(
                self.bounding(),
                ProcFile.lastCapability(),
                KernelVersion.parse(ProcFile.read("/proc/sys/kernel/osrelease").strip()),
                Architecture.current(),
                cgroups instanceof CgroupHierarchy.V2,
                hasProcPidnsOption(),
                DetachedMount.supportsLowerdirPlus(),
                modules);
        boolean resources = self.effective().contains(Capability.CAP_SYS_RESOURCE);
        return new LaunchFacts(
                host,
                List.of(),
                resources ? LOWEST_OOM_SCORE_ADJ : (int) ProcFile.readNumber("/proc/self/oom_score_adj"),
                highestOpenFiles(resources));
    }

    private static long highestOpenFiles(boolean resources) {
        long hard = Kernel.getResourceLimit(0, RLIMIT_NOFILE).hard();
        return resources || hard == RLIM_INFINITY ? ProcFile.readNumber("/proc/sys/fs/nr_open") : hard;
    }

    /** Whether a proc file system can be opened for another PID namespace. */
    static boolean hasProcPidnsOption() {
        try (Fd context = Kernel.fsopen("proc");
                Fd own = Kernel.open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC)) {
            Kernel.fsconfigFd(context, "pidns", own);
            return true;
        } catch (KernelException e) {
            if (e.is(Errno.EINVAL)) {
                return false;
            }
            throw e;
        }
    }

    /** What plans rest on. */
    public LaunchFacts facts() {
        return facts;
    }

    /** What requests ask for that this host leaves undone, a sentence each; nothing is refused for it. */
    public List<String> shortcomings() {
        List<String> found = new ArrayList<>(cgroups.shortcomings());
        if (facts.host().modules().appArmor()
                instanceof SecurityModules.AppArmor.WithoutDefault(String why, String cure)) {
            found.add("containers that ask for no AppArmor profile run under none: " + why + "; " + cure);
        }
        int lowest = facts.lowestOomScoreAdj();
        if (lowest > LOWEST_OOM_SCORE_ADJ) {
            found.add("an oom_score_adj below " + lowest + ", the server's own, becomes " + lowest
                    + ": to lower it needs CAP_SYS_RESOURCE, which the server lacks");
        }
        return List.copyOf(found);
    }

    /** Where cgroups are made. */
    public CgroupHierarchy cgroups() {
        return cgroups;
    }

    /**
     * The same host with every launch program changed before it is started: a program is data, and tests make it fail at
     * each of its steps. What is open stays this object's.
     */
    Host changing(UnaryOperator<LaunchProgram> change) {
        UnaryOperator<PreparedLaunch.Encoded> changed =
                encoded -> PreparedLaunch.Encoded.of(change.apply(encoded.program()));
        return new Host(facts, cgroups, launcher, mountNamespace, appArmor, proc, changed, scopes);
    }

    /** The same host, taken for one with other features: what older kernels need must work on newer ones too. */
    Host taken(UnaryOperator<HostFacts> as) {
        LaunchFacts other = new LaunchFacts(
                as.apply(facts.host()), facts.cgroupHierarchies(), facts.lowestOomScoreAdj(), facts.highestOpenFiles());
        return new Host(other, cgroups, launcher, mountNamespace, appArmor, proc, programs, scopes);
    }

    PreparedLaunch.Encoded toRun(PreparedLaunch.Encoded program) {
        return programs.apply(program);
    }

    ExecPrograms execPrograms() {
        return execPrograms;
    }

    Launcher launcher() {
        return launcher;
    }

    /** AppArmor of this host. */
    public AppArmor appArmor() {
        return appArmor;
    }

    /** Lends the root of the server's own proc file system to a launch, where there are labels to tell of. */
    void lendProc(Descriptors descriptors) {
        proc.ifPresent(root -> descriptors.lend(Slot.of(Slot.Role.PROC), root));
    }

    /** The server's mount namespace; stays this object's. */
    Fd mountNamespace() {
        return mountNamespace;
    }

    @Override
    public void close() {
        mountNamespace.close();
        proc.ifPresent(Fd::close);
    }
}
