package io.portafilter.linux;

import java.util.List;
import java.util.Locale;

/**
 * The system calls that Portafilter makes or puts into launch programs: their numbers, and what their arguments are,
 * from which a call is printed.
 *
 * <p>Only calls that both architectures have: AArch64 has no pause, pipe, dup2, poll or unlink. Source of the
 * numbers: {@code arch/x86/entry/syscalls/syscall_64.tbl} and {@code include/uapi/asm-generic/unistd.h}; of
 * the arguments: section 2 of the manual.
 */
public enum SystemCall {
    READ(0, 63, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    WRITE(1, 64, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    CLOSE(3, 57, ArgumentKind.FD),
    OPENAT(257, 56, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.OPEN_FLAGS, ArgumentKind.MODE),
    OPENAT2(437, 437, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    CLOSE_RANGE(436, 436, ArgumentKind.UNSIGNED_INT, ArgumentKind.UNSIGNED_INT, ArgumentKind.CLOSE_RANGE_FLAGS),
    DUP3(292, 24, ArgumentKind.FD, ArgumentKind.FD, ArgumentKind.OPEN_FLAGS),
    FCNTL(72, 25, ArgumentKind.FD, ArgumentKind.FCNTL_COMMAND, ArgumentKind.DECIMAL),
    IOCTL(16, 29, ArgumentKind.FD, ArgumentKind.IOCTL, ArgumentKind.POINTER),
    LSEEK(8, 62, ArgumentKind.FD, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    PREAD64(17, 67, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    PWRITE64(18, 68, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    READV(19, 65, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    WRITEV(20, 66, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    FTRUNCATE(77, 46, ArgumentKind.FD, ArgumentKind.DECIMAL),
    FALLOCATE(285, 47, ArgumentKind.FD, ArgumentKind.HEX, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    FSYNC(74, 82, ArgumentKind.FD),
    FDATASYNC(75, 83, ArgumentKind.FD),
    SYNCFS(306, 267, ArgumentKind.FD),
    FLOCK(73, 32, ArgumentKind.FD, ArgumentKind.LOCK_OPERATION),
    MEMFD_CREATE(319, 279, ArgumentKind.TEXT, ArgumentKind.MEMFD_FLAGS),
    PIPE2(293, 59, ArgumentKind.POINTER, ArgumentKind.OPEN_FLAGS),
    TEE(276, 77, ArgumentKind.FD, ArgumentKind.FD, ArgumentKind.DECIMAL, ArgumentKind.SPLICE_FLAGS),
    VMSPLICE(278, 75, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.SPLICE_FLAGS),
    SPLICE(
            275,
            76,
            ArgumentKind.FD,
            ArgumentKind.POINTER,
            ArgumentKind.FD,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL,
            ArgumentKind.SPLICE_FLAGS),
    SENDFILE(40, 71, ArgumentKind.FD, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    COPY_FILE_RANGE(
            326,
            285,
            ArgumentKind.FD,
            ArgumentKind.POINTER,
            ArgumentKind.FD,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL,
            ArgumentKind.HEX),
    PPOLL(
            271,
            73,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL,
            ArgumentKind.POINTER,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL),
    EPOLL_CREATE1(291, 20, ArgumentKind.OPEN_FLAGS),
    EPOLL_CTL(233, 21, ArgumentKind.FD, ArgumentKind.EPOLL_OPERATION, ArgumentKind.FD, ArgumentKind.POINTER),
    EPOLL_PWAIT(
            281,
            22,
            ArgumentKind.FD,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL,
            ArgumentKind.DECIMAL,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL),
    EVENTFD2(290, 19, ArgumentKind.DECIMAL, ArgumentKind.OPEN_FLAGS),
    TIMERFD_CREATE(283, 85, ArgumentKind.DECIMAL, ArgumentKind.OPEN_FLAGS),
    TIMERFD_SETTIME(286, 86, ArgumentKind.FD, ArgumentKind.HEX, ArgumentKind.POINTER, ArgumentKind.POINTER),
    SIGNALFD4(289, 74, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.OPEN_FLAGS),
    INOTIFY_INIT1(294, 26, ArgumentKind.OPEN_FLAGS),
    INOTIFY_ADD_WATCH(254, 27, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.INOTIFY_EVENTS),
    INOTIFY_RM_WATCH(255, 28, ArgumentKind.FD, ArgumentKind.DECIMAL),
    STATX(332, 291, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.AT_FLAGS, ArgumentKind.HEX, ArgumentKind.POINTER),
    FSTAT(5, 80, ArgumentKind.FD, ArgumentKind.POINTER),
    NEWFSTATAT(262, 79, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.AT_FLAGS),
    FSTATFS(138, 44, ArgumentKind.FD, ArgumentKind.POINTER),
    STATFS(137, 43, ArgumentKind.TEXT, ArgumentKind.POINTER),
    READLINKAT(267, 78, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    MKDIRAT(258, 34, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.MODE),
    MKNODAT(259, 33, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.MODE, ArgumentKind.DEVICE),
    SYMLINKAT(266, 36, ArgumentKind.TEXT, ArgumentKind.FD, ArgumentKind.TEXT),
    LINKAT(265, 37, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.AT_FLAGS),
    UNLINKAT(263, 35, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.UNLINK_FLAGS),
    RENAMEAT2(
            316,
            276,
            ArgumentKind.FD,
            ArgumentKind.TEXT,
            ArgumentKind.FD,
            ArgumentKind.TEXT,
            ArgumentKind.RENAME_FLAGS),
    FCHMOD(91, 52, ArgumentKind.FD, ArgumentKind.MODE),
    FCHMODAT(268, 53, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.MODE),
    FCHOWN(93, 55, ArgumentKind.FD, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    FCHOWNAT(
            260,
            54,
            ArgumentKind.FD,
            ArgumentKind.TEXT,
            ArgumentKind.DECIMAL,
            ArgumentKind.DECIMAL,
            ArgumentKind.AT_FLAGS),
    UTIMENSAT(280, 88, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.AT_FLAGS),
    GETDENTS64(217, 61, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    FACCESSAT(269, 48, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.HEX),
    FACCESSAT2(439, 439, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.HEX, ArgumentKind.AT_FLAGS),
    SETXATTR(
            188, 5, ArgumentKind.TEXT, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.HEX),
    LSETXATTR(
            189, 6, ArgumentKind.TEXT, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.HEX),
    FSETXATTR(190, 7, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.HEX),
    GETXATTR(191, 8, ArgumentKind.TEXT, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    LGETXATTR(192, 9, ArgumentKind.TEXT, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    FGETXATTR(193, 10, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    LISTXATTR(194, 11, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    LLISTXATTR(195, 12, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    FLISTXATTR(196, 13, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    REMOVEXATTR(197, 14, ArgumentKind.TEXT, ArgumentKind.TEXT),
    LREMOVEXATTR(198, 15, ArgumentKind.TEXT, ArgumentKind.TEXT),
    FREMOVEXATTR(199, 16, ArgumentKind.FD, ArgumentKind.TEXT),
    MOUNT(
            165,
            40,
            ArgumentKind.TEXT,
            ArgumentKind.TEXT,
            ArgumentKind.TEXT,
            ArgumentKind.MOUNT_FLAGS,
            ArgumentKind.TEXT),
    UMOUNT2(166, 39, ArgumentKind.TEXT, ArgumentKind.UMOUNT_FLAGS),
    PIVOT_ROOT(155, 41, ArgumentKind.TEXT, ArgumentKind.TEXT),
    CHROOT(161, 51, ArgumentKind.TEXT),
    CHDIR(80, 49, ArgumentKind.TEXT),
    FCHDIR(81, 50, ArgumentKind.FD),
    GETCWD(79, 17, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    UMASK(95, 166, ArgumentKind.MODE),
    OPEN_TREE(428, 428, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.OPEN_TREE_FLAGS),
    MOVE_MOUNT(
            429,
            429,
            ArgumentKind.FD,
            ArgumentKind.TEXT,
            ArgumentKind.FD,
            ArgumentKind.TEXT,
            ArgumentKind.MOVE_MOUNT_FLAGS),
    FSOPEN(430, 430, ArgumentKind.TEXT, ArgumentKind.FSOPEN_FLAGS),
    FSCONFIG(
            431,
            431,
            ArgumentKind.FD,
            ArgumentKind.FSCONFIG_COMMAND,
            ArgumentKind.TEXT,
            ArgumentKind.TEXT,
            ArgumentKind.DECIMAL),
    FSMOUNT(432, 432, ArgumentKind.FD, ArgumentKind.FSMOUNT_FLAGS, ArgumentKind.MOUNT_ATTRIBUTES),
    FSPICK(433, 433, ArgumentKind.FD, ArgumentKind.TEXT, ArgumentKind.FSPICK_FLAGS),
    MOUNT_SETATTR(
            442,
            442,
            ArgumentKind.FD,
            ArgumentKind.TEXT,
            ArgumentKind.AT_FLAGS,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL),
    CLONE(
            56,
            220,
            ArgumentKind.CLONE_FLAGS,
            ArgumentKind.POINTER,
            ArgumentKind.POINTER,
            ArgumentKind.POINTER,
            ArgumentKind.POINTER),
    CLONE3(435, 435, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    UNSHARE(272, 97, ArgumentKind.CLONE_FLAGS),
    SETNS(308, 268, ArgumentKind.FD, ArgumentKind.CLONE_FLAGS),
    EXECVE(59, 221, ArgumentKind.TEXT, ArgumentKind.POINTER, ArgumentKind.POINTER),
    EXECVEAT(
            322,
            281,
            ArgumentKind.FD,
            ArgumentKind.TEXT,
            ArgumentKind.POINTER,
            ArgumentKind.POINTER,
            ArgumentKind.AT_FLAGS),
    EXIT(60, 93, ArgumentKind.DECIMAL),
    EXIT_GROUP(231, 94, ArgumentKind.DECIMAL),
    WAITID(
            247,
            95,
            ArgumentKind.WAIT_TARGET,
            ArgumentKind.DECIMAL,
            ArgumentKind.POINTER,
            ArgumentKind.WAIT_OPTIONS,
            ArgumentKind.POINTER),
    KILL(62, 129, ArgumentKind.DECIMAL, ArgumentKind.SIGNAL),
    TGKILL(234, 131, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL, ArgumentKind.SIGNAL),
    PIDFD_OPEN(434, 434, ArgumentKind.DECIMAL, ArgumentKind.HEX),
    PIDFD_GETFD(438, 438, ArgumentKind.FD, ArgumentKind.DECIMAL, ArgumentKind.HEX),
    PIDFD_SEND_SIGNAL(424, 424, ArgumentKind.FD, ArgumentKind.SIGNAL, ArgumentKind.POINTER, ArgumentKind.HEX),
    GETPID(39, 172),
    GETPPID(110, 173),
    GETTID(186, 178),
    GETUID(102, 174),
    GETEUID(107, 175),
    GETGID(104, 176),
    GETEGID(108, 177),
    SETUID(105, 146, ArgumentKind.DECIMAL),
    SETGID(106, 144, ArgumentKind.DECIMAL),
    SETRESUID(117, 147, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    SETRESGID(119, 149, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    SETGROUPS(116, 159, ArgumentKind.DECIMAL, ArgumentKind.POINTER),
    GETGROUPS(115, 158, ArgumentKind.DECIMAL, ArgumentKind.POINTER),
    SETSID(112, 157),
    SETPGID(109, 154, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    PRCTL(157, 167, ArgumentKind.PRCTL_OPTION, ArgumentKind.HEX, ArgumentKind.HEX, ArgumentKind.HEX, ArgumentKind.HEX),
    CAPGET(125, 90, ArgumentKind.POINTER, ArgumentKind.POINTER),
    CAPSET(126, 91, ArgumentKind.POINTER, ArgumentKind.POINTER),
    SECCOMP(317, 277, ArgumentKind.SECCOMP_OPERATION, ArgumentKind.SECCOMP_FLAGS, ArgumentKind.POINTER),
    BPF(321, 280, ArgumentKind.BPF_COMMAND, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    PRLIMIT64(302, 261, ArgumentKind.DECIMAL, ArgumentKind.RESOURCE, ArgumentKind.POINTER, ArgumentKind.POINTER),
    GETPRIORITY(140, 141, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    SETPRIORITY(141, 140, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    SCHED_SETAFFINITY(203, 122, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL, ArgumentKind.POINTER),
    SCHED_GETAFFINITY(204, 123, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL, ArgumentKind.POINTER),
    SCHED_SETSCHEDULER(144, 119, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL, ArgumentKind.POINTER),
    IOPRIO_SET(251, 30, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    RT_SIGACTION(13, 134, ArgumentKind.SIGNAL, ArgumentKind.POINTER, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    RT_SIGPROCMASK(14, 135, ArgumentKind.SIGNAL_MASK, ArgumentKind.POINTER, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    RT_SIGTIMEDWAIT(128, 137, ArgumentKind.POINTER, ArgumentKind.POINTER, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    MMAP(
            9,
            222,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL,
            ArgumentKind.PROTECTION,
            ArgumentKind.MAP_FLAGS,
            ArgumentKind.FD,
            ArgumentKind.DECIMAL),
    MUNMAP(11, 215, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    MPROTECT(10, 226, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.PROTECTION),
    MADVISE(28, 233, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL),
    FUTEX(
            202,
            98,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL,
            ArgumentKind.DECIMAL,
            ArgumentKind.POINTER,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL),
    NANOSLEEP(35, 101, ArgumentKind.POINTER, ArgumentKind.POINTER),
    CLOCK_GETTIME(228, 113, ArgumentKind.DECIMAL, ArgumentKind.POINTER),
    GETRANDOM(318, 278, ArgumentKind.POINTER, ArgumentKind.DECIMAL, ArgumentKind.HEX),
    SOCKET(41, 198, ArgumentKind.SOCKET_FAMILY, ArgumentKind.SOCKET_TYPE, ArgumentKind.DECIMAL),
    SOCKETPAIR(
            53, 199, ArgumentKind.SOCKET_FAMILY, ArgumentKind.SOCKET_TYPE, ArgumentKind.DECIMAL, ArgumentKind.POINTER),
    BIND(49, 200, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    CONNECT(42, 203, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.DECIMAL),
    SENDMSG(46, 211, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.MESSAGE_FLAGS),
    RECVMSG(47, 212, ArgumentKind.FD, ArgumentKind.POINTER, ArgumentKind.MESSAGE_FLAGS),
    SETSOCKOPT(
            54,
            208,
            ArgumentKind.FD,
            ArgumentKind.DECIMAL,
            ArgumentKind.DECIMAL,
            ArgumentKind.POINTER,
            ArgumentKind.DECIMAL),
    GETSOCKOPT(
            55,
            209,
            ArgumentKind.FD,
            ArgumentKind.DECIMAL,
            ArgumentKind.DECIMAL,
            ArgumentKind.POINTER,
            ArgumentKind.POINTER),
    SHUTDOWN(48, 210, ArgumentKind.FD, ArgumentKind.DECIMAL),
    KEYCTL(
            250,
            219,
            ArgumentKind.KEYCTL_OPERATION,
            ArgumentKind.DECIMAL,
            ArgumentKind.DECIMAL,
            ArgumentKind.DECIMAL,
            ArgumentKind.DECIMAL),
    SETHOSTNAME(170, 161, ArgumentKind.TEXT, ArgumentKind.DECIMAL),
    SETDOMAINNAME(171, 162, ArgumentKind.TEXT, ArgumentKind.DECIMAL),
    UNAME(63, 160, ArgumentKind.POINTER),
    SYSINFO(99, 179, ArgumentKind.POINTER),
    PTRACE(101, 117, ArgumentKind.DECIMAL, ArgumentKind.DECIMAL, ArgumentKind.POINTER, ArgumentKind.POINTER);

    private final int x86Number;
    private final int armNumber;
    private final String callName = name().toLowerCase(Locale.ROOT);

    @SuppressWarnings("ImmutableEnumChecker") // made by List.of
    private final List<ArgumentKind> arguments;

    SystemCall(int x86Number, int armNumber, ArgumentKind... arguments) {
        this.x86Number = x86Number;
        this.armNumber = armNumber;
        this.arguments = List.of(arguments);
    }

    /** The call's number on this architecture. */
    public int number(Architecture architecture) {
        return switch (architecture) {
            case X86_64 -> x86Number;
            case AARCH64 -> armNumber;
        };
    }

    /** The kernel's name of the call, such as {@code move_mount}. */
    public String callName() {
        return callName;
    }

    /** What the call's arguments are, in order. */
    public List<ArgumentKind> arguments() {
        return arguments;
    }
}
