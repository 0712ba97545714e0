package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.O_RDWR;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * posix_spawn(3) such that the child has exactly the named descriptors: the JVM's own are not all close-on-exec.
 *
 * <p>A source that lies among the targets is first duplicated to above them, so that no dup2 overwrites a source that is
 * still to come; then everything from 3 + n is closed in the child (glibc 2.34).
 */
final class Spawn {

    // spawn.h of glibc
    private static final short POSIX_SPAWN_SETPGROUP = 0x02;
    private static final short POSIX_SPAWN_SETSIGDEF = 0x04;
    private static final short POSIX_SPAWN_SETSIGMASK = 0x08;

    // posix_spawn_file_actions_t has 80 bytes, posix_spawnattr_t 336, sigset_t 128 on 64-bit glibc
    private static final int FILE_ACTIONS_BYTES = 128;
    private static final int ATTRIBUTES_BYTES = 512;
    private static final int SIGNAL_SET_BYTES = 128;

    private static final int BUSY_ATTEMPTS = 50;
    private static final long BUSY_WAIT_NANOS = 1_000_000;

    private Spawn() {}

    static int start(SpawnRequest request) {
        int firstFree = 3 + request.descriptors().size();
        int[] sources = new int[firstFree];
        List<Fd> copies = new ArrayList<>();
        try {
            List<Integer> standard = request.standard().isEmpty() ? nullDevice(copies) : request.standard();
            for (int target = 0; target < firstFree; target++) {
                int source = target < 3
                        ? standard.get(target)
                        : request.descriptors().get(target - 3);
                sources[target] = source < firstFree ? copy(source, firstFree, copies) : source;
            }
            return spawn(request, sources);
        } finally {
            closeAll(copies);
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // closed with the other copies by start
    private static int copy(int source, int atLeast, List<Fd> copies) {
        Fd copy = Kernel.duplicate(source, atLeast);
        copies.add(copy);
        return copy.number();
    }

    /** The same null for all three. */
    @SuppressWarnings("MustBeClosedChecker") // closed with the copies by start
    private static List<Integer> nullDevice(List<Fd> copies) {
        Fd opened = Kernel.open("/dev/null", O_RDWR);
        copies.add(opened);
        return List.of(opened.number(), opened.number(), opened.number());
    }

    private static void closeAll(List<Fd> descriptors) {
        RuntimeException first = null;
        for (Fd descriptor : descriptors) {
            try {
                descriptor.close();
            } catch (KernelException e) {
                if (first == null) {
                    first = e;
                } else {
                    first.addSuppressed(e);
                }
            }
        }
        if (first != null) {
            throw first;
        }
    }

    private static int spawn(SpawnRequest request, int[] sources) {
        try (Call memory = Call.of(SystemCall.EXECVE)) {
            long fileActions = memory.reserve(FILE_ACTIONS_BYTES).address();
            long attributes = memory.reserve(ATTRIBUTES_BYTES).address();
            check("posix_spawn_file_actions_init", Libc.posix_spawn_file_actions_init(fileActions));
            try {
                check("posix_spawnattr_init", Libc.posix_spawnattr_init(attributes));
                try {
                    describeChild(request, memory, fileActions, attributes, sources);
                    return spawnUnlessBusy(request, memory, fileActions, attributes);
                } finally {
                    check("posix_spawnattr_destroy", Libc.posix_spawnattr_destroy(attributes));
                }
            } finally {
                check("posix_spawn_file_actions_destroy", Libc.posix_spawn_file_actions_destroy(fileActions));
            }
        }
    }

    private static void describeChild(
            SpawnRequest request, Call memory, long fileActions, long attributes, int[] sources) {
        for (int target = 0; target < sources.length; target++) {
            int error = Libc.posix_spawn_file_actions_adddup2(fileActions, sources[target], target);
            if (error != 0) {
                throw new KernelException(
                        "posix_spawn_file_actions_adddup2", sources[target] + ", " + target, Errno.of(error));
            }
        }
        check(
                "posix_spawn_file_actions_addclosefrom_np",
                Libc.posix_spawn_file_actions_addclosefrom_np(fileActions, sources.length));
        Call.Area none = memory.reserve(SIGNAL_SET_BYTES);
        Call.Area all = memory.reserve(SIGNAL_SET_BYTES);
        for (int i = 0; i < SIGNAL_SET_BYTES; i += Long.BYTES) {
            all.putLong(i, -1L);
        }
        check("posix_spawnattr_setsigmask", Libc.posix_spawnattr_setsigmask(attributes, none.address()));
        check("posix_spawnattr_setsigdefault", Libc.posix_spawnattr_setsigdefault(attributes, all.address()));
        // the group of a set of attributes is 0 from the start: a new one
        int group = request.ownGroup() ? POSIX_SPAWN_SETPGROUP : 0;
        check("posix_spawnattr_setflags", Libc.posix_spawnattr_setflags(attributes, (short)
                (POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | group)));
    }

    private static int spawnUnlessBusy(SpawnRequest request, Call memory, long fileActions, long attributes) {
        Call.Area pid = memory.reserve(8);
        long path = memory.pointerTo(request.path());
        long arguments = memory.pointerTo(request.arguments());
        long environment = memory.pointerTo(request.environment());
        for (int attempt = 1; ; attempt++) {
            int error = Libc.posix_spawn(pid.address(), path, fileActions, attributes, arguments, environment);
            if (error == 0) {
                return pid.getInt(0);
            }
            // execve(2): a writer, or another child between fork and exec that still has a copy of its descriptor
            if (error != Errno.ETXTBSY.number() || attempt == BUSY_ATTEMPTS) {
                throw new KernelException("posix_spawn", printed(request), Errno.of(error));
            }
            LockSupport.parkNanos(BUSY_WAIT_NANOS);
        }
    }

    /** The environment may hold secrets: only its size is told. */
    private static String printed(SpawnRequest request) {
        StringBuilder text = new StringBuilder(KernelText.quoted(request.path())).append(", [");
        for (int i = 0; i < request.arguments().size(); i++) {
            text.append(i == 0 ? "" : ", ")
                    .append(KernelText.quoted(request.arguments().get(i)));
        }
        return text.append("], ")
                .append(request.environment().size())
                .append(" variables, descriptors ")
                .append(request.descriptors())
                .toString();
    }

    private static void check(String call, int error) {
        if (error != 0) {
            throw new KernelException(call, "", Errno.of(error));
        }
    }
}
