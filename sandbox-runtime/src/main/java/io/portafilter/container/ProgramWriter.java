package io.portafilter.container;

import static io.portafilter.launch.Operand.ZERO;
import static io.portafilter.linux.LinuxConstants.*;

import io.portafilter.launch.Assembler;
import io.portafilter.launch.Block;
import io.portafilter.launch.Label;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Operand;
import io.portafilter.linux.ArgumentKind;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Errno;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.Credentials;
import io.portafilter.security.Labels;
import io.portafilter.security.SeccompProgram;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The idioms that the launch programs share, over an assembler. */
final class ProgramWriter {

    /** What a process ends with that we end, not its program. */
    static final int LAUNCH_FAILED = 124;

    /** Namespaces whose descriptors a monitor keeps, in the order in which it is sent them. */
    static final List<String> KEPT_NAMESPACES = List.of("user", "mnt", "pid", "net", "ipc", "uts", "cgroup");

    private static final int SIGSET_BYTES = 8;

    /** {@code struct cmsghdr} of {@code linux/socket.h}. */
    private static final int CONTROL_HEADER_BYTES = 16;

    private static final Block ALL_SIGNALS = Block.words("~[]", -1);
    private static final Block NO_SIGNALS = Block.words("[]", 0);
    private static final Block DEFAULT_ACTION = Block.words("{SIG_DFL}", 0, 0, 0, 0);

    private final Assembler assembler;
    private final Slots slots;
    private final Label failed = new Label("failed");
    private final Label cancelled = new Label("cancelled");

    ProgramWriter(String name, Slots slots) {
        this.assembler = new Assembler(name);
        this.slots = slots;
        assembler.failTo(failed);
    }

    Assembler assembler() {
        return assembler;
    }

    Slots slots() {
        return slots;
    }

    static Operand number(long value) {
        return new Operand.Literal(value);
    }

    static Operand text(String value) {
        return new Operand.Text(value);
    }

    static Operand at(Block block) {
        return new Operand.AddressOf(block);
    }

    Operand slot(Slot.Role role) {
        return number(slots.number(role));
    }

    /** The program, with the two ends that all its processes share. */
    LaunchProgram finish(Label first) {
        assembler.step("tell of a failure");
        assembler.place(failed);
        call(SystemCall.WRITE, slot(Slot.Role.STATUS), new Operand.LastFailure(), number(8));
        Label told = new Label("told");
        assembler.onError(told);
        assembler.place(told);
        call(SystemCall.WRITE, slot(Slot.Role.STATUS), new Operand.EndRecord(), number(8));
        assembler.onError(cancelled);
        assembler.step("end");
        assembler.place(cancelled);
        exit(LAUNCH_FAILED);
        return assembler.assemble(first);
    }

    Label call(SystemCall systemCall, Operand... arguments) {
        return assembler.call(systemCall, arguments);
    }

    void exit(int status) {
        call(SystemCall.EXIT_GROUP, number(status));
        assembler.neverReturns();
    }

    /** Tells the server a result: 8 bytes whose upper half is 0. */
    void tell(Label result) {
        call(SystemCall.WRITE, slot(Slot.Role.STATUS), new Operand.AddressOfResult(result), number(8));
    }

    // ---- processes

    /** What every monitor begins with: deaf to signals, unreadable, with a name, in a session of its own. */
    void monitorBegins(String name) {
        assembler.step("become a monitor");
        call(SystemCall.RT_SIGPROCMASK, number(SIG_SETMASK), at(ALL_SIGNALS), ZERO, number(SIGSET_BYTES));
        notDumpable();
        call(SystemCall.PRCTL, number(PR_SET_NAME), text(name));
        call(SystemCall.SETSID);
    }

    /**
     * A child. {@code intoCgroup}: it is born in the v2 cgroup of slot CGROUP ({@code clone3(2)}).
     *
     * @return its pid, for the parent
     */
    Label cloneInto(long flags, int exitSignal, boolean intoCgroup, Label child) {
        long[] words = new long[11];
        words[0] = flags | (intoCgroup ? CLONE_INTO_CGROUP : 0);
        words[4] = exitSignal;
        words[10] = intoCgroup ? slots.number(Slot.Role.CGROUP) : 0;
        String text = "{flags=" + ArgumentKind.CLONE_FLAGS.print(words[0]) + ", exit_signal=" + exitSignal
                + (intoCgroup ? ", cgroup=" + words[10] : "") + "}";
        Label pid = call(SystemCall.CLONE3, at(Block.words(text, words)), number((long) Long.BYTES * words.length));
        assembler.onZero(child);
        return pid;
    }

    /** A child by the older call, which filters let pass where they answer ENOSYS to {@code clone3(2)}. */
    Label cloneSibling(Label child) {
        Label pid = call(SystemCall.CLONE, number(CLONE_PARENT), ZERO, ZERO, ZERO, ZERO);
        assembler.onZero(child);
        return pid;
    }

    /** Dies with its parent. Cleared by a change of ids or a gain of capabilities, so it is said again after each. */
    void dieWithParent() {
        call(SystemCall.PRCTL, number(PR_SET_PDEATHSIG), number(SIGKILL));
    }

    void notDumpable() {
        call(SystemCall.PRCTL, number(PR_SET_DUMPABLE), ZERO);
    }

    /** From here on the process tells in the shared page how far it has come, and nobody can reach that page by /proc. */
    void shareProgress() {
        assembler.step("share the progress page");
        call(
                SystemCall.MMAP,
                new Operand.ProgressPage(),
                number(io.portafilter.launch.ElfImage.PROGRESS_PAGE_SIZE),
                number(PROT_READ | PROT_WRITE),
                number(MAP_SHARED | MAP_FIXED),
                slot(Slot.Role.PROGRESS),
                ZERO);
        call(SystemCall.CLOSE, slot(Slot.Role.PROGRESS));
    }

    /**
     * What a monitor keeps.
     *
     * @param fromStart how many descriptors, from the first number on
     * @param received how many it is sent, which get the numbers behind those
     * @param input if that is to be closed on demand: see {@link Input}
     */
    record Kept(int fromStart, int received, Optional<Input> input) {
        Kept(int fromStart, int received) {
            this(fromStart, received, Optional.empty());
        }

        /** The first number that nothing has. */
        int end() {
            return Slots.FIRST + fromStart + received;
        }
    }

    /**
     * A program's input, whose write end the monitor closes when it is told so.
     *
     * @param pipe its number
     * @param order the number of the event counter ({@code eventfd(2)}) that tells it so
     */
    record Input(int pipe, int order) {}

    /** Room for a message of one byte and this many descriptors ({@code recvmsg(2)}), or the message itself. */
    private static Block message(Block descriptors, int count) {
        Block one = Block.buffer("{one byte}", 8);
        byte[] vector = new byte[16];
        ByteBuffer.wrap(vector).order(ByteOrder.LITTLE_ENDIAN).putLong(8, 1);
        byte[] header = new byte[56];
        ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putLong(24, 1).putLong(40, controlBytes(count));
        return Block.withPointers(
                "{msg_iov=[one byte], msg_control=" + descriptors + "}",
                header,
                new Block.Pointer(16, at(Block.withPointers("[one byte]", vector, new Block.Pointer(0, at(one))))),
                new Block.Pointer(32, at(descriptors)));
    }

    private static int controlBytes(int descriptors) {
        return CONTROL_HEADER_BYTES + (descriptors * Integer.BYTES + 7) / 8 * 8;
    }

    /** Sends descriptors over the monitor's socket to the server, who holds the other end. */
    void sendToServer(int... numbers) {
        ByteBuffer control = ByteBuffer.allocate(controlBytes(numbers.length)).order(ByteOrder.LITTLE_ENDIAN);
        control.putLong(CONTROL_HEADER_BYTES + (long) numbers.length * Integer.BYTES)
                .putInt(SOL_SOCKET)
                .putInt(SCM_RIGHTS);
        Arrays.stream(numbers).forEach(control::putInt);
        Block descriptors = Block.of(Arrays.toString(numbers), control.array());
        call(SystemCall.SENDMSG, slot(Slot.Role.MONITOR_SOCKET), at(message(descriptors, numbers.length)), ZERO);
    }

    /** The monitor's rest: takes what it is sent to keep, waits for what it is parent of, writes how that ended. */
    void monitorWaits(Label child, Kept kept) {
        Block descriptors = Block.buffer(kept.received() + " descriptors", controlBytes(kept.received()));
        Block first = Block.buffer("siginfo of the child", 128);
        Block second = Block.buffer("siginfo of the program", 128);
        Label childLost = new Label("only the child ended");
        Label write = new Label("write the exit");

        assembler.step("keep what the server may need again, close the rest");
        call(SystemCall.CLOSE_RANGE, number(Slots.FIRST + kept.fromStart()), number(0xffffffffL), ZERO);
        assembler.step("take the namespaces to keep");
        Label waiting = new Label("wait");
        if (slots.has(Slot.Role.MONITOR_SOCKET)) {
            call(SystemCall.RECVMSG, slot(Slot.Role.MONITOR_SOCKET), at(message(descriptors, kept.received())), ZERO);
            assembler.onError(waiting);
            assembler.place(waiting);
            call(SystemCall.CLOSE, slot(Slot.Role.MONITOR_SOCKET));
        }
        assembler.step("wait for the end");
        call(SystemCall.WAITID, number(P_PID), new Operand.ResultOf(child), at(first), number(WEXITED), ZERO);
        kept.input().ifPresent(input -> awaitEndOrOrder(input, kept.end(), second, childLost, write));
        call(SystemCall.WAITID, number(P_ALL), ZERO, at(second), number(WEXITED), ZERO);
        assembler.onError(childLost);
        assembler.place(write);
        call(SystemCall.WRITE, slot(Slot.Role.EXIT_FILE), at(second), number(128));
        staysOrEnds();
        assembler.place(childLost);
        call(SystemCall.WRITE, slot(Slot.Role.EXIT_FILE), at(first), number(128));
        staysOrEnds();
    }

    /**
     * Waits for the program's end or the order to close its input, whichever comes first; after the order goes on to what
     * follows. The kernel tells of an ended child by a signal that is taken as an event ({@code signalfd(2)}); whether it
     * was the program is seen by looking after each: when nothing is left to wait for, it has been reaped.
     */
    private void awaitEndOrOrder(Input input, int signals, Block siginfo, Label childLost, Label ended) {
        assembler.step("wait for the end, or for the order to close the input");
        Label plain = new Label("wait for the end alone");
        // One that was not sent would be "ready" at each look: POLLNVAL.
        call(SystemCall.FCNTL, number(input.order()), number(F_GETFD), ZERO);
        assembler.onError(plain);
        Label made = call(
                SystemCall.SIGNALFD4,
                number(-1),
                at(Block.words("[CHLD]", 1L << (SIGCHLD - 1))),
                number(SIGSET_BYTES),
                number(O_NONBLOCK | O_CLOEXEC));
        assembler.onError(plain);
        // the lowest number that is free; whatever it is, it gets this one
        call(SystemCall.DUP3, new Operand.ResultOf(made), number(signals + 1L), number(O_CLOEXEC));
        assembler.onError(plain);
        ByteBuffer polled = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        polled.putInt(signals + 1).putInt(POLLIN).putInt(input.order()).putInt(POLLIN);
        Block events = Block.of("[" + (signals + 1) + ", " + input.order() + "]", polled.array());
        Label again = new Label("wait again");
        Label look = new Label("look whether it was the program");
        assembler.place(again);
        call(SystemCall.PPOLL, at(events), number(2), ZERO, ZERO, ZERO);
        assembler.onError(plain);
        call(SystemCall.READ, number(input.order()), at(Block.buffer("count", 8)), number(8));
        assembler.onError(look);
        call(SystemCall.CLOSE, number(input.pipe()));
        assembler.continueAt(plain);
        assembler.onError(plain);
        assembler.place(look);
        call(SystemCall.READ, number(signals + 1L), at(Block.buffer("signal", 128)), number(128));
        assembler.tolerate(Errno.EAGAIN, "an earlier look has taken it");
        call(SystemCall.WAITID, number(P_ALL), ZERO, at(siginfo), number(WEXITED | WNOHANG), ZERO);
        assembler.onError(childLost);
        call(
                SystemCall.WAITID,
                number(P_ALL),
                ZERO,
                at(Block.buffer("siginfo of none", 128)),
                number(WEXITED | WNOHANG | WNOWAIT),
                ZERO);
        assembler.continueAt(again);
        assembler.onError(ended);
        assembler.place(plain);
    }

    /**
     * A monitor that was told to stay waits to be killed: the log pipes live as long as it does, and when no server is
     * there, the last lines are in them. One whose launch was called off, or whose server died before, ends.
     */
    private void staysOrEnds() {
        if (!slots.has(Slot.Role.STAY)) {
            exit(0);
            return;
        }
        Label end = new Label("end");
        assembler.step("stay, if told so, until the server has read the log");
        call(SystemCall.READ, slot(Slot.Role.STAY), at(Block.buffer("one byte", 8)), number(1));
        assembler.onZero(end);
        assembler.onError(end);
        Label staying = new Label("staying");
        assembler.place(staying);
        call(SystemCall.PPOLL, ZERO, ZERO, ZERO, ZERO, ZERO);
        assembler.continueAt(staying);
        assembler.onError(staying);
        assembler.place(end);
        exit(0);
    }

    /** Reports that all is prepared and waits for the server's word; end of file means that the launch is off. */
    void gate() {
        assembler.step("report ready and wait at the gate");
        call(SystemCall.WRITE, slot(Slot.Role.STATUS), at(Block.words("ready", 0)), number(8));
        awaitGate();
    }

    void awaitGate() {
        call(SystemCall.READ, slot(Slot.Role.GATE), at(Block.buffer("one byte", 8)), number(1));
        assembler.onZero(cancelled);
    }

    // ---- labels

    /**
     * Tells the security modules which label the program gets when it is executed; children inherit that. It is done
     * while the process has joined nothing yet, by a proc file system that is the server's own: nothing that an image, a
     * volume or another process of the pod mounts can take the writes (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).
     * It comes before no_new_privs as well, under which a confined process could ask for less ({@code
     * security/apparmor/domain.c}).
     */
    void label(Labels labels) {
        if (!labels.areForPrograms()) {
            return;
        }
        assembler.step("ask for the program's label");
        labels.appArmor().ifPresent(profile -> writeAttribute("self/attr/apparmor/exec", "exec " + profile));
        labels.selinux().ifPresent(label -> {
            writeAttribute("self/attr/exec", label);
            // what runc does too: the session keyring is the program's
            writeAttribute("self/attr/keycreate", label);
        });
        call(SystemCall.CLOSE, slot(Slot.Role.PROC));
    }

    /**
     * A task may write its own attributes alone, and only by a descriptor that it opened itself ({@code fs/proc/base.c}).
     * That is closed with all others that the program is not given.
     */
    private void writeAttribute(String path, String value) {
        Label file = call(
                SystemCall.OPENAT2,
                slot(Slot.Role.PROC),
                text(path),
                at(openHow(O_WRONLY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS)),
                number(24));
        call(SystemCall.WRITE, new Operand.ResultOf(file), text(value), number(utf8Length(value)));
    }

    // ---- what is inherited from the server

    /** Undoes what a process inherits from the server's JVM ({@code LAUNCH}: keyring, umask, limits, score). */
    void dropInheritance(int oomScoreAdj, List<ProcessLimit> limits) {
        assembler.step("set the out-of-memory score");
        Label file = call(
                SystemCall.OPENAT,
                number(AT_FDCWD),
                text("/proc/self/oom_score_adj"),
                number(O_WRONLY | O_CLOEXEC),
                ZERO);
        String score = Integer.toString(oomScoreAdj);
        call(SystemCall.WRITE, new Operand.ResultOf(file), text(score), number(score.length()));
        assembler.step("leave the server's session keyring");
        call(SystemCall.KEYCTL, number(KEYCTL_JOIN_SESSION_KEYRING), ZERO);
        assembler.step("set umask and limits");
        call(SystemCall.UMASK, number(0022));
        limit(limits);
    }

    void limit(List<ProcessLimit> limits) {
        for (ProcessLimit limit : limits) {
            call(
                    SystemCall.PRLIMIT64,
                    ZERO,
                    number(limit.resource()),
                    at(Block.words(
                            "{rlim_cur=" + limit.soft() + ", rlim_max=" + limit.hard() + "}",
                            limit.soft(),
                            limit.hard())),
                    ZERO);
        }
    }

    /**
     * Joins the v1 cgroups: a process of one thread that writes to {@code tasks} skips the lock that a write to
     * {@code cgroup.procs} waits for.
     */
    void joinCgroups() {
        assembler.step("join the cgroups");
        for (int i = 0; i < slots.count(Slot.Role.TASKS); i++) {
            call(SystemCall.WRITE, number(slots.number(Slot.of(Slot.Role.TASKS, i))), text("0"), number(1));
        }
    }

    void join(Slot.Role role, long type) {
        if (slots.has(role)) {
            call(SystemCall.SETNS, slot(role), number(type));
        }
    }

    void becomeRoot() {
        call(SystemCall.SETRESGID, ZERO, ZERO, ZERO);
        call(SystemCall.SETRESUID, ZERO, ZERO, ZERO);
    }

    // ---- files and mounts

    static Block openHow(long flags, long resolve) {
        return Block.words(
                () -> "{flags=" + ArgumentKind.OPEN_FLAGS.print(flags) + ", resolve="
                        + ArgumentKind.RESOLVE_FLAGS.print(resolve) + "}",
                flags,
                0,
                resolve);
    }

    /** Opens a place below the container's root: never above it, never through a magic link. */
    Label openInRoot(Operand root, String path, long flags, boolean symlinks) {
        return call(
                SystemCall.OPENAT2,
                root,
                text(relative(path)),
                at(openHow(
                        O_PATH | O_CLOEXEC | flags,
                        RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (symlinks ? 0 : RESOLVE_NO_SYMLINKS))),
                number(24));
    }

    /** A path below a root descriptor; the root itself is {@code "."}. */
    static String relative(String path) {
        int begin = 0;
        while (begin < path.length() && path.charAt(begin) == '/') {
            begin++;
        }
        return begin == path.length() ? "." : path.substring(begin);
    }

    /** Below these no link of the image is followed. */
    static boolean mayFollowLinks(String path) {
        return !(below(path, "/proc") || below(path, "/sys") || below(path, "/dev"));
    }

    private static boolean below(String path, String directory) {
        return path.equals(directory) || path.startsWith(directory + "/");
    }

    /** Attaches a mount to a place below the root. */
    void attach(Operand mount, Label target) {
        call(
                SystemCall.MOVE_MOUNT,
                mount,
                text(""),
                new Operand.ResultOf(target),
                text(""),
                number(MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
    }

    /** Makes a file system of this process's namespaces and attaches it below the root. */
    void mountFileSystem(MountPlan.FileSystem mount) {
        assembler.step("mount " + mount.type() + " on " + mount.target());
        Label made = makeFileSystem(mount);
        Label target = openInRoot(slot(Slot.Role.ROOT), mount.target(), O_DIRECTORY, mayFollowLinks(mount.target()));
        attach(new Operand.ResultOf(made), target);
    }

    /** Makes it, and attaches it nowhere. */
    Label makeFileSystem(MountPlan.FileSystem mount) {
        int scratch = slots.number(Slot.Role.SCRATCH);
        Label context = call(SystemCall.FSOPEN, text(mount.type()), number(FSOPEN_CLOEXEC));
        call(SystemCall.DUP3, new Operand.ResultOf(context), number(scratch), number(O_CLOEXEC));
        mount.options().forEach(option -> {
            switch (option) {
                case MountPlan.Option(String key, java.util.Optional<String> value)
                when value.isPresent() ->
                    call(
                            SystemCall.FSCONFIG,
                            number(scratch),
                            number(FSCONFIG_SET_STRING),
                            text(key),
                            text(value.get()),
                            ZERO);
                case MountPlan.Option(String key, java.util.Optional<String> _) ->
                    call(SystemCall.FSCONFIG, number(scratch), number(FSCONFIG_SET_FLAG), text(key), ZERO, ZERO);
            }
        });
        if (mount.pidNamespace()) {
            call(
                    SystemCall.FSCONFIG,
                    number(scratch),
                    number(FSCONFIG_SET_FD),
                    text("pidns"),
                    ZERO,
                    slot(Slot.Role.PID_NAMESPACE));
        }
        call(SystemCall.FSCONFIG, number(scratch), number(FSCONFIG_CMD_CREATE), ZERO, ZERO, ZERO);
        return call(SystemCall.FSMOUNT, number(scratch), number(FSMOUNT_CLOEXEC), number(mount.attributes()));
    }

    static Block mountAttributes(long set) {
        return Block.words(() -> "{attr_set=" + ArgumentKind.MOUNT_ATTRIBUTES.print(set) + "}", set, 0, 0, 0);
    }

    // ---- rights

    void credentials(Credentials user, CapabilitySets sets, int lastCapability, CapabilitySet untilFilter) {
        assembler.step("drop capabilities from the bounding set");
        for (int capability = 0; capability <= lastCapability; capability++) {
            if ((sets.bounding().mask() & (1L << capability)) == 0) {
                call(SystemCall.PRCTL, number(PR_CAPBSET_DROP), number(capability));
            }
        }
        assembler.step("become user " + user.uid() + ":" + user.gid());
        call(SystemCall.PRCTL, number(PR_SET_KEEPCAPS), number(1));
        List<Long> groups = user.groups();
        ByteBuffer ids =
                ByteBuffer.allocate(Math.max(1, groups.size()) * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        groups.forEach(group -> ids.putInt(group.intValue()));
        call(SystemCall.SETGROUPS, number(groups.size()), at(Block.of(groups.toString(), ids.array())));
        call(SystemCall.SETRESGID, number(user.gid()), number(user.gid()), number(user.gid()));
        call(SystemCall.SETRESUID, number(user.uid()), number(user.uid()), number(user.uid()));
        assembler.step("set capabilities");
        setCapabilities(sets, untilFilter);
        for (int capability : sets.ambient().numbers()) {
            call(
                    SystemCall.PRCTL,
                    number(PR_CAP_AMBIENT),
                    number(PR_CAP_AMBIENT_RAISE),
                    number(capability),
                    ZERO,
                    ZERO);
        }
    }

    /** {@code capset(2)} of the plan's sets, with {@code more} in the permitted and effective ones. */
    void setCapabilities(CapabilitySets sets, CapabilitySet more) {
        long permitted = sets.permitted().mask() | more.mask();
        long effective = sets.effective().mask() | more.mask();
        long inheritable = sets.inheritable().mask();
        Block header = Block.words("{_LINUX_CAPABILITY_VERSION_3, pid=0}", _LINUX_CAPABILITY_VERSION_3);
        ByteBuffer data = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
        for (int half = 0; half < 64; half += 32) {
            data.putInt((int) (effective >>> half))
                    .putInt((int) (permitted >>> half))
                    .putInt((int) (inheritable >>> half));
        }
        String text = "{effective=" + new CapabilitySet(effective) + ", permitted=" + new CapabilitySet(permitted)
                + ", inheritable=" + sets.inheritable() + "}";
        call(SystemCall.CAPSET, at(header), at(Block.of(text, data.array())));
    }

    void noNewPrivileges() {
        call(SystemCall.PRCTL, number(PR_SET_NO_NEW_PRIVS), number(1), ZERO, ZERO, ZERO);
    }

    /** glibc's {@code posix_spawn(3)} leaves its two internal signals ignored; the program shall not inherit that. */
    void defaultSignals() {
        assembler.step("restore signals");
        for (int signal = 32; signal <= 33; signal++) {
            call(SystemCall.RT_SIGACTION, number(signal), at(DEFAULT_ACTION), ZERO, number(SIGSET_BYTES));
        }
        call(SystemCall.RT_SIGPROCMASK, number(SIG_SETMASK), at(NO_SIGNALS), ZERO, number(SIGSET_BYTES));
    }

    void filter(SeccompProgram program) {
        assembler.step("install the seccomp filter");
        Block instructions = Block.of(program.name() + ", " + program.instructions() + " instructions", program.bpf());
        byte[] header = new byte[16];
        ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putShort(0, (short) program.instructions());
        call(
                SystemCall.SECCOMP,
                number(SECCOMP_SET_MODE_FILTER),
                number(program.flags()),
                at(Block.withPointers("{" + instructions + "}", header, new Block.Pointer(8, at(instructions)))));
    }

    /** Moves the program's three streams into place. */
    void standardStreams() {
        assembler.step("set stdin, stdout and stderr");
        call(SystemCall.DUP3, slot(slots.has(Slot.Role.INPUT) ? Slot.Role.INPUT : Slot.Role.STDIN), ZERO, ZERO);
        call(SystemCall.DUP3, slot(Slot.Role.STDOUT_WRITE), number(1), ZERO);
        call(SystemCall.DUP3, slot(Slot.Role.STDERR_WRITE), number(2), ZERO);
    }

    /**
     * Opens a terminal in the devpts of slot TERMINALS as descriptor 0, its master as slot TERMINAL. By descriptors alone:
     * no path leads to either.
     *
     * @param user who owns it; its group is that which devpts gives it
     */
    void openTerminal(Credentials user) {
        assembler.step("open the program's terminal");
        Label master = call(
                SystemCall.OPENAT2,
                slot(Slot.Role.TERMINALS),
                text(PseudoTerminal.MULTIPLEXER),
                at(openHow(
                        O_RDWR | O_NOCTTY | O_CLOEXEC,
                        RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)),
                number(24));
        call(SystemCall.DUP3, new Operand.ResultOf(master), slot(Slot.Role.TERMINAL), number(O_CLOEXEC));
        call(SystemCall.IOCTL, slot(Slot.Role.TERMINAL), number(TIOCSPTLCK), at(Block.words("[0]", 0)));
        Label peer = call(
                SystemCall.IOCTL, slot(Slot.Role.TERMINAL), number(TIOCGPTPEER), number(O_RDWR | O_NOCTTY | O_CLOEXEC));
        call(SystemCall.DUP3, new Operand.ResultOf(peer), ZERO, ZERO);
        call(SystemCall.FCHOWN, ZERO, number(user.uid()), number(-1));
    }

    /** The terminal is descriptor 0 already. */
    void terminalStreams() {
        assembler.step("set stdout and stderr");
        call(SystemCall.DUP3, ZERO, number(1), ZERO);
        call(SystemCall.DUP3, ZERO, number(2), ZERO);
    }

    /** What the leader of a session asks of descriptor 0 where that is no terminal: nothing. */
    static final List<Integer> NO_TERMINAL = List.of();

    /** To be its controlling terminal. */
    static final List<Integer> TERMINAL = List.of(TIOCSCTTY);

    /** That, and to let others open it again, who can only share it now: {@link PseudoTerminal#open}. */
    static final List<Integer> KEPT_TERMINAL = List.of(TIOCSCTTY, TIOCNXCL);

    /**
     * The leader of a new session.
     *
     * @param asked of descriptor 0: one of the lists above
     */
    void beginSession(List<Integer> asked) {
        assembler.step("begin a session");
        call(SystemCall.SETSID);
        asked.forEach(request -> call(SystemCall.IOCTL, ZERO, number(request), ZERO));
    }

    /** Closes everything for good but the given number of descriptors from {@code first} on. */
    void closeAllBut(int first, int count) {
        if (first > Slots.FIRST) {
            call(SystemCall.CLOSE_RANGE, number(Slots.FIRST), number(first - 1), ZERO);
        }
        call(SystemCall.CLOSE_RANGE, number(first + count), number(0xffffffffL), ZERO);
    }

    /** Only the status pipe is left, and {@code execve(2)} closes it. */
    void keepStatusUntilExecve() {
        int status = slots.number(Slot.Role.STATUS);
        closeAllBut(status, 1);
        call(SystemCall.CLOSE_RANGE, number(status), number(status), number(CLOSE_RANGE_CLOEXEC));
    }

    /** Enters the working directory, which must lie below the root. */
    void workingDirectory(String path) {
        assembler.step("enter the working directory " + path);
        Label directory = openInRoot(number(AT_FDCWD), path, O_DIRECTORY, true);
        call(SystemCall.FCHDIR, new Operand.ResultOf(directory));
    }

    /**
     * Executes the first candidate that can be. Each failure is told; none of them lets the process go on as if the
     * call had worked.
     */
    void execute(List<String> candidates, List<String> arguments, List<String> environment) {
        Block argv = Block.texts(arguments, false);
        Block envp = Block.texts(environment, true);
        for (int i = 0; i < candidates.size(); i++) {
            boolean last = i == candidates.size() - 1;
            Label miss = last ? failed : new Label("not " + candidates.get(i));
            Label other = new Label("try the next");
            assembler.step("execute " + candidates.get(i));
            call(SystemCall.EXECVE, text(candidates.get(i)), at(argv), at(envp));
            assembler.returnsOnlyOnError(miss);
            if (!last) {
                assembler.place(miss);
                call(SystemCall.WRITE, slot(Slot.Role.STATUS), new Operand.LastFailure(), number(8));
                assembler.onError(other);
                assembler.place(other);
            }
        }
    }

    static int utf8Length(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }
}
