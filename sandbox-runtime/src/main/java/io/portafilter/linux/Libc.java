package io.portafilter.linux;

import com.sun.jna.Native;

/**
 * The functions of the C library that we call, bound by JNA's direct mapping. Pointers and sizes are {@code long}.
 *
 * <p>{@code syscall} sets errno, which belongs to the carrier thread: it has to be read by the statement that follows
 * the call, before the virtual thread could move to another carrier. The others return their error number.
 */
final class Libc {

    static {
        Native.register(Libc.class, "c");
    }

    private Libc() {}

    /** syscall(2), variadic in C; on x86-64 and AArch64 integer arguments are passed alike either way. */
    static native long syscall(long number, long a, long b, long c, long d, long e, long f);

    // posix_spawn(3); the structures are opaque and smaller than SpawnRequest reserves for them
    static native int posix_spawn(
            long pid, long path, long fileActions, long attributes, long arguments, long environment);

    static native int posix_spawn_file_actions_init(long fileActions);

    static native int posix_spawn_file_actions_destroy(long fileActions);

    static native int posix_spawn_file_actions_adddup2(long fileActions, int from, int to);

    static native int posix_spawn_file_actions_addclosefrom_np(long fileActions, int from);

    static native int posix_spawnattr_init(long attributes);

    static native int posix_spawnattr_destroy(long attributes);

    static native int posix_spawnattr_setflags(long attributes, short flags);

    static native int posix_spawnattr_setsigmask(long attributes, long signalSet);

    static native int posix_spawnattr_setsigdefault(long attributes, long signalSet);
}
