package io.portafilter.security;

import io.portafilter.linux.Errno;

/** What a seccomp filter answers, as the kernel encodes it ({@code include/uapi/linux/seccomp.h}). */
public final class SeccompAction {

    public static final int SECCOMP_RET_KILL_PROCESS = 0x8000_0000;
    public static final int SECCOMP_RET_KILL_THREAD = 0x0000_0000;
    public static final int SECCOMP_RET_TRAP = 0x0003_0000;
    public static final int SECCOMP_RET_ERRNO = 0x0005_0000;
    public static final int SECCOMP_RET_USER_NOTIF = 0x7fc0_0000;
    public static final int SECCOMP_RET_TRACE = 0x7ff0_0000;
    public static final int SECCOMP_RET_LOG = 0x7ffc_0000;
    public static final int SECCOMP_RET_ALLOW = 0x7fff_0000;

    private static final int SECCOMP_RET_ACTION_FULL = 0xffff_0000;
    private static final int SECCOMP_RET_DATA = 0x0000_ffff;

    private SeccompAction() {}

    /** The action that makes the call fail with this error. */
    public static int errno(Errno errno) {
        return SECCOMP_RET_ERRNO | errno.number();
    }

    /** Whether the system call is carried out. */
    public static boolean allows(int action) {
        int kind = action & SECCOMP_RET_ACTION_FULL;
        return kind == SECCOMP_RET_ALLOW || kind == SECCOMP_RET_LOG;
    }

    /** The action for people, such as {@code ERRNO(EPERM)}. The kernel takes an unknown one as KILL_PROCESS. */
    public static String text(int action) {
        int data = action & SECCOMP_RET_DATA;
        return switch (action & SECCOMP_RET_ACTION_FULL) {
            case SECCOMP_RET_KILL_THREAD -> "KILL_THREAD";
            case SECCOMP_RET_TRAP -> "TRAP(" + data + ")";
            case SECCOMP_RET_ERRNO ->
                "ERRNO(" + (data == 0 ? "0" : Errno.of(data).name()) + ")";
            case SECCOMP_RET_USER_NOTIF -> "USER_NOTIF";
            case SECCOMP_RET_TRACE -> "TRACE(" + data + ")";
            case SECCOMP_RET_LOG -> "LOG";
            case SECCOMP_RET_ALLOW -> "ALLOW";
            default -> "KILL_PROCESS";
        };
    }
}
