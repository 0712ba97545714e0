package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.RLIMIT_NOFILE;
import static io.portafilter.linux.LinuxConstants.RLIM_INFINITY;

import io.portafilter.cgroup.CgroupHierarchy;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Launcher;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcStatus;
import io.portafilter.rootfs.DetachedMount;
import io.portafilter.security.HostFacts;
import io.portafilter.security.KernelVersion;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;

/** This host as launches need it: what the kernel can do, and what is kept open for all of them. One for each server. */
public final class Host implements AutoCloseable {

    private static final int LOWEST_OOM_SCORE_ADJ = -1000;

    private final LaunchFacts facts;
    private final CgroupHierarchy cgroups;
    private final Launcher launcher;
    private final Fd mountNamespace;
    private final UnaryOperator<LaunchProgram> programs;

    private Host(
            LaunchFacts facts,
            CgroupHierarchy cgroups,
            Launcher launcher,
            Fd mountNamespace,
            UnaryOperator<LaunchProgram> programs) {
        this.facts = facts;
        this.cgroups = cgroups;
        this.launcher = launcher;
        this.mountNamespace = mountNamespace;
        this.programs = programs;
    }

    /**
     * Looks at the host. Kernel features are tried, not concluded from versions.
     *
     * @param stateDirectory the server's own directory for files that do not survive a reboot
     */
    @SuppressWarnings("MustBeClosedChecker") // closed with this object
    public static Host open(Path stateDirectory) {
        CgroupHierarchy cgroups = CgroupHierarchy.detect();
        return new Host(
                facts(cgroups),
                cgroups,
                new Launcher(stateDirectory),
                Kernel.open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC),
                UnaryOperator.identity());
    }

    private static LaunchFacts facts(CgroupHierarchy cgroups) {
        ProcStatus self = ProcStatus.parse(ProcFile.read("/proc/self/status"));
        HostFacts host = new HostFacts(
                self.bounding(),
                ProcFile.lastCapability(),
                KernelVersion.parse(ProcFile.read("/proc/sys/kernel/osrelease").strip()),
                Architecture.current(),
                cgroups instanceof CgroupHierarchy.V2,
                hasProcPidnsOption(),
                DetachedMount.supportsLowerdirPlus());
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

    /** Where cgroups are made. */
    public CgroupHierarchy cgroups() {
        return cgroups;
    }

    /**
     * The same host with every launch program changed before it is started: a program is data, and tests make it fail at
     * each of its steps. What is open stays this object's.
     */
    Host changing(UnaryOperator<LaunchProgram> change) {
        return new Host(facts, cgroups, launcher, mountNamespace, change);
    }

    /** The same host, taken for one with other features: what older kernels need must work on newer ones too. */
    Host taken(UnaryOperator<HostFacts> as) {
        LaunchFacts other = new LaunchFacts(
                as.apply(facts.host()), facts.cgroupHierarchies(), facts.lowestOomScoreAdj(), facts.highestOpenFiles());
        return new Host(other, cgroups, launcher, mountNamespace, programs);
    }

    LaunchProgram toRun(LaunchProgram program) {
        return programs.apply(program);
    }

    Launcher launcher() {
        return launcher;
    }

    /** The server's mount namespace; stays this object's. */
    Fd mountNamespace() {
        return mountNamespace;
    }

    @Override
    public void close() {
        mountNamespace.close();
    }
}
