package io.portafilter.linux;

import java.util.List;

/**
 * What an argument of a system call means, and so how it is printed: the way strace does.
 *
 * <p>Two shapes: sets of flags, joined by {@code |} with an unknown rest in hexadecimal, and single choices.
 */
public enum ArgumentKind {
    /** A signed number. */
    DECIMAL(Shape.DECIMAL),
    /** An unsigned 32-bit number. */
    UNSIGNED_INT(Shape.UNSIGNED_INT),
    /** A number whose bits matter. */
    HEX(Shape.HEX),
    /** The address of a structure or buffer. */
    POINTER(Shape.HEX),
    /** The address of NUL-terminated text. */
    TEXT(Shape.HEX),
    /** A file descriptor, or {@code AT_FDCWD}. */
    FD(Shape.DESCRIPTOR),
    /** Type and permission bits of a file. */
    MODE(Shape.OCTAL),
    /** A device number as {@code makedev(MAJOR, MINOR)}. */
    DEVICE(Shape.DEVICE),
    OPEN_FLAGS(
            Shape.FLAGS,
            new Named("O_WRONLY", LinuxConstants.O_WRONLY),
            new Named("O_RDWR", LinuxConstants.O_RDWR),
            new Named("O_CREAT", LinuxConstants.O_CREAT),
            new Named("O_EXCL", LinuxConstants.O_EXCL),
            new Named("O_NOCTTY", LinuxConstants.O_NOCTTY),
            new Named("O_TRUNC", LinuxConstants.O_TRUNC),
            new Named("O_APPEND", LinuxConstants.O_APPEND),
            new Named("O_NONBLOCK", LinuxConstants.O_NONBLOCK),
            new Named("O_DIRECT", LinuxConstants.O_DIRECT),
            new Named("O_TMPFILE", LinuxConstants.O_TMPFILE),
            new Named("O_DIRECTORY", LinuxConstants.O_DIRECTORY),
            new Named("O_NOFOLLOW", LinuxConstants.O_NOFOLLOW),
            new Named("O_NOATIME", LinuxConstants.O_NOATIME),
            new Named("O_CLOEXEC", LinuxConstants.O_CLOEXEC),
            new Named("O_PATH", LinuxConstants.O_PATH)),
    RESOLVE_FLAGS(
            Shape.FLAGS,
            new Named("RESOLVE_NO_XDEV", LinuxConstants.RESOLVE_NO_XDEV),
            new Named("RESOLVE_NO_MAGICLINKS", LinuxConstants.RESOLVE_NO_MAGICLINKS),
            new Named("RESOLVE_NO_SYMLINKS", LinuxConstants.RESOLVE_NO_SYMLINKS),
            new Named("RESOLVE_BENEATH", LinuxConstants.RESOLVE_BENEATH),
            new Named("RESOLVE_IN_ROOT", LinuxConstants.RESOLVE_IN_ROOT),
            new Named("RESOLVE_CACHED", LinuxConstants.RESOLVE_CACHED)),
    AT_FLAGS(
            Shape.FLAGS,
            new Named("AT_SYMLINK_NOFOLLOW", LinuxConstants.AT_SYMLINK_NOFOLLOW),
            new Named("AT_EACCESS", LinuxConstants.AT_EACCESS),
            new Named("AT_SYMLINK_FOLLOW", LinuxConstants.AT_SYMLINK_FOLLOW),
            new Named("AT_NO_AUTOMOUNT", LinuxConstants.AT_NO_AUTOMOUNT),
            new Named("AT_EMPTY_PATH", LinuxConstants.AT_EMPTY_PATH),
            new Named("AT_RECURSIVE", LinuxConstants.AT_RECURSIVE)),
    UNLINK_FLAGS(Shape.FLAGS, new Named("AT_REMOVEDIR", LinuxConstants.AT_REMOVEDIR)),
    RENAME_FLAGS(
            Shape.FLAGS,
            new Named("RENAME_NOREPLACE", LinuxConstants.RENAME_NOREPLACE),
            new Named("RENAME_EXCHANGE", LinuxConstants.RENAME_EXCHANGE),
            new Named("RENAME_WHITEOUT", LinuxConstants.RENAME_WHITEOUT)),
    MEMFD_FLAGS(
            Shape.FLAGS,
            new Named("MFD_CLOEXEC", LinuxConstants.MFD_CLOEXEC),
            new Named("MFD_ALLOW_SEALING", LinuxConstants.MFD_ALLOW_SEALING),
            new Named("MFD_NOEXEC_SEAL", LinuxConstants.MFD_NOEXEC_SEAL),
            new Named("MFD_EXEC", LinuxConstants.MFD_EXEC)),
    SEALS(
            Shape.FLAGS,
            new Named("F_SEAL_SEAL", LinuxConstants.F_SEAL_SEAL),
            new Named("F_SEAL_SHRINK", LinuxConstants.F_SEAL_SHRINK),
            new Named("F_SEAL_GROW", LinuxConstants.F_SEAL_GROW),
            new Named("F_SEAL_WRITE", LinuxConstants.F_SEAL_WRITE)),
    SPLICE_FLAGS(
            Shape.FLAGS,
            new Named("SPLICE_F_MOVE", LinuxConstants.SPLICE_F_MOVE),
            new Named("SPLICE_F_NONBLOCK", LinuxConstants.SPLICE_F_NONBLOCK),
            new Named("SPLICE_F_MORE", LinuxConstants.SPLICE_F_MORE)),
    LOCK_OPERATION(
            Shape.FLAGS,
            new Named("LOCK_SH", LinuxConstants.LOCK_SH),
            new Named("LOCK_EX", LinuxConstants.LOCK_EX),
            new Named("LOCK_NB", LinuxConstants.LOCK_NB),
            new Named("LOCK_UN", LinuxConstants.LOCK_UN)),
    CLOSE_RANGE_FLAGS(
            Shape.FLAGS,
            new Named("CLOSE_RANGE_UNSHARE", LinuxConstants.CLOSE_RANGE_UNSHARE),
            new Named("CLOSE_RANGE_CLOEXEC", LinuxConstants.CLOSE_RANGE_CLOEXEC)),
    INOTIFY_EVENTS(
            Shape.FLAGS,
            new Named("IN_ACCESS", LinuxConstants.IN_ACCESS),
            new Named("IN_MODIFY", LinuxConstants.IN_MODIFY),
            new Named("IN_ATTRIB", LinuxConstants.IN_ATTRIB),
            new Named("IN_CLOSE_WRITE", LinuxConstants.IN_CLOSE_WRITE),
            new Named("IN_CLOSE_NOWRITE", LinuxConstants.IN_CLOSE_NOWRITE),
            new Named("IN_OPEN", LinuxConstants.IN_OPEN),
            new Named("IN_MOVED_FROM", LinuxConstants.IN_MOVED_FROM),
            new Named("IN_MOVED_TO", LinuxConstants.IN_MOVED_TO),
            new Named("IN_CREATE", LinuxConstants.IN_CREATE),
            new Named("IN_DELETE", LinuxConstants.IN_DELETE),
            new Named("IN_DELETE_SELF", LinuxConstants.IN_DELETE_SELF),
            new Named("IN_MOVE_SELF", LinuxConstants.IN_MOVE_SELF)),
    MOUNT_FLAGS(
            Shape.FLAGS,
            new Named("MS_RDONLY", LinuxConstants.MS_RDONLY),
            new Named("MS_NOSUID", LinuxConstants.MS_NOSUID),
            new Named("MS_NODEV", LinuxConstants.MS_NODEV),
            new Named("MS_NOEXEC", LinuxConstants.MS_NOEXEC),
            new Named("MS_SYNCHRONOUS", LinuxConstants.MS_SYNCHRONOUS),
            new Named("MS_REMOUNT", LinuxConstants.MS_REMOUNT),
            new Named("MS_MANDLOCK", LinuxConstants.MS_MANDLOCK),
            new Named("MS_DIRSYNC", LinuxConstants.MS_DIRSYNC),
            new Named("MS_NOSYMFOLLOW", LinuxConstants.MS_NOSYMFOLLOW),
            new Named("MS_NOATIME", LinuxConstants.MS_NOATIME),
            new Named("MS_NODIRATIME", LinuxConstants.MS_NODIRATIME),
            new Named("MS_BIND", LinuxConstants.MS_BIND),
            new Named("MS_MOVE", LinuxConstants.MS_MOVE),
            new Named("MS_REC", LinuxConstants.MS_REC),
            new Named("MS_SILENT", LinuxConstants.MS_SILENT),
            new Named("MS_POSIXACL", LinuxConstants.MS_POSIXACL),
            new Named("MS_UNBINDABLE", LinuxConstants.MS_UNBINDABLE),
            new Named("MS_PRIVATE", LinuxConstants.MS_PRIVATE),
            new Named("MS_SLAVE", LinuxConstants.MS_SLAVE),
            new Named("MS_SHARED", LinuxConstants.MS_SHARED),
            new Named("MS_RELATIME", LinuxConstants.MS_RELATIME),
            new Named("MS_STRICTATIME", LinuxConstants.MS_STRICTATIME),
            new Named("MS_LAZYTIME", LinuxConstants.MS_LAZYTIME)),
    UMOUNT_FLAGS(
            Shape.FLAGS,
            new Named("MNT_FORCE", LinuxConstants.MNT_FORCE),
            new Named("MNT_DETACH", LinuxConstants.MNT_DETACH),
            new Named("MNT_EXPIRE", LinuxConstants.MNT_EXPIRE),
            new Named("UMOUNT_NOFOLLOW", LinuxConstants.UMOUNT_NOFOLLOW)),
    OPEN_TREE_FLAGS(
            Shape.FLAGS,
            new Named("OPEN_TREE_CLONE", LinuxConstants.OPEN_TREE_CLONE),
            new Named("OPEN_TREE_CLOEXEC", LinuxConstants.OPEN_TREE_CLOEXEC),
            new Named("AT_SYMLINK_NOFOLLOW", LinuxConstants.AT_SYMLINK_NOFOLLOW),
            new Named("AT_NO_AUTOMOUNT", LinuxConstants.AT_NO_AUTOMOUNT),
            new Named("AT_EMPTY_PATH", LinuxConstants.AT_EMPTY_PATH),
            new Named("AT_RECURSIVE", LinuxConstants.AT_RECURSIVE)),
    MOVE_MOUNT_FLAGS(
            Shape.FLAGS,
            new Named("MOVE_MOUNT_F_SYMLINKS", LinuxConstants.MOVE_MOUNT_F_SYMLINKS),
            new Named("MOVE_MOUNT_F_AUTOMOUNTS", LinuxConstants.MOVE_MOUNT_F_AUTOMOUNTS),
            new Named("MOVE_MOUNT_F_EMPTY_PATH", LinuxConstants.MOVE_MOUNT_F_EMPTY_PATH),
            new Named("MOVE_MOUNT_T_SYMLINKS", LinuxConstants.MOVE_MOUNT_T_SYMLINKS),
            new Named("MOVE_MOUNT_T_AUTOMOUNTS", LinuxConstants.MOVE_MOUNT_T_AUTOMOUNTS),
            new Named("MOVE_MOUNT_T_EMPTY_PATH", LinuxConstants.MOVE_MOUNT_T_EMPTY_PATH),
            new Named("MOVE_MOUNT_SET_GROUP", LinuxConstants.MOVE_MOUNT_SET_GROUP),
            new Named("MOVE_MOUNT_BENEATH", LinuxConstants.MOVE_MOUNT_BENEATH)),
    FSOPEN_FLAGS(Shape.FLAGS, new Named("FSOPEN_CLOEXEC", LinuxConstants.FSOPEN_CLOEXEC)),
    FSMOUNT_FLAGS(Shape.FLAGS, new Named("FSMOUNT_CLOEXEC", LinuxConstants.FSMOUNT_CLOEXEC)),
    FSPICK_FLAGS(
            Shape.FLAGS,
            new Named("FSPICK_CLOEXEC", LinuxConstants.FSPICK_CLOEXEC),
            new Named("FSPICK_SYMLINK_NOFOLLOW", LinuxConstants.FSPICK_SYMLINK_NOFOLLOW),
            new Named("FSPICK_NO_AUTOMOUNT", LinuxConstants.FSPICK_NO_AUTOMOUNT),
            new Named("FSPICK_EMPTY_PATH", LinuxConstants.FSPICK_EMPTY_PATH)),
    MOUNT_ATTRIBUTES(
            Shape.FLAGS,
            new Named("MOUNT_ATTR_RDONLY", LinuxConstants.MOUNT_ATTR_RDONLY),
            new Named("MOUNT_ATTR_NOSUID", LinuxConstants.MOUNT_ATTR_NOSUID),
            new Named("MOUNT_ATTR_NODEV", LinuxConstants.MOUNT_ATTR_NODEV),
            new Named("MOUNT_ATTR_NOEXEC", LinuxConstants.MOUNT_ATTR_NOEXEC),
            new Named("MOUNT_ATTR_NOATIME", LinuxConstants.MOUNT_ATTR_NOATIME),
            new Named("MOUNT_ATTR_STRICTATIME", LinuxConstants.MOUNT_ATTR_STRICTATIME),
            new Named("MOUNT_ATTR_NODIRATIME", LinuxConstants.MOUNT_ATTR_NODIRATIME),
            new Named("MOUNT_ATTR_IDMAP", LinuxConstants.MOUNT_ATTR_IDMAP),
            new Named("MOUNT_ATTR_NOSYMFOLLOW", LinuxConstants.MOUNT_ATTR_NOSYMFOLLOW)),
    CLONE_FLAGS(
            Shape.CLONE,
            new Named("CLONE_NEWTIME", LinuxConstants.CLONE_NEWTIME),
            new Named("CLONE_VM", LinuxConstants.CLONE_VM),
            new Named("CLONE_FS", LinuxConstants.CLONE_FS),
            new Named("CLONE_FILES", LinuxConstants.CLONE_FILES),
            new Named("CLONE_SIGHAND", LinuxConstants.CLONE_SIGHAND),
            new Named("CLONE_PIDFD", LinuxConstants.CLONE_PIDFD),
            new Named("CLONE_VFORK", LinuxConstants.CLONE_VFORK),
            new Named("CLONE_PARENT", LinuxConstants.CLONE_PARENT),
            new Named("CLONE_THREAD", LinuxConstants.CLONE_THREAD),
            new Named("CLONE_NEWNS", LinuxConstants.CLONE_NEWNS),
            new Named("CLONE_SYSVSEM", LinuxConstants.CLONE_SYSVSEM),
            new Named("CLONE_NEWCGROUP", LinuxConstants.CLONE_NEWCGROUP),
            new Named("CLONE_NEWUTS", LinuxConstants.CLONE_NEWUTS),
            new Named("CLONE_NEWIPC", LinuxConstants.CLONE_NEWIPC),
            new Named("CLONE_NEWUSER", LinuxConstants.CLONE_NEWUSER),
            new Named("CLONE_NEWPID", LinuxConstants.CLONE_NEWPID),
            new Named("CLONE_NEWNET", LinuxConstants.CLONE_NEWNET),
            new Named("CLONE_INTO_CGROUP", LinuxConstants.CLONE_INTO_CGROUP)),
    WAIT_OPTIONS(
            Shape.FLAGS,
            new Named("WNOHANG", LinuxConstants.WNOHANG),
            new Named("WSTOPPED", LinuxConstants.WSTOPPED),
            new Named("WEXITED", LinuxConstants.WEXITED),
            new Named("WCONTINUED", LinuxConstants.WCONTINUED),
            new Named("WNOWAIT", LinuxConstants.WNOWAIT),
            new Named("__WALL", LinuxConstants.__WALL)),
    SECCOMP_FLAGS(
            Shape.FLAGS,
            new Named("SECCOMP_FILTER_FLAG_TSYNC", LinuxConstants.SECCOMP_FILTER_FLAG_TSYNC),
            new Named("SECCOMP_FILTER_FLAG_LOG", LinuxConstants.SECCOMP_FILTER_FLAG_LOG),
            new Named("SECCOMP_FILTER_FLAG_SPEC_ALLOW", LinuxConstants.SECCOMP_FILTER_FLAG_SPEC_ALLOW),
            new Named("SECCOMP_FILTER_FLAG_NEW_LISTENER", LinuxConstants.SECCOMP_FILTER_FLAG_NEW_LISTENER),
            new Named("SECCOMP_FILTER_FLAG_TSYNC_ESRCH", LinuxConstants.SECCOMP_FILTER_FLAG_TSYNC_ESRCH),
            new Named("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", (long)
                    LinuxConstants.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)),
    PROTECTION(
            Shape.FLAGS,
            new Named("PROT_READ", LinuxConstants.PROT_READ),
            new Named("PROT_WRITE", LinuxConstants.PROT_WRITE),
            new Named("PROT_EXEC", LinuxConstants.PROT_EXEC)),
    MAP_FLAGS(
            Shape.FLAGS,
            new Named("MAP_SHARED", LinuxConstants.MAP_SHARED),
            new Named("MAP_PRIVATE", LinuxConstants.MAP_PRIVATE),
            new Named("MAP_FIXED", LinuxConstants.MAP_FIXED),
            new Named("MAP_ANONYMOUS", LinuxConstants.MAP_ANONYMOUS)),
    MESSAGE_FLAGS(
            Shape.FLAGS,
            new Named("MSG_DONTWAIT", LinuxConstants.MSG_DONTWAIT),
            new Named("MSG_NOSIGNAL", LinuxConstants.MSG_NOSIGNAL),
            new Named("MSG_CMSG_CLOEXEC", LinuxConstants.MSG_CMSG_CLOEXEC)),
    SOCKET_TYPE(
            Shape.SOCKET_TYPE,
            new Named("SOCK_STREAM", LinuxConstants.SOCK_STREAM),
            new Named("SOCK_DGRAM", LinuxConstants.SOCK_DGRAM),
            new Named("SOCK_RAW", LinuxConstants.SOCK_RAW),
            new Named("SOCK_SEQPACKET", LinuxConstants.SOCK_SEQPACKET)),
    SOCKET_FAMILY(
            Shape.CHOICE,
            new Named("AF_UNIX", LinuxConstants.AF_UNIX),
            new Named("AF_INET", LinuxConstants.AF_INET),
            new Named("AF_INET6", LinuxConstants.AF_INET6),
            new Named("AF_NETLINK", LinuxConstants.AF_NETLINK)),
    FCNTL_COMMAND(
            Shape.CHOICE,
            new Named("F_GETFD", LinuxConstants.F_GETFD),
            new Named("F_SETFD", LinuxConstants.F_SETFD),
            new Named("F_GETFL", LinuxConstants.F_GETFL),
            new Named("F_SETFL", LinuxConstants.F_SETFL),
            new Named("F_DUPFD_CLOEXEC", LinuxConstants.F_DUPFD_CLOEXEC),
            new Named("F_SETPIPE_SZ", LinuxConstants.F_SETPIPE_SZ),
            new Named("F_GETPIPE_SZ", LinuxConstants.F_GETPIPE_SZ),
            new Named("F_ADD_SEALS", LinuxConstants.F_ADD_SEALS),
            new Named("F_GET_SEALS", LinuxConstants.F_GET_SEALS)),
    IOCTL(
            Shape.CHOICE,
            new Named("TCFLSH", LinuxConstants.TCFLSH),
            new Named("TIOCEXCL", LinuxConstants.TIOCEXCL),
            new Named("TIOCNXCL", LinuxConstants.TIOCNXCL),
            new Named("TIOCSCTTY", LinuxConstants.TIOCSCTTY),
            new Named("TIOCSWINSZ", LinuxConstants.TIOCSWINSZ),
            new Named("TIOCGWINSZ", LinuxConstants.TIOCGWINSZ),
            new Named("TIOCSPTLCK", LinuxConstants.TIOCSPTLCK),
            new Named("TIOCGPTN", LinuxConstants.TIOCGPTN & 0xffffffffL),
            new Named("TIOCVHANGUP", LinuxConstants.TIOCVHANGUP),
            new Named("TIOCGPTPEER", LinuxConstants.TIOCGPTPEER),
            new Named("FS_IOC_GETFLAGS", LinuxConstants.FS_IOC_GETFLAGS),
            new Named("FS_IOC_SETFLAGS", LinuxConstants.FS_IOC_SETFLAGS),
            new Named("SIOCGIFFLAGS", LinuxConstants.SIOCGIFFLAGS),
            new Named("SIOCSIFFLAGS", LinuxConstants.SIOCSIFFLAGS)),
    EPOLL_OPERATION(
            Shape.CHOICE,
            new Named("EPOLL_CTL_ADD", LinuxConstants.EPOLL_CTL_ADD),
            new Named("EPOLL_CTL_DEL", LinuxConstants.EPOLL_CTL_DEL),
            new Named("EPOLL_CTL_MOD", LinuxConstants.EPOLL_CTL_MOD)),
    FSCONFIG_COMMAND(
            Shape.CHOICE,
            new Named("FSCONFIG_SET_FLAG", LinuxConstants.FSCONFIG_SET_FLAG),
            new Named("FSCONFIG_SET_STRING", LinuxConstants.FSCONFIG_SET_STRING),
            new Named("FSCONFIG_SET_BINARY", LinuxConstants.FSCONFIG_SET_BINARY),
            new Named("FSCONFIG_SET_PATH", LinuxConstants.FSCONFIG_SET_PATH),
            new Named("FSCONFIG_SET_PATH_EMPTY", LinuxConstants.FSCONFIG_SET_PATH_EMPTY),
            new Named("FSCONFIG_SET_FD", LinuxConstants.FSCONFIG_SET_FD),
            new Named("FSCONFIG_CMD_CREATE", LinuxConstants.FSCONFIG_CMD_CREATE),
            new Named("FSCONFIG_CMD_RECONFIGURE", LinuxConstants.FSCONFIG_CMD_RECONFIGURE),
            new Named("FSCONFIG_CMD_CREATE_EXCL", LinuxConstants.FSCONFIG_CMD_CREATE_EXCL)),
    WAIT_TARGET(
            Shape.CHOICE,
            new Named("P_ALL", LinuxConstants.P_ALL),
            new Named("P_PID", LinuxConstants.P_PID),
            new Named("P_PGID", LinuxConstants.P_PGID),
            new Named("P_PIDFD", LinuxConstants.P_PIDFD)),
    SIGNAL(
            Shape.CHOICE,
            new Named("SIGHUP", LinuxConstants.SIGHUP),
            new Named("SIGINT", LinuxConstants.SIGINT),
            new Named("SIGQUIT", LinuxConstants.SIGQUIT),
            new Named("SIGABRT", LinuxConstants.SIGABRT),
            new Named("SIGKILL", LinuxConstants.SIGKILL),
            new Named("SIGUSR1", LinuxConstants.SIGUSR1),
            new Named("SIGSEGV", LinuxConstants.SIGSEGV),
            new Named("SIGUSR2", LinuxConstants.SIGUSR2),
            new Named("SIGPIPE", LinuxConstants.SIGPIPE),
            new Named("SIGTERM", LinuxConstants.SIGTERM),
            new Named("SIGCHLD", LinuxConstants.SIGCHLD),
            new Named("SIGCONT", LinuxConstants.SIGCONT),
            new Named("SIGSTOP", LinuxConstants.SIGSTOP),
            new Named("SIGSYS", LinuxConstants.SIGSYS)),
    SIGNAL_MASK(
            Shape.CHOICE,
            new Named("SIG_BLOCK", LinuxConstants.SIG_BLOCK),
            new Named("SIG_UNBLOCK", LinuxConstants.SIG_UNBLOCK),
            new Named("SIG_SETMASK", LinuxConstants.SIG_SETMASK)),
    PRCTL_OPTION(
            Shape.CHOICE,
            new Named("PR_SET_PDEATHSIG", LinuxConstants.PR_SET_PDEATHSIG),
            new Named("PR_GET_DUMPABLE", LinuxConstants.PR_GET_DUMPABLE),
            new Named("PR_SET_DUMPABLE", LinuxConstants.PR_SET_DUMPABLE),
            new Named("PR_GET_KEEPCAPS", LinuxConstants.PR_GET_KEEPCAPS),
            new Named("PR_SET_KEEPCAPS", LinuxConstants.PR_SET_KEEPCAPS),
            new Named("PR_SET_NAME", LinuxConstants.PR_SET_NAME),
            new Named("PR_GET_NAME", LinuxConstants.PR_GET_NAME),
            new Named("PR_CAPBSET_READ", LinuxConstants.PR_CAPBSET_READ),
            new Named("PR_CAPBSET_DROP", LinuxConstants.PR_CAPBSET_DROP),
            new Named("PR_SET_SECUREBITS", LinuxConstants.PR_SET_SECUREBITS),
            new Named("PR_SET_CHILD_SUBREAPER", LinuxConstants.PR_SET_CHILD_SUBREAPER),
            new Named("PR_SET_NO_NEW_PRIVS", LinuxConstants.PR_SET_NO_NEW_PRIVS),
            new Named("PR_GET_NO_NEW_PRIVS", LinuxConstants.PR_GET_NO_NEW_PRIVS),
            new Named("PR_CAP_AMBIENT", LinuxConstants.PR_CAP_AMBIENT)),
    SECCOMP_OPERATION(
            Shape.CHOICE,
            new Named("SECCOMP_SET_MODE_STRICT", LinuxConstants.SECCOMP_SET_MODE_STRICT),
            new Named("SECCOMP_SET_MODE_FILTER", LinuxConstants.SECCOMP_SET_MODE_FILTER),
            new Named("SECCOMP_GET_ACTION_AVAIL", LinuxConstants.SECCOMP_GET_ACTION_AVAIL),
            new Named("SECCOMP_GET_NOTIF_SIZES", LinuxConstants.SECCOMP_GET_NOTIF_SIZES)),
    BPF_COMMAND(
            Shape.CHOICE,
            new Named("BPF_MAP_CREATE", LinuxConstants.BPF_MAP_CREATE),
            new Named("BPF_PROG_LOAD", LinuxConstants.BPF_PROG_LOAD),
            new Named("BPF_OBJ_PIN", LinuxConstants.BPF_OBJ_PIN),
            new Named("BPF_OBJ_GET", LinuxConstants.BPF_OBJ_GET),
            new Named("BPF_PROG_ATTACH", LinuxConstants.BPF_PROG_ATTACH),
            new Named("BPF_PROG_DETACH", LinuxConstants.BPF_PROG_DETACH),
            new Named("BPF_PROG_QUERY", LinuxConstants.BPF_PROG_QUERY)),
    RESOURCE(
            Shape.CHOICE,
            new Named("RLIMIT_CPU", LinuxConstants.RLIMIT_CPU),
            new Named("RLIMIT_FSIZE", LinuxConstants.RLIMIT_FSIZE),
            new Named("RLIMIT_DATA", LinuxConstants.RLIMIT_DATA),
            new Named("RLIMIT_STACK", LinuxConstants.RLIMIT_STACK),
            new Named("RLIMIT_CORE", LinuxConstants.RLIMIT_CORE),
            new Named("RLIMIT_RSS", LinuxConstants.RLIMIT_RSS),
            new Named("RLIMIT_NPROC", LinuxConstants.RLIMIT_NPROC),
            new Named("RLIMIT_NOFILE", LinuxConstants.RLIMIT_NOFILE),
            new Named("RLIMIT_MEMLOCK", LinuxConstants.RLIMIT_MEMLOCK),
            new Named("RLIMIT_AS", LinuxConstants.RLIMIT_AS),
            new Named("RLIMIT_LOCKS", LinuxConstants.RLIMIT_LOCKS),
            new Named("RLIMIT_SIGPENDING", LinuxConstants.RLIMIT_SIGPENDING),
            new Named("RLIMIT_MSGQUEUE", LinuxConstants.RLIMIT_MSGQUEUE),
            new Named("RLIMIT_NICE", LinuxConstants.RLIMIT_NICE),
            new Named("RLIMIT_RTPRIO", LinuxConstants.RLIMIT_RTPRIO),
            new Named("RLIMIT_RTTIME", LinuxConstants.RLIMIT_RTTIME)),
    KEYCTL_OPERATION(
            Shape.CHOICE, new Named("KEYCTL_JOIN_SESSION_KEYRING", LinuxConstants.KEYCTL_JOIN_SESSION_KEYRING));

    private enum Shape {
        DECIMAL,
        UNSIGNED_INT,
        HEX,
        OCTAL,
        DESCRIPTOR,
        DEVICE,
        FLAGS,
        CLONE,
        SOCKET_TYPE,
        CHOICE
    }

    private record Named(String name, long value) {}

    private final Shape shape;

    @SuppressWarnings("ImmutableEnumChecker") // made by List.of
    private final List<Named> names;

    ArgumentKind(Shape shape, Named... names) {
        this.shape = shape;
        this.names = List.of(names);
    }

    /** Whether the argument is the address of something in memory. */
    public boolean isPointer() {
        return this == POINTER || this == TEXT;
    }

    /** The value as strace prints it; an address of zero is {@code NULL}. */
    public String print(long value) {
        return switch (shape) {
            case DECIMAL -> Long.toString(value);
            case UNSIGNED_INT -> Long.toString(value & 0xffffffffL);
            case HEX -> isPointer() && value == 0 ? "NULL" : hexadecimal(value);
            case OCTAL -> value == 0 ? "0" : "0" + Long.toOctalString(value);
            case DESCRIPTOR -> (int) value == LinuxConstants.AT_FDCWD ? "AT_FDCWD" : Integer.toString((int) value);
            case DEVICE -> "makedev(" + Device.major(value) + ", " + Device.minor(value) + ")";
            case FLAGS -> flags(value);
            case CLONE -> clone(value);
            case SOCKET_TYPE -> choice(value & 0xf) + suffix(OPEN_FLAGS.flags(value & ~0xfL));
            case CHOICE -> choice(value);
        };
    }

    /** The lowest byte of clone(2)'s flags is a signal, save for CLONE_NEWTIME, which only unshare(2) takes. */
    private String clone(long value) {
        long signal = value & 0xff;
        if (signal == LinuxConstants.CLONE_NEWTIME || signal == 0) {
            return flags(value);
        }
        return value == signal ? SIGNAL.print(signal) : flags(value & ~0xffL) + "|" + SIGNAL.print(signal);
    }

    private String flags(long value) {
        StringBuilder text = new StringBuilder();
        long rest = value;
        for (Named name : names) {
            long bits = name.value();
            if ((rest & bits) == bits) {
                append(text, name.name());
                rest &= ~bits;
            }
        }
        if (rest != 0 || text.isEmpty()) {
            append(text, hexadecimal(rest));
        }
        return text.toString();
    }

    private String choice(long value) {
        for (Named name : names) {
            if (name.value() == value) {
                return name.name();
            }
        }
        return this == SIGNAL ? Long.toString(value) : hexadecimal(value);
    }

    private static String suffix(String flags) {
        return "0".equals(flags) ? "" : "|" + flags;
    }

    private static void append(StringBuilder text, String part) {
        if (!text.isEmpty()) {
            text.append('|');
        }
        text.append(part);
    }

    private static String hexadecimal(long value) {
        return value == 0 ? "0" : "0x" + Long.toHexString(value);
    }
}
