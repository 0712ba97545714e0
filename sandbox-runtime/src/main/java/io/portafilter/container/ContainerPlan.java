package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NODEV;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOEXEC;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOSUID;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RELATIME;
import static io.portafilter.linux.LinuxConstants.RLIMIT_NOFILE;

import io.portafilter.launch.LaunchProgram;
import io.portafilter.rootfs.Propagation;
import io.portafilter.security.IdMappings;
import io.portafilter.security.ImageAccounts;
import io.portafilter.security.Labels;
import io.portafilter.security.SecurityPlan;
import io.portafilter.security.SecurityRefusal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Everything that a container's launch will do, decided from the request, the image's accounts and the host's facts
 * alone.
 *
 * @param name the monitor's name
 * @param candidates the paths to execute, in order, until one can be
 * @param arguments the program's arguments, its name first
 * @param environment {@code NAME=VALUE}
 * @param workingDirectory absolute
 * @param security user, capabilities, filter, paths to hide
 * @param pidMode whose PID namespace
 * @param hostNetwork no network and UTS namespace to join
 * @param hostIpc no IPC namespace to join
 * @param cgroupNamespace a cgroup namespace of its own
 * @param streams what the program reads and writes
 * @param terminals the file system of its terminals; made for each container, though a volume may lie in its place
 * @param mounts in the order in which they are attached
 * @param prepared what the server makes for them beforehand: binds of the host's files, in the same order
 * @param oomScoreAdj as far as the server may set it
 * @param limits resource limits
 * @param facts what the plan rests on
 */
public record ContainerPlan(
        String name,
        List<String> candidates,
        List<String> arguments,
        List<String> environment,
        String workingDirectory,
        SecurityPlan security,
        PidMode pidMode,
        boolean hostNetwork,
        boolean hostIpc,
        boolean cgroupNamespace,
        StandardStreams streams,
        MountPlan.FileSystem terminals,
        List<MountPlan> mounts,
        List<MountRequest> prepared,
        int oomScoreAdj,
        List<ProcessLimit> limits,
        LaunchFacts facts) {

    private static final String DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    private static final String CGROUPS = "/sys/fs/cgroup";
    private static final String TERMINALS = "/dev/pts";
    private static final int TTY_GROUP = 5;

    /** Of 3072 for all containers of the node: kernel.pty.max less kernel.pty.reserve. 48 of them can still take all. */
    private static final int MOST_TERMINALS = 64;

    private static final long SOFT_OPEN_FILES = 1024;
    private static final long HARD_OPEN_FILES = 1048576;

    /** Namespaces, cgroups, pipes and the like, with some room. */
    private static final int FILES_OF_ANY_LAUNCH = 64;

    private static final int NAME_BYTES = 15;

    /** Each costs two operations of a program; a search path of more directories is an attack on who makes it. */
    private static final int MOST_CANDIDATES = 1024;

    /** The kernel's MAX_ARG_STRLEN: an argument or variable with its end (execve(2)). */
    private static final int LONGEST_TEXT_BYTES = 128 * 1024;

    /** All arguments and variables: what the kernel takes with the usual limit of the stack, a quarter of 8 MiB. */
    private static final int MOST_TEXT_BYTES = 2 << 20;

    /** Copies the lists. */
    public ContainerPlan {
        candidates = List.copyOf(candidates);
        arguments = List.copyOf(arguments);
        environment = List.copyOf(environment);
        mounts = List.copyOf(mounts);
        prepared = List.copyOf(prepared);
        limits = List.copyOf(limits);
    }

    /** Decides; refuses what contradicts itself with a {@link io.portafilter.security.SecurityRefusal}. */
    public static ContainerPlan of(ContainerRequest asked, ImageAccounts accounts, LaunchFacts facts) {
        return of(asked, SecurityPlan.of(asked.security(), accounts, facts.host()), facts);
    }

    /** As {@link #of}, for a container that was given its labels before. */
    static ContainerPlan again(ContainerRequest asked, ImageAccounts accounts, Labels labels, LaunchFacts facts) {
        return of(asked, SecurityPlan.again(asked.security(), accounts, labels, facts.host()), facts);
    }

    /** The plan for showing, never for a launch: see {@link SecurityPlan#preview}. */
    public static ContainerPlan preview(ContainerRequest asked, ImageAccounts accounts, LaunchFacts facts) {
        return of(asked, SecurityPlan.preview(asked.security(), accounts, facts.host()), facts);
    }

    /** The plan for comparing with others, never for a launch: see {@link SecurityPlan#outline}. */
    public static ContainerPlan outline(ContainerRequest asked, ImageAccounts accounts, LaunchFacts facts) {
        return of(asked, SecurityPlan.outline(asked.security(), accounts, facts.host()), facts);
    }

    private static ContainerPlan of(ContainerRequest asked, SecurityPlan security, LaunchFacts facts) {
        List<String> environment = withHome(asked.environment(), security.user().home());
        requireExecutable(asked.arguments(), environment);
        boolean cgroupNamespace = facts.bornInCgroup() && !security.privileged();
        List<MountRequest> volumes = DeclaredVolumes.ordered(asked.mounts());
        MountList list = mounts(asked, security, volumes, facts);
        requireDescriptors(filesOpened(list.mounts(), list.prepared(), security), facts);
        return new ContainerPlan(
                monitorName(asked.name()),
                candidates(asked.arguments().getFirst(), environment),
                asked.arguments(),
                environment,
                asked.workingDirectory(),
                security,
                asked.pidMode(),
                asked.hostNetwork(),
                asked.hostIpc(),
                cgroupNamespace,
                asked.streams(),
                terminals(security),
                list.mounts(),
                list.prepared(),
                Math.max(asked.oomScoreAdj(), facts.lowestOomScoreAdj()),
                limits(facts),
                facts);
    }

    /** The launch program that carries this plan out. */
    public LaunchProgram program() {
        return ContainerProgram.of(this).program();
    }

    static List<ProcessLimit> limits(LaunchFacts facts) {
        long hard = Math.min(HARD_OPEN_FILES, facts.highestOpenFiles());
        return List.of(new ProcessLimit(RLIMIT_NOFILE, Math.min(SOFT_OPEN_FILES, hard), hard));
    }

    /**
     * How many files a launch has open before it closes them all: for each mount the target, and what the server has
     * prepared; two for each masked path, four for each that is read-only.
     */
    private static int filesOpened(List<MountPlan> mounts, List<MountRequest> prepared, SecurityPlan security) {
        return FILES_OF_ANY_LAUNCH
                + 2 * mounts.size()
                + prepared.size()
                + 2 * security.maskedPaths().size()
                + 4 * security.readOnlyPaths().size();
    }

    /** The launch itself is bounded by what the server may open, its program by the limits of the plan. */
    private static void requireDescriptors(int opened, LaunchFacts facts) {
        long most = Math.min(HARD_OPEN_FILES, facts.highestOpenFiles());
        if (opened > most) {
            throw new SecurityRefusal(
                    "mounts, masked_paths and readonly_paths",
                    "together they open " + opened + " files during the launch, and the server's limit is " + most,
                    "ask for fewer, or raise LimitNOFILE of the server");
        }
    }

    /** The limits while mounts are made: the program's own, unless these are too low for the launch. */
    List<ProcessLimit> limitsOfLaunch() {
        int opened = filesOpened(mounts, prepared, security);
        return limits.stream()
                .map(limit -> limit.resource() == RLIMIT_NOFILE && limit.soft() < opened
                        ? new ProcessLimit(RLIMIT_NOFILE, limit.hard(), limit.hard())
                        : limit)
                .toList();
    }

    static String monitorName(String name) {
        return name.length() <= NAME_BYTES ? name : name.substring(0, NAME_BYTES);
    }

    /**
     * Refuses what execve(2) would, before a program is made of it: an image's variables may have megabytes, and the
     * server's memory is small.
     */
    static void requireExecutable(List<String> arguments, List<String> environment) {
        long all = bytes("arguments", arguments) + bytes("environment", environment);
        if (all > MOST_TEXT_BYTES) {
            throw new SecurityRefusal(
                    "arguments and environment",
                    "they have " + all + " bytes, and a program takes no more than " + MOST_TEXT_BYTES,
                    "make them shorter");
        }
    }

    private static long bytes(String field, List<String> texts) {
        long all = 0;
        for (String text : texts) {
            int length = ProgramWriter.utf8Length(text) + 1;
            if (length > LONGEST_TEXT_BYTES) {
                // not its text: it may be a secret
                throw new SecurityRefusal(
                        field,
                        "one of them has " + length + " bytes, and a program takes no more than " + LONGEST_TEXT_BYTES
                                + " in one",
                        "make it shorter, or mount a file");
            }
            all += length + Long.BYTES;
        }
        return all;
    }

    /**
     * {@code execvp(3)}'s search: a name without a slash is looked for in each directory of PATH.
     *
     * @throws SecurityRefusal if there are too many directories
     */
    static List<String> candidates(String program, List<String> environment) {
        if (program.contains("/")) {
            return List.of(program);
        }
        String path = environment.stream()
                .filter(variable -> variable.startsWith("PATH="))
                .reduce((first, last) -> last)
                .map(variable -> variable.substring("PATH=".length()))
                .orElse(DEFAULT_PATH);
        List<String> candidates = Arrays.stream(path.split(":", -1))
                .map(directory -> (directory.isEmpty() ? "." : directory) + "/" + program)
                .distinct()
                .toList();
        if (candidates.size() > MOST_CANDIDATES) {
            throw new SecurityRefusal(
                    "environment",
                    "PATH has " + candidates.size() + " directories, more than " + MOST_CANDIDATES,
                    "shorten it, or give the program's path");
        }
        return candidates;
    }

    private static List<String> withHome(List<String> environment, String home) {
        if (environment.stream().anyMatch(variable -> variable.startsWith("HOME="))) {
            return environment;
        }
        List<String> more = new ArrayList<>(environment);
        more.add("HOME=" + home);
        return more;
    }

    /** The mounts in the order in which they are attached, and what the server makes of them beforehand. */
    private record MountList(List<MountRequest> volumes, List<MountPlan> mounts, List<MountRequest> prepared) {

        /** A mount of the field's defaults, unless a volume takes its place. */
        void addDefault(MountPlan mount) {
            if (volumes.stream().noneMatch(volume -> replaces(volume.containerPath(), mount.target()))) {
                mounts.add(mount);
            }
        }

        /** A bind of the host's as a default, unless a volume takes its place. */
        void bindDefault(MountRequest mount) {
            if (volumes.stream().noneMatch(volume -> replaces(volume.containerPath(), mount.containerPath()))) {
                bind(mount);
            }
        }

        void bind(MountRequest mount) {
            prepared.add(mount);
            mounts.add(new MountPlan.Prepared(mount.containerPath(), prepared.size() - 1));
        }

        /** Whether a volume at {@code path} takes the place of a default mount: there, or anywhere above it but /. */
        private static boolean replaces(String path, String target) {
            return target.equals(path) || (target.startsWith(path + "/") && !path.equals("/"));
        }
    }

    private static MountList mounts(
            ContainerRequest asked, SecurityPlan security, List<MountRequest> volumes, LaunchFacts facts) {
        MountList list = new MountList(volumes, new ArrayList<>(), new ArrayList<>());
        long bare = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV;
        long writable = security.privileged() ? 0 : MOUNT_ATTR_RDONLY;
        boolean foreignPids = asked.pidMode() == PidMode.POD || asked.pidMode() == PidMode.TARGET;
        if (foreignPids && !facts.host().procPidnsOption()) {
            list.addDefault(
                    asked.pidMode() == PidMode.TARGET
                            ? new MountPlan.OfTarget("/proc")
                            : new MountPlan.OfPause("/proc", "/proc"));
        } else {
            list.addDefault(new MountPlan.FileSystem("proc", "/proc", List.of(), bare, foreignPids));
        }
        list.addDefault(new MountPlan.Devices("/dev"));
        list.addDefault(new MountPlan.Terminals(TERMINALS));
        if (asked.streams().terminal()) {
            list.addDefault(new MountPlan.Console("/dev/console"));
        }
        if (asked.hostIpc()) {
            list.bindDefault(new MountRequest("/dev/shm", Path.of("/dev/shm"), false, false, Propagation.PRIVATE));
        } else {
            list.addDefault(new MountPlan.OfPause("/dev/shm", PausePlan.SHARED_MEMORY));
        }
        list.addDefault(new MountPlan.FileSystem("mqueue", "/dev/mqueue", List.of(), bare, false));
        if (asked.hostNetwork() && security.ids().isPresent()) {
            // sysfs is EPERM without a network namespace that the user namespace owns.
            list.bindDefault(new MountRequest("/sys", Path.of("/sys"), true, true, Propagation.PRIVATE));
        } else {
            list.addDefault(new MountPlan.FileSystem("sysfs", "/sys", List.of(), bare | writable, false));
            if (facts.bornInCgroup() && security.privileged()) {
                // A clone: whoever mounts cgroup2 in the host's cgroup namespace sets its options, such as nsdelegate,
                // for the whole host (cgroups(7)).
                list.bindDefault(new MountRequest(CGROUPS, Path.of(CGROUPS), false, false, Propagation.PRIVATE));
            } else if (facts.bornInCgroup()) {
                list.addDefault(new MountPlan.FileSystem(
                        "cgroup2", CGROUPS, List.of(), bare | writable | MOUNT_ATTR_RELATIME, false));
            }
        }
        if (!facts.bornInCgroup()) {
            list.addDefault(new MountPlan.CgroupTree(CGROUPS));
            for (int i = 0; i < facts.cgroupHierarchies().size(); i++) {
                list.addDefault(new MountPlan.CgroupView(
                        CGROUPS + "/" + facts.cgroupHierarchies().get(i), i));
            }
        }
        volumes.forEach(list::bind);
        return list;
    }

    /** Made by the launching process, outside the host's mount namespace: no terminal of it is taken from the reserve. */
    private static MountPlan.FileSystem terminals(SecurityPlan security) {
        List<MountPlan.Option> options = new ArrayList<>(List.of(
                MountPlan.Option.flag("newinstance"),
                MountPlan.Option.of("ptmxmode", "0666"),
                MountPlan.Option.of("mode", "0620"),
                MountPlan.Option.of("max", Integer.toString(MOST_TERMINALS))));
        if (security.ids().map(ids -> ids.mapsGid(TTY_GROUP)).orElse(true)) {
            options.add(MountPlan.Option.of("gid", Integer.toString(TTY_GROUP)));
        }
        security.labels().selinuxMounts().ifPresent(label -> options.add(MountPlan.Option.of("context", label)));
        return new MountPlan.FileSystem("devpts", TERMINALS, options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false);
    }

    /** The host's id of a terminal's group: tty's, where the container has that. */
    int terminalGroup() {
        return ids().map(ids -> ids.hostGid(ids.mapsGid(TTY_GROUP) ? TTY_GROUP : 0))
                .orElse((long) TTY_GROUP)
                .intValue();
    }

    /** The host's id of the program's user. */
    int hostUid() {
        long uid = security.user().uid();
        return ids().map(ids -> ids.hostUid(uid)).orElse(uid).intValue();
    }

    /** Likewise of its group. */
    int hostGid() {
        long gid = security.user().gid();
        return ids().map(ids -> ids.hostGid(gid)).orElse(gid).intValue();
    }

    /** The variables of a program beside the first one. */
    List<String> environmentOf(ExecRequest exec) {
        return exec.terminal() ? withTerm(environment) : environment;
    }

    /** {@code TERM} as others set it for a terminal, unless it is there. */
    public static List<String> withTerm(List<String> environment) {
        if (environment.stream().anyMatch(variable -> variable.startsWith("TERM="))) {
            return environment;
        }
        List<String> more = new ArrayList<>(environment);
        more.add("TERM=xterm");
        return more;
    }

    /** The same with each mount's target as it was found below the root: a path without links. */
    ContainerPlan withTargets(List<String> targets) {
        List<MountPlan> resolved = new ArrayList<>();
        for (int i = 0; i < mounts.size(); i++) {
            resolved.add(
                    mounts.get(i) instanceof MountPlan.Prepared(String _, int index)
                            ? new MountPlan.Prepared(targets.get(i), index)
                            : mounts.get(i));
        }
        return new ContainerPlan(
                name,
                candidates,
                arguments,
                environment,
                workingDirectory,
                security,
                pidMode,
                hostNetwork,
                hostIpc,
                cgroupNamespace,
                streams,
                terminals,
                resolved,
                prepared,
                oomScoreAdj,
                limits,
                facts);
    }

    /** Whether there is a mount of this kind. */
    boolean has(Class<? extends MountPlan> kind) {
        return mounts.stream().anyMatch(kind::isInstance);
    }

    /** Whether the container's v1 cgroups are mounted; all of them are handed over then. */
    boolean mountsCgroups() {
        return has(MountPlan.CgroupTree.class);
    }

    /** The mapping of the pod's user namespace. */
    Optional<IdMappings> ids() {
        return security.ids();
    }
}
