package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.AF_INET;
import static io.portafilter.linux.LinuxConstants.AF_INET6;
import static io.portafilter.linux.LinuxConstants.AF_UNIX;
import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.AT_REMOVEDIR;
import static io.portafilter.linux.LinuxConstants.EPOLL_CTL_ADD;
import static io.portafilter.linux.LinuxConstants.EPOLL_CTL_DEL;
import static io.portafilter.linux.LinuxConstants.FSCONFIG_CMD_CREATE;
import static io.portafilter.linux.LinuxConstants.FSCONFIG_CMD_RECONFIGURE;
import static io.portafilter.linux.LinuxConstants.FSCONFIG_SET_FD;
import static io.portafilter.linux.LinuxConstants.FSCONFIG_SET_FLAG;
import static io.portafilter.linux.LinuxConstants.FSCONFIG_SET_STRING;
import static io.portafilter.linux.LinuxConstants.FS_IOC_GETFLAGS;
import static io.portafilter.linux.LinuxConstants.FS_IOC_SETFLAGS;
import static io.portafilter.linux.LinuxConstants.F_ADD_SEALS;
import static io.portafilter.linux.LinuxConstants.F_DUPFD_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.F_GETFL;
import static io.portafilter.linux.LinuxConstants.F_GETPIPE_SZ;
import static io.portafilter.linux.LinuxConstants.F_GET_SEALS;
import static io.portafilter.linux.LinuxConstants.F_SETFL;
import static io.portafilter.linux.LinuxConstants.F_SETPIPE_SZ;
import static io.portafilter.linux.LinuxConstants.MFD_EXEC;
import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.SIOCGIFFLAGS;
import static io.portafilter.linux.LinuxConstants.SIOCSIFFLAGS;
import static io.portafilter.linux.LinuxConstants.STATX_BASIC_STATS;
import static io.portafilter.linux.LinuxConstants.STATX_INO;
import static io.portafilter.linux.LinuxConstants.STATX_MNT_ID;
import static io.portafilter.linux.LinuxConstants.S_IFMT;
import static io.portafilter.linux.LinuxConstants.TCFLSH;
import static io.portafilter.linux.LinuxConstants.TCGETS;
import static io.portafilter.linux.LinuxConstants.TCIOFLUSH;
import static io.portafilter.linux.LinuxConstants.TCSETS;
import static io.portafilter.linux.LinuxConstants.TIOCEXCL;
import static io.portafilter.linux.LinuxConstants.TIOCGPTPEER;
import static io.portafilter.linux.LinuxConstants.TIOCGWINSZ;
import static io.portafilter.linux.LinuxConstants.TIOCSPTLCK;
import static io.portafilter.linux.LinuxConstants.TIOCSWINSZ;
import static io.portafilter.linux.LinuxConstants.TIOCVHANGUP;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.errorprone.annotations.MustBeClosed;
import java.lang.ref.Reference;
import java.net.InetAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The only door to system calls: a method for each call, named after it, with the kernel's own flags ({@link
 * LinuxConstants}).
 *
 * <p>What fails throws {@link KernelException}. Calls that a signal interrupted are made again. Every descriptor that
 * is opened here is close-on-exec. A call that may block (reading a pipe, waiting) holds the carrier of a virtual
 * thread: make it on a platform thread.
 *
 * <p>Source of all calls: section 2 of the Linux manual. Long because it is a table.
 */
public final class Kernel {

    private static final int STATX_BYTES = 256;
    private static final int READ_BYTES = 8 * 1024;
    private static final int SIGINFO_BYTES = 128;
    private static final int XATTR_SIZE_MAX = 64 * 1024; // linux/limits.h
    private static final int CONTEXT_MESSAGE_BYTES = 512;
    private static final int MAXIMUM_CONTEXT_MESSAGES = 16;

    private Kernel() {}

    // ---- descriptors

    static void close(int number) {
        try (Call call = Call.of(SystemCall.CLOSE)) {
            call.add(number).runOnce();
        } catch (KernelException e) {
            // close(2): Linux has closed the descriptor when it answers EINTR
            if (!e.is(Errno.EINTR)) {
                throw e;
            }
        }
    }

    /** A close-on-exec duplicate with the lowest free number that is not below {@code atLeast}. */
    @MustBeClosed
    public static Fd duplicate(Fd descriptor, int atLeast) {
        try (Call call = Call.of(SystemCall.FCNTL)) {
            return call.add(descriptor).add(F_DUPFD_CLOEXEC).add(atLeast).runFd();
        }
    }

    @MustBeClosed
    static Fd duplicate(int number, int atLeast) {
        try (Call call = Call.of(SystemCall.FCNTL)) {
            return call.add(number).add(F_DUPFD_CLOEXEC).add(atLeast).runFd();
        }
    }

    /** fcntl(2) with a number as argument. */
    @CanIgnoreReturnValue
    public static int fcntl(Fd descriptor, int command, long argument) {
        try (Call call = Call.of(SystemCall.FCNTL)) {
            return call.add(descriptor).add(command).add(argument).runInt();
        }
    }

    /** Seals a memfd for good: {@code F_SEAL_*}. */
    public static void addSeals(Fd memory, int seals) {
        try (Call call = Call.of(SystemCall.FCNTL)) {
            call.add(memory)
                    .add(F_ADD_SEALS)
                    .add(seals, () -> ArgumentKind.SEALS.print(seals))
                    .run();
        }
    }

    /** The seals of a memfd. */
    public static int getSeals(Fd memory) {
        return fcntl(memory, F_GET_SEALS, 0);
    }

    /** The open file's access mode and status flags, {@code O_*}. */
    public static int getFlags(Fd descriptor) {
        return fcntl(descriptor, F_GETFL, 0);
    }

    /** Sets the open file's status flags; they belong to the open file, not the descriptor. */
    public static void setFlags(Fd descriptor, int flags) {
        fcntl(descriptor, F_SETFL, flags);
    }

    /** Resizes a pipe and returns the size in bytes that the kernel chose, at least what was asked. */
    @CanIgnoreReturnValue
    public static int setPipeSize(Fd pipe, int bytes) {
        return fcntl(pipe, F_SETPIPE_SZ, bytes);
    }

    /** The capacity of a pipe in bytes. */
    public static int pipeSize(Fd pipe) {
        return fcntl(pipe, F_GETPIPE_SZ, 0);
    }

    /**
     * An anonymous file in memory. A kernel before 6.3 does not know {@code MFD_EXEC}, under which all memory files were
     * executable: then it is left out. See memfd_create(2).
     */
    @MustBeClosed
    public static Fd memfdCreate(String name, int flags) {
        try (Call call = Call.of(SystemCall.MEMFD_CREATE)) {
            return call.add(name).add(flags).runFd();
        } catch (KernelException e) {
            if (!e.is(Errno.EINVAL) || (flags & MFD_EXEC) == 0) {
                throw e;
            }
        }
        try (Call call = Call.of(SystemCall.MEMFD_CREATE)) {
            return call.add(name).add(flags & ~MFD_EXEC).runFd();
        }
    }

    // ---- opening

    /** Opens a path with {@code O_CLOEXEC} added; {@code mode} counts only where a file is made. */
    @MustBeClosed
    public static Fd openat(Fd directory, String path, int flags, int mode) {
        try (Call call = Call.of(SystemCall.OPENAT)) {
            return call.add(directory)
                    .add(path)
                    .add(flags | O_CLOEXEC)
                    .add(mode)
                    .runFd();
        }
    }

    /** Opens what exists: {@link #openat(Fd, String, int, int)} without a mode. */
    @MustBeClosed
    public static Fd openat(Fd directory, String path, int flags) {
        return openat(directory, path, flags, 0);
    }

    /** Opens an absolute path of the host that exists. */
    @MustBeClosed
    public static Fd open(String path, int flags) {
        return openat(Fd.CWD, path, flags, 0);
    }

    /**
     * Opens a path with {@code O_CLOEXEC} added, resolved under {@code RESOLVE_*} rules. The kernel answers EAGAIN where a
     * rename elsewhere made a {@code ..} uncertain: the call is then made again, a bounded number of times. See
     * openat2(2).
     */
    @MustBeClosed
    public static Fd openat2(Fd directory, String path, int flags, int mode, long resolve) {
        int attempts = 0;
        while (true) {
            try (Call call = Call.of(SystemCall.OPENAT2)) {
                Call.Area how = call.reserve(24);
                how.putLong(0, flags | O_CLOEXEC);
                how.putLong(8, mode);
                how.putLong(16, resolve);
                return call.add(directory)
                        .add(path)
                        .add(how.address(), () -> openHow(flags | O_CLOEXEC, mode, resolve))
                        .add(24)
                        .runFd();
            } catch (KernelException e) {
                attempts++;
                if (!e.is(Errno.EAGAIN) || attempts > 100) {
                    throw e;
                }
            }
        }
    }

    private static String openHow(int flags, int mode, long resolve) {
        return "{flags=" + ArgumentKind.OPEN_FLAGS.print(flags)
                + (mode == 0 ? "" : ", mode=" + ArgumentKind.MODE.print(mode))
                + ", resolve=" + ArgumentKind.RESOLVE_FLAGS.print(resolve) + "}";
    }

    /** Opens what exists: {@link #openat2(Fd, String, int, int, long)} without a mode. */
    @MustBeClosed
    public static Fd openat2(Fd directory, String path, int flags, long resolve) {
        return openat2(directory, path, flags, 0, resolve);
    }

    /** A pipe; {@code flags} such as {@code O_NONBLOCK}, {@code O_CLOEXEC} is added. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the pipe closes both
    public static Pipe pipe2(int flags) {
        try (Call call = Call.of(SystemCall.PIPE2)) {
            Call.Area ends = call.reserve(8);
            call.add(ends).add(flags | O_CLOEXEC).run();
            return new Pipe(Fd.own(ends.getInt(0)), Fd.own(ends.getInt(4)));
        }
    }

    // ---- reading and writing

    /** Reads once, at most 64 KiB; returns the number of bytes, 0 at the end. */
    public static int read(Fd descriptor, byte[] target, int offset, int length) {
        try (Call call = Call.of(SystemCall.READ)) {
            Objects.checkFromIndexSize(offset, length, target.length);
            Call.Area area = call.transferArea(length);
            int count = call.add(descriptor).add(area).add(area.length()).runInt();
            area.bytes().get(area.offset(), target, offset, count);
            return count;
        }
    }

    /** Reads once into native memory; returns the number of bytes, 0 at the end. */
    public static int read(Fd descriptor, NativeBuffer target, int offset, int length) {
        try (Call call = Call.of(SystemCall.READ)) {
            return call.add(descriptor)
                    .add(target.address(offset, length))
                    .add(length)
                    .runInt();
        } finally {
            Reference.reachabilityFence(target);
        }
    }

    /** Reads once at a position, at most 64 KiB; returns the number of bytes, 0 at the end. */
    public static int pread(Fd descriptor, byte[] target, int offset, int length, long position) {
        try (Call call = Call.of(SystemCall.PREAD64)) {
            Objects.checkFromIndexSize(offset, length, target.length);
            Call.Area area = call.transferArea(length);
            int count = call.add(descriptor)
                    .add(area)
                    .add(area.length())
                    .add(position)
                    .runInt();
            area.bytes().get(area.offset(), target, offset, count);
            return count;
        }
    }

    /** Reads once at a position into native memory; returns the number of bytes, 0 at the end. */
    public static int pread(Fd descriptor, NativeBuffer target, int offset, int length, long position) {
        try (Call call = Call.of(SystemCall.PREAD64)) {
            return call.add(descriptor)
                    .add(target.address(offset, length))
                    .add(length)
                    .add(position)
                    .runInt();
        } finally {
            Reference.reachabilityFence(target);
        }
    }

    /**
     * Reads from where the descriptor stands to the end. Throws IllegalStateException when there is more than {@code
     * limitBytes}.
     */
    public static byte[] readAll(Fd descriptor, int limitBytes) {
        try (Call call = Call.of(SystemCall.READ)) {
            Call.Area area = call.transferArea(READ_BYTES);
            call.add(descriptor).add(area).add(area.length());
            byte[] bytes = new byte[0];
            int filled = 0;
            while (true) {
                int count = call.runInt();
                if (count == 0) {
                    return filled == bytes.length ? bytes : Arrays.copyOf(bytes, filled);
                }
                if (count > limitBytes - filled) {
                    throw new IllegalStateException(
                            "file descriptor " + descriptor + " holds more than " + limitBytes + " bytes");
                }
                if (count > bytes.length - filled) {
                    // most files are read at once; the others get more room than they are seen to need
                    bytes = Arrays.copyOf(bytes, filled == 0 ? count : Math.max(filled + count, 2 * filled));
                }
                area.bytes().get(area.offset(), bytes, filled, count);
                filled += count;
            }
        }
    }

    /** Writes once, at most 64 KiB; returns the number of bytes that were taken. */
    public static int write(Fd descriptor, byte[] source, int offset, int length) {
        try (Call call = Call.of(SystemCall.WRITE)) {
            Objects.checkFromIndexSize(offset, length, source.length);
            Call.Area area = call.transferArea(length);
            area.bytes().put(area.offset(), source, offset, area.length());
            return call.add(descriptor)
                    .add(area.address(), () -> area.length() + " bytes")
                    .add(area.length())
                    .runInt();
        }
    }

    /** Writes once from native memory; returns the number of bytes that were taken. */
    public static int write(Fd descriptor, NativeBuffer source, int offset, int length) {
        try (Call call = Call.of(SystemCall.WRITE)) {
            return call.add(descriptor)
                    .add(source.address(offset, length))
                    .add(length)
                    .runInt();
        } finally {
            Reference.reachabilityFence(source);
        }
    }

    /** Writes all bytes. */
    public static void writeFully(Fd descriptor, byte[] source) {
        for (int done = 0; done < source.length; ) {
            done += write(descriptor, source, done, source.length - done);
        }
    }

    /** Writes text as UTF-8 in one write(2), as the files of {@code /proc} and cgroups demand. */
    public static void writeText(Fd descriptor, String text) {
        byte[] bytes = KernelText.encode(text);
        try (Call call = Call.of(SystemCall.WRITE)) {
            Call.Area area = call.reserve(bytes.length);
            area.bytes().put(area.offset(), bytes);
            int count = call.add(descriptor)
                    .add(area.address(), () -> KernelText.quoted(text))
                    .add(bytes.length)
                    .runInt();
            if (count != bytes.length) {
                throw call.failed(
                        Errno.ENOSPC, Optional.of("only " + count + " of " + bytes.length + " bytes were taken"));
            }
        }
    }

    /** Writes once at a position, at most 64 KiB; returns the number of bytes that were taken. */
    public static int pwrite(Fd descriptor, byte[] source, int offset, int length, long position) {
        try (Call call = Call.of(SystemCall.PWRITE64)) {
            Objects.checkFromIndexSize(offset, length, source.length);
            Call.Area area = call.transferArea(length);
            area.bytes().put(area.offset(), source, offset, area.length());
            return call.add(descriptor)
                    .add(area.address(), () -> area.length() + " bytes")
                    .add(area.length())
                    .add(position)
                    .runInt();
        }
    }

    /** Copies up to {@code length} bytes from one pipe to another without consuming them; tee(2). */
    public static long tee(Fd from, Fd to, long length, int flags) {
        try (Call call = Call.of(SystemCall.TEE)) {
            return call.add(from).add(to).add(length).add(flags).run();
        }
    }

    /** Moves up to {@code length} bytes between a pipe and another file, at their positions; splice(2). */
    public static long splice(Fd from, Fd to, long length, int flags) {
        try (Call call = Call.of(SystemCall.SPLICE)) {
            return call.add(from).add(0).add(to).add(0).add(length).add(flags).run();
        }
    }

    /** Sets the size of a file in bytes. */
    public static void ftruncate(Fd file, long length) {
        try (Call call = Call.of(SystemCall.FTRUNCATE)) {
            call.add(file).add(length).run();
        }
    }

    /** Sets the position of an open file; {@code whence} 0 start, 1 current, 2 end. */
    @CanIgnoreReturnValue
    public static long lseek(Fd file, long offset, int whence) {
        try (Call call = Call.of(SystemCall.LSEEK)) {
            return call.add(file).add(offset).add(whence).run();
        }
    }

    /** Puts a file's content and metadata onto the disk. */
    public static void fsync(Fd file) {
        try (Call call = Call.of(SystemCall.FSYNC)) {
            call.add(file).run();
        }
    }

    /** Puts everything of the file system that holds this file onto the disk. */
    public static void syncfs(Fd file) {
        try (Call call = Call.of(SystemCall.SYNCFS)) {
            call.add(file).run();
        }
    }

    /** Locks or unlocks an open file: {@code LOCK_*}; with {@code LOCK_NB} EAGAIN says that another holds it. */
    public static void flock(Fd file, int operation) {
        try (Call call = Call.of(SystemCall.FLOCK)) {
            call.add(file).add(operation).run();
        }
    }

    // ---- waiting for descriptors

    /** Waits until the descriptor is ready; returns what {@code poll(2)} says of it, 0 when the time is over. */
    public static int poll(Fd descriptor, int events, Duration timeout) {
        return poll(List.of(descriptor), events, timeout)[0];
    }

    /** Waits until one of the descriptors is ready; returns the events of each, all 0 when the time is over. */
    public static int[] poll(List<Fd> descriptors, int events, Duration timeout) {
        try (Call call = Call.of(SystemCall.PPOLL)) {
            Call.Area set = call.reserve(8 * descriptors.size());
            for (int i = 0; i < descriptors.size(); i++) {
                set.putInt(8 * i, descriptors.get(i).number());
                set.putShort(8 * i + 4, (short) events);
            }
            // the kernel leaves the remaining time here when a signal interrupts: run() goes on with it
            Call.Area time = call.reserve(16);
            time.putLong(0, timeout.getSeconds());
            time.putLong(8, timeout.getNano());
            call.add(set).add(descriptors.size()).add(time).add(0).add(0).run();
            int[] ready = new int[descriptors.size()];
            for (int i = 0; i < ready.length; i++) {
                ready[i] = set.getShort(8 * i + 6) & 0xffff;
            }
            return ready;
        }
    }

    /** A new epoll instance. */
    @MustBeClosed
    public static Fd epollCreate() {
        try (Call call = Call.of(SystemCall.EPOLL_CREATE1)) {
            return call.add(O_CLOEXEC).runFd();
        }
    }

    /** Watches a descriptor for {@code EPOLL*} events, which come with {@code data}. */
    public static void epollAdd(Fd epoll, Fd descriptor, int events, long data) {
        epollControl(epoll, EPOLL_CTL_ADD, descriptor, events, data);
    }

    /** Watches a descriptor no longer. */
    public static void epollDelete(Fd epoll, Fd descriptor) {
        epollControl(epoll, EPOLL_CTL_DEL, descriptor, 0, 0);
    }

    private static void epollControl(Fd epoll, int operation, Fd descriptor, int events, long data) {
        try (Call call = Call.of(SystemCall.EPOLL_CTL)) {
            Call.Area event = call.reserve(16);
            event.putInt(0, events);
            event.putLong(EpollEvents.DATA_OFFSET, data);
            call.add(epoll).add(operation).add(descriptor).add(event).run();
        }
    }

    /**
     * Waits for events; returns their number, 0 when the time is over or a signal came. A negative timeout waits for ever.
     */
    @CanIgnoreReturnValue
    public static int epollWait(Fd epoll, EpollEvents events, int timeoutMillis) {
        events.count(0);
        try (Call call = Call.of(SystemCall.EPOLL_PWAIT)) {
            int count = (int) call.add(epoll)
                    .add(events.address())
                    .add(events.capacity())
                    .add(timeoutMillis)
                    .add(0)
                    .add(0)
                    .runOnce();
            events.count(count);
            return count;
        } catch (KernelException e) {
            if (e.is(Errno.EINTR)) {
                return 0;
            }
            throw e;
        } finally {
            Reference.reachabilityFence(events);
        }
    }

    /** An event counter that starts at 0; {@code flags} such as {@code EFD_NONBLOCK}. */
    @MustBeClosed
    public static Fd eventfd(int flags) {
        try (Call call = Call.of(SystemCall.EVENTFD2)) {
            return call.add(0).add(flags | O_CLOEXEC).runFd();
        }
    }

    /** Adds to an event counter. */
    public static void eventfdAdd(Fd counter, long value) {
        try (Call call = Call.of(SystemCall.WRITE)) {
            Call.Area area = call.reserve(8);
            area.putLong(0, value);
            call.add(counter)
                    .add(area.address(), () -> Long.toString(value))
                    .add(8)
                    .run();
        }
    }

    // ---- status

    /** The status of a path, {@code AT_*} flags; statx(2). */
    public static FileStatus statx(Fd directory, String path, int flags) {
        try (Call call = Call.of(SystemCall.STATX)) {
            Call.Area status = call.transferArea(STATX_BYTES); // the kernel fills all of it
            call.add(directory)
                    .add(path)
                    .add(flags)
                    .add(STATX_BASIC_STATS | STATX_MNT_ID)
                    .add(status)
                    .run();
            return FileStatus.of(status);
        }
    }

    /** The inode number of a path alone; what tells a namespace from all others. */
    public static long inode(Fd directory, String path, int flags) {
        try (Call call = Call.of(SystemCall.STATX)) {
            Call.Area status = call.transferArea(STATX_BYTES);
            call.add(directory).add(path).add(flags).add(STATX_INO).add(status).run();
            return FileStatus.inode(status);
        }
    }

    /** The status of an open file, of one opened with {@code O_PATH} too. */
    public static FileStatus fstat(Fd file) {
        return statx(file, "", AT_EMPTY_PATH);
    }

    /** The type of the file system that holds the file, {@code *_MAGIC}. */
    public static long fstatfs(Fd file) {
        try (Call call = Call.of(SystemCall.FSTATFS)) {
            Call.Area status = call.reserve(FileSystemStatus.BYTES);
            call.add(file).add(status).run();
            return FileSystemStatus.of(status).type();
        }
    }

    /** Type, space and inodes of the file system at a path. */
    public static FileSystemStatus statfs(String path) {
        try (Call call = Call.of(SystemCall.STATFS)) {
            Call.Area status = call.reserve(FileSystemStatus.BYTES);
            call.add(path).add(status).run();
            return FileSystemStatus.of(status);
        }
    }

    /** Where a symbolic link points; the empty path means the link that is open itself. */
    public static String readlinkat(Fd directory, String path) {
        for (int size = 4096; ; size *= 2) {
            try (Call call = Call.of(SystemCall.READLINKAT)) {
                Call.Area target = call.transferArea(size);
                int length = call.add(directory)
                        .add(path)
                        .add(target)
                        .add(target.length())
                        .runInt();
                // PATH_MAX is less than either
                if (length < target.length()) {
                    return KernelText.decode(target.copy(0, length), 0, length);
                }
            }
        }
    }

    // ---- changing directories

    /** Makes a directory; the process's umask applies to {@code mode}. */
    public static void mkdirat(Fd directory, String path, int mode) {
        try (Call call = Call.of(SystemCall.MKDIRAT)) {
            call.add(directory).add(path).add(mode).run();
        }
    }

    /** Makes a device node, FIFO or regular file: {@code mode} holds the type. The process's umask applies. */
    public static void mknodat(Fd directory, String path, int mode, Device device) {
        try (Call call = Call.of(SystemCall.MKNODAT)) {
            call.add(directory)
                    .add(path)
                    .add(mode, () -> nodeMode(mode))
                    .add(device.encoded())
                    .run();
        }
    }

    private static String nodeMode(int mode) {
        String type = switch (mode & S_IFMT) {
            case LinuxConstants.S_IFCHR -> "S_IFCHR";
            case LinuxConstants.S_IFBLK -> "S_IFBLK";
            case LinuxConstants.S_IFIFO -> "S_IFIFO";
            case LinuxConstants.S_IFSOCK -> "S_IFSOCK";
            case LinuxConstants.S_IFREG -> "S_IFREG";
            default -> ArgumentKind.MODE.print(mode & S_IFMT);
        };
        return type + "|" + ArgumentKind.MODE.print(mode & ~S_IFMT);
    }

    /** Makes a symbolic link at {@code path} that reads {@code target}. */
    public static void symlinkat(String target, Fd directory, String path) {
        try (Call call = Call.of(SystemCall.SYMLINKAT)) {
            call.add(target).add(directory).add(path).run();
        }
    }

    /** Makes a hard link; {@code AT_SYMLINK_FOLLOW} and {@code AT_EMPTY_PATH} are for {@code from}. */
    public static void linkat(Fd fromDirectory, String from, Fd toDirectory, String to, int flags) {
        try (Call call = Call.of(SystemCall.LINKAT)) {
            call.add(fromDirectory)
                    .add(from)
                    .add(toDirectory)
                    .add(to)
                    .add(flags)
                    .run();
        }
    }

    /** Removes a name; {@code AT_REMOVEDIR} for an empty directory. */
    public static void unlinkat(Fd directory, String path, int flags) {
        try (Call call = Call.of(SystemCall.UNLINKAT)) {
            call.add(directory).add(path).add(flags).run();
        }
    }

    /** Removes an empty directory. */
    public static void rmdirat(Fd directory, String path) {
        unlinkat(directory, path, AT_REMOVEDIR);
    }

    /** Renames; {@code RENAME_*} flags, 0 replaces what is there. */
    public static void renameat2(Fd fromDirectory, String from, Fd toDirectory, String to, int flags) {
        try (Call call = Call.of(SystemCall.RENAMEAT2)) {
            call.add(fromDirectory)
                    .add(from)
                    .add(toDirectory)
                    .add(to)
                    .add(flags)
                    .run();
        }
    }

    /** Sets the mode of an open file, not of one opened with {@code O_PATH}. */
    public static void fchmod(Fd file, int mode) {
        try (Call call = Call.of(SystemCall.FCHMOD)) {
            call.add(file).add(mode).run();
        }
    }

    /**
     * Sets the mode of a path, <b>following a symbolic link</b>: in a tree that others wrote, open it with {@code O_PATH |
     * O_NOFOLLOW} first, look at its type and give {@link Fd#path()}.
     */
    public static void fchmodat(Fd directory, String path, int mode) {
        try (Call call = Call.of(SystemCall.FCHMODAT)) {
            call.add(directory).add(path).add(mode).run();
        }
    }

    /** Sets the owner; flags {@code AT_SYMLINK_NOFOLLOW}, {@code AT_EMPTY_PATH}. An id of -1 stays as it is. */
    public static void fchownat(Fd directory, String path, int uid, int gid, int flags) {
        try (Call call = Call.of(SystemCall.FCHOWNAT)) {
            call.add(directory).add(path).add(uid).add(gid).add(flags).run();
        }
    }

    /** Sets the owner of an open file, of one opened with {@code O_PATH} too. */
    public static void fchown(Fd file, int uid, int gid) {
        fchownat(file, "", uid, gid, AT_EMPTY_PATH);
    }

    /** Sets both times of a path; flags as for {@link #fchownat}. */
    public static void utimensat(Fd directory, String path, Instant accessed, Instant modified, int flags) {
        try (Call call = Call.of(SystemCall.UTIMENSAT)) {
            Call.Area times = call.reserve(32);
            times.putLong(0, accessed.getEpochSecond());
            times.putLong(8, accessed.getNano());
            times.putLong(16, modified.getEpochSecond());
            times.putLong(24, modified.getNano());
            call.add(directory)
                    .add(path)
                    .add(times.address(), () -> "[" + accessed + ", " + modified + "]")
                    .add(flags)
                    .run();
        }
    }

    /** The names in a directory, see {@link DirectoryTree#list}. */
    public static List<String> list(Fd directory) {
        return DirectoryTree.list(directory).stream().map(DirectoryEntry::name).toList();
    }

    /**
     * Adds the names that come next, from where the descriptor stands, none at times; false when there are no more. A
     * directory of any size is so read with little memory.
     */
    public static boolean listSome(Fd directory, List<String> names) {
        List<DirectoryEntry> entries = new ArrayList<>();
        boolean more = DirectoryTree.readSome(directory, entries);
        entries.forEach(entry -> names.add(entry.name()));
        return more;
    }

    /** Removes a name with everything below it, see {@link DirectoryTree#remove}. */
    @CanIgnoreReturnValue
    public static boolean removeTree(Fd parent, String name) {
        return DirectoryTree.remove(parent, name);
    }

    // ---- extended attributes: through /proc/self/fd, so that descriptors opened with O_PATH, also of links, will do

    /** Sets an extended attribute of an open file; {@code XATTR_*} flags. */
    public static void setxattr(Fd file, String name, byte[] value, int flags) {
        try (Call call = Call.of(SystemCall.SETXATTR)) {
            call.add(file.path())
                    .add(name)
                    .add(value)
                    .add(value.length)
                    .add(flags)
                    .run();
        }
    }

    /** Sets an extended attribute of a name in a directory, of a symbolic link itself. */
    public static void lsetxattr(Fd directory, String name, String attribute, byte[] value, int flags) {
        DirectoryTree.requireComponent(name);
        try (Call call = Call.of(SystemCall.LSETXATTR)) {
            call.add(directory.path() + "/" + name)
                    .add(attribute)
                    .add(value)
                    .add(value.length)
                    .add(flags)
                    .run();
        }
    }

    /** An extended attribute of an open file, empty if it has none of this name. */
    public static Optional<byte[]> getxattr(Fd file, String name) {
        try (Call call = Call.of(SystemCall.GETXATTR)) {
            Call.Area value = call.transferArea(XATTR_SIZE_MAX);
            int length = call.add(file.path())
                    .add(name)
                    .add(value)
                    .add(value.length())
                    .runInt();
            return Optional.of(value.copy(0, length));
        } catch (KernelException e) {
            if (e.is(Errno.ENODATA)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** The names of an open file's extended attributes. */
    public static List<String> listxattr(Fd file) {
        try (Call call = Call.of(SystemCall.LISTXATTR)) {
            Call.Area names = call.transferArea(XATTR_SIZE_MAX);
            int length = call.add(file.path()).add(names).add(names.length()).runInt();
            byte[] bytes = names.copy(0, length);
            return Stream.of(KernelText.decode(bytes, 0, length).split("\0"))
                    .filter(name -> !name.isEmpty())
                    .toList();
        }
    }

    /** Removes an extended attribute of an open file; ENODATA if it has none of this name. */
    public static void removexattr(Fd file, String name) {
        try (Call call = Call.of(SystemCall.REMOVEXATTR)) {
            call.add(file.path()).add(name).run();
        }
    }

    // ---- mounts

    /** A descriptor of a mount or, with {@code OPEN_TREE_CLONE}, of a detached copy; open_tree(2). */
    @MustBeClosed
    public static Fd openTree(Fd directory, String path, int flags) {
        try (Call call = Call.of(SystemCall.OPEN_TREE)) {
            return call.add(directory).add(path).add(flags | O_CLOEXEC).runFd();
        }
    }

    /** Attaches or moves a mount; move_mount(2). */
    public static void moveMount(Fd fromDirectory, String from, Fd toDirectory, String to, int flags) {
        try (Call call = Call.of(SystemCall.MOVE_MOUNT)) {
            call.add(fromDirectory)
                    .add(from)
                    .add(toDirectory)
                    .add(to)
                    .add(flags)
                    .run();
        }
    }

    /** A context in which a file system of this type is configured; fsopen(2). */
    @MustBeClosed
    public static Fd fsopen(String type) {
        try (Call call = Call.of(SystemCall.FSOPEN)) {
            return call.add(type).add(LinuxConstants.FSOPEN_CLOEXEC).runFd();
        }
    }

    /** A context in which a mounted file system is reconfigured; fspick(2). */
    @MustBeClosed
    public static Fd fspick(Fd directory, String path, int flags) {
        try (Call call = Call.of(SystemCall.FSPICK)) {
            return call.add(directory)
                    .add(path)
                    .add(flags | LinuxConstants.FSPICK_CLOEXEC)
                    .runFd();
        }
    }

    /** Sets an option that takes no value. */
    public static void fsconfigFlag(Fd context, String key) {
        try (Call call = Call.of(SystemCall.FSCONFIG)) {
            call.add(context).add(FSCONFIG_SET_FLAG).add(key).add(0).add(0);
            runInContext(call, context);
        }
    }

    /** Sets an option. The kernel answers EINVAL to a value of more than 255 bytes. */
    public static void fsconfigString(Fd context, String key, String value) {
        try (Call call = Call.of(SystemCall.FSCONFIG)) {
            call.add(context).add(FSCONFIG_SET_STRING).add(key).add(value).add(0);
            runInContext(call, context);
        }
    }

    /** Sets an option to an open file. */
    public static void fsconfigFd(Fd context, String key, Fd value) {
        try (Call call = Call.of(SystemCall.FSCONFIG)) {
            call.add(context).add(FSCONFIG_SET_FD).add(key).add(0).add(value);
            runInContext(call, context);
        }
    }

    /** Makes the file system that the context describes. */
    public static void fsconfigCreate(Fd context) {
        fsconfigCommand(context, FSCONFIG_CMD_CREATE);
    }

    /** Applies the context's options to the file system that it was picked from. */
    public static void fsconfigReconfigure(Fd context) {
        fsconfigCommand(context, FSCONFIG_CMD_RECONFIGURE);
    }

    private static void fsconfigCommand(Fd context, int command) {
        try (Call call = Call.of(SystemCall.FSCONFIG)) {
            call.add(context).add(command).add(0).add(0).add(0);
            runInContext(call, context);
        }
    }

    /** A detached mount of the context's file system; {@code MOUNT_ATTR_*}. */
    @MustBeClosed
    public static Fd fsmount(Fd context, long attributes) {
        try (Call call = Call.of(SystemCall.FSMOUNT)) {
            call.add(context).add(LinuxConstants.FSMOUNT_CLOEXEC).add(attributes);
            return Fd.own((int) runInContext(call, context));
        }
    }

    /** The kernel says more than a number about a context: lines to be read from its descriptor. */
    @CanIgnoreReturnValue
    private static long runInContext(Call call, Fd context) {
        try {
            return call.run();
        } catch (KernelException e) {
            throw call.failed(e.errno(), contextMessages(context));
        }
    }

    private static Optional<String> contextMessages(Fd context) {
        StringBuilder messages = new StringBuilder();
        byte[] line = new byte[CONTEXT_MESSAGE_BYTES];
        for (int i = 0; i < MAXIMUM_CONTEXT_MESSAGES; i++) {
            int length;
            try {
                length = read(context, line, 0, line.length);
            } catch (KernelException e) {
                break; // ENODATA: no more; and what else goes wrong must not hide the failure that is told
            }
            String text = KernelText.decode(line, 0, length).strip();
            // "e overlay: ...": the kind of the message, e(rror), w(arning) or i(nformation)
            messages.append(messages.isEmpty() ? "" : "; ").append(text.length() > 2 ? text.substring(2) : text);
        }
        return messages.isEmpty() ? Optional.empty() : Optional.of(messages.toString());
    }

    /** Changes attributes, propagation or id mapping of a mount, with {@code AT_RECURSIVE} of all below it. */
    public static void mountSetattr(Fd directory, String path, int flags, MountAttributes attributes) {
        try (Call call = Call.of(SystemCall.MOUNT_SETATTR)) {
            Call.Area area = call.reserve(32);
            area.putLong(0, attributes.set());
            area.putLong(8, attributes.clear());
            area.putLong(16, attributes.propagation());
            attributes.userNamespace().ifPresent(descriptor -> area.putLong(24, descriptor.number()));
            call.add(directory)
                    .add(path)
                    .add(flags)
                    .add(area.address(), attributes::print)
                    .add(32)
                    .run();
        }
    }

    /** Classic mount(2); what a kind of mount does not use is the empty string. */
    public static void mount(String source, String target, String type, long flags, String data) {
        try (Call call = Call.of(SystemCall.MOUNT)) {
            call.add(source).add(target).add(type).add(flags).add(data).run();
        }
    }

    /** Unmounts what is mounted last at a path: {@code MNT_*}, {@code UMOUNT_NOFOLLOW}. */
    public static void umount2(String target, int flags) {
        try (Call call = Call.of(SystemCall.UMOUNT2)) {
            call.add(target).add(flags).run();
        }
    }

    /** Changes the working directory: on a thread of its own after {@code CLONE_FS} only, see {@link OwnThread}. */
    public static void chdir(String path) {
        try (Call call = Call.of(SystemCall.CHDIR)) {
            call.add(path).run();
        }
    }

    // ---- processes

    /** The number of this process. */
    public static int getpid() {
        try (Call call = Call.of(SystemCall.GETPID)) {
            return call.runInt();
        }
    }

    /** The effective user id of this process. */
    public static int geteuid() {
        try (Call call = Call.of(SystemCall.GETEUID)) {
            return call.runInt();
        }
    }

    /** A descriptor of a process, readable once it has ended; pidfd_open(2). */
    @MustBeClosed
    public static Fd pidfdOpen(int pid) {
        try (Call call = Call.of(SystemCall.PIDFD_OPEN)) {
            return call.add(pid).add(0).runFd();
        }
    }

    /** A duplicate of a descriptor that another process holds; needs the right to ptrace it. */
    @MustBeClosed
    public static Fd pidfdGetfd(Fd process, int number) {
        try (Call call = Call.of(SystemCall.PIDFD_GETFD)) {
            return call.add(process).add(number).add(0).runFd();
        }
    }

    /** Sends a signal to exactly this process; ESRCH when it was reaped. */
    public static void pidfdSendSignal(Fd process, int signal) {
        try (Call call = Call.of(SystemCall.PIDFD_SEND_SIGNAL)) {
            call.add(process).add(signal).add(0).add(0).run();
        }
    }

    /** Sends a signal to a process by its number, which may be another's by now: see {@link #pidfdSendSignal}. */
    public static void kill(int pid, int signal) {
        try (Call call = Call.of(SystemCall.KILL)) {
            call.add(pid).add(signal).run();
        }
    }

    /**
     * Waits for a child: {@code P_PID} with its number or {@code P_PIDFD} with a descriptor's. Empty with {@code WNOHANG}
     * when none has changed its state; ECHILD when there is no such child.
     */
    public static Optional<WaitStatus> waitid(int idType, int id, int options) {
        try (Call call = Call.of(SystemCall.WAITID)) {
            Call.Area info = call.reserve(SIGINFO_BYTES);
            call.add(idType).add(id).add(info).add(options).add(0).run();
            WaitStatus status = WaitStatus.of(info);
            return status.pid() == 0 ? Optional.empty() : Optional.of(status);
        }
    }

    /**
     * Starts a program in a child that has these descriptors and no other, an empty signal mask and default signal
     * actions; see {@link SpawnRequest}. Returns its process number; the caller reaps it with {@link #waitid}. A file
     * that is still open for writing somewhere (ETXTBSY) is tried again for 50 ms.
     */
    public static int posixSpawn(SpawnRequest request) {
        return Spawn.start(request);
    }

    /** {@link #posixSpawn(SpawnRequest)} with {@code /dev/null} as standard input, output and error. */
    public static int posixSpawn(
            String path, List<String> arguments, List<String> environment, List<Integer> descriptors) {
        return Spawn.start(SpawnRequest.detached(path, arguments, environment, descriptors));
    }

    /** prctl(2); most options change the calling thread only. */
    @CanIgnoreReturnValue
    public static int prctl(int option, long a, long b, long c, long d) {
        try (Call call = Call.of(SystemCall.PRCTL)) {
            return call.add(option).add(a).add(b).add(c).add(d).runInt();
        }
    }

    /** Takes the calling thread into new namespaces: on a thread of its own only, see {@link OwnThread}. */
    public static void unshare(long flags) {
        try (Call call = Call.of(SystemCall.UNSHARE)) {
            call.add(flags).run();
        }
    }

    /** Takes the calling thread into a namespace: on a thread of its own only, see {@link OwnThread}. */
    public static void setns(Fd namespace, long type) {
        try (Call call = Call.of(SystemCall.SETNS)) {
            call.add(namespace).add(type).run();
        }
    }

    /** The capability is in the bounding set of the calling thread; prctl(2). */
    public static boolean isInBoundingSet(int capability) {
        return prctl(LinuxConstants.PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
    }

    /** A resource limit of a process, 0 for this one. */
    public static ResourceLimit getResourceLimit(int pid, int resource) {
        try (Call call = Call.of(SystemCall.PRLIMIT64)) {
            Call.Area limit = call.reserve(16);
            call.add(pid).add(resource).add(0).add(limit).run();
            return new ResourceLimit(limit.getLong(0), limit.getLong(8));
        }
    }

    /** Sets a resource limit of a process, 0 for this one. */
    public static void setResourceLimit(int pid, int resource, ResourceLimit limit) {
        try (Call call = Call.of(SystemCall.PRLIMIT64)) {
            Call.Area area = call.reserve(16);
            area.putLong(0, limit.soft());
            area.putLong(8, limit.hard());
            call.add(pid)
                    .add(resource)
                    .add(area.address(), () -> limit.toString())
                    .add(0)
                    .run();
        }
    }

    /** The processors that a process may run on, 0 for the calling thread. */
    public static BitSet schedGetaffinity(int pid) {
        try (Call call = Call.of(SystemCall.SCHED_GETAFFINITY)) {
            Call.Area mask = call.reserve(1024);
            int length = call.add(pid).add(mask.length()).add(mask).runInt();
            return BitSet.valueOf(mask.copy(0, length));
        }
    }

    /** The kernel's name and version. */
    public static SystemName uname() {
        try (Call call = Call.of(SystemCall.UNAME)) {
            Call.Area name = call.reserve(SystemName.BYTES);
            call.add(name).run();
            return SystemName.of(name);
        }
    }

    /**
     * bpf(2) with {@code size} bytes of {@code union bpf_attr}. What the attributes point to must stay reachable until the
     * call returns. A result that is a descriptor is the caller's ({@link Fd#own}).
     */
    @CanIgnoreReturnValue
    public static int bpf(int command, NativeBuffer attributes, int size) {
        try (Call call = Call.of(SystemCall.BPF)) {
            return call.add(command).add(attributes.address(0, size)).add(size).runInt();
        } finally {
            Reference.reachabilityFence(attributes);
        }
    }

    /**
     * Sets flags {@code FS_*_FL} of a file or directory besides those it has; ioctl_iflags(2).
     *
     * @param file open for reading
     */
    public static void addInodeFlags(Fd file, int flags) {
        try (Call get = Call.of(SystemCall.IOCTL);
                Call set = Call.of(SystemCall.IOCTL)) {
            Call.Area area = get.reserve(8);
            get.add(file).add(FS_IOC_GETFLAGS).add(area).run();
            int all = area.getInt(0) | flags;
            area.putInt(0, all);
            set.add(file)
                    .add(FS_IOC_SETFLAGS)
                    .add(area.address(), () -> "[0x" + Integer.toHexString(all) + "]")
                    .run();
        }
    }

    // ---- terminals

    /** Unlocks the peer of a pseudo-terminal's master; ioctl_tty(2). */
    public static void unlockPty(Fd master) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            Call.Area locked = call.reserve(8);
            call.add(master).add(TIOCSPTLCK).add(locked.address(), () -> "[0]").run();
        }
    }

    /** The peer of a pseudo-terminal's master, without a path; {@code flags} such as {@code O_RDWR | O_NOCTTY}. */
    @MustBeClosed
    public static Fd openPtyPeer(Fd master, int flags) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            return call.add(master)
                    .add(TIOCGPTPEER)
                    .add(flags | O_CLOEXEC, () -> ArgumentKind.OPEN_FLAGS.print(flags | O_CLOEXEC))
                    .runFd();
        }
    }

    /** From now on nobody opens a terminal, but who has CAP_SYS_ADMIN in the first user namespace; ioctl_tty(2). */
    public static void setExclusive(Fd terminal) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            call.add(terminal).add(TIOCEXCL).add(0).run();
        }
    }

    /**
     * Hangs a terminal up, as {@code vhangup(2)} does: whoever has it open, this descriptor included, has nothing any more,
     * and no session has it as its controlling terminal.
     */
    public static void hangUp(Fd terminal) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            call.add(terminal).add(TIOCVHANGUP).add(0).run();
        }
    }

    /** Throws away what waits at an end of a terminal to be read there, or to be sent to the other one. */
    public static void flushTerminal(Fd terminal) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            call.add(terminal).add(TCFLSH).add(TCIOFLUSH).run();
        }
    }

    /** The size of a terminal's window in characters. */
    public static void setWindowSize(Fd terminal, int rows, int columns) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            Call.Area size = call.reserve(8);
            size.putShort(0, (short) rows);
            size.putShort(2, (short) columns);
            call.add(terminal)
                    .add(TIOCSWINSZ)
                    .add(size.address(), () -> "{ws_row=" + rows + ", ws_col=" + columns + "}")
                    .run();
        }
    }

    /** The size of a terminal's window. */
    public static WindowSize windowSize(Fd terminal) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            Call.Area size = call.reserve(8);
            call.add(terminal).add(TIOCGWINSZ).add(size.address()).run();
            return new WindowSize(size.getShort(0) & 0xffff, size.getShort(2) & 0xffff);
        }
    }

    /** How a terminal treats what goes through it; ENOTTY for what is none. */
    public static TerminalSettings terminalSettings(Fd terminal) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            Call.Area termios = call.reserve(TerminalSettings.BYTES);
            call.add(terminal).add(TCGETS).add(termios.address()).run();
            byte[] bytes = new byte[TerminalSettings.BYTES];
            termios.bytes().get(termios.offset(), bytes);
            return new TerminalSettings(bytes);
        }
    }

    /** Changes that at once. */
    public static void setTerminalSettings(Fd terminal, TerminalSettings settings) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            Call.Area termios = call.reserve(TerminalSettings.BYTES);
            termios.bytes().put(termios.offset(), settings.bytes());
            call.add(terminal).add(TCSETS).add(termios.address()).run();
        }
    }

    // ---- watching files

    /** An instance that reports changes of files; {@code flags} such as {@code IN_NONBLOCK}; inotify(7). */
    @MustBeClosed
    public static Fd inotifyInit(int flags) {
        try (Call call = Call.of(SystemCall.INOTIFY_INIT1)) {
            return call.add(flags | O_CLOEXEC).runFd();
        }
    }

    /** Watches a path for {@code IN_*}; returns the watch's number. */
    @CanIgnoreReturnValue
    public static int inotifyAddWatch(Fd inotify, String path, int mask) {
        try (Call call = Call.of(SystemCall.INOTIFY_ADD_WATCH)) {
            return call.add(inotify).add(path).add(mask).runInt();
        }
    }

    /** The events that are there; EAGAIN on a non-blocking descriptor when there are none. */
    public static List<InotifyEvent> readInotify(Fd inotify) {
        try (Call call = Call.of(SystemCall.READ)) {
            Call.Area area = call.transferArea(4096);
            int length = call.add(inotify).add(area).add(area.length()).runInt();
            byte[] bytes = area.copy(0, length);
            List<InotifyEvent> events = new ArrayList<>();
            // struct inotify_event: s32 watch, u32 mask, u32 cookie, u32 length of the name, padded with NUL
            for (int at = 0; at < length; ) {
                int nameLength = area.getInt(at + 12);
                int end = at + 16;
                while (end < at + 16 + nameLength && bytes[end] != 0) {
                    end++;
                }
                String name = KernelText.decode(bytes, at + 16, end - at - 16);
                events.add(new InotifyEvent(area.getInt(at), area.getInt(at + 4), name));
                at += 16 + nameLength;
            }
            return events;
        }
    }

    // ---- sockets, interfaces

    /** Two connected UNIX sockets of this type, such as {@code SOCK_SEQPACKET}. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the pair closes both
    public static SocketPair socketpair(int type) {
        try (Call call = Call.of(SystemCall.SOCKETPAIR)) {
            Call.Area pair = call.reserve(8);
            call.add(LinuxConstants.AF_UNIX)
                    .add(type | O_CLOEXEC)
                    .add(0)
                    .add(pair)
                    .run();
            return new SocketPair(Fd.own(pair.getInt(0)), Fd.own(pair.getInt(4)));
        }
    }

    /**
     * Sends bytes, at least one, with descriptors (unix(7), {@code SCM_RIGHTS}); the descriptors stay open here. Never
     * raises SIGPIPE: EPIPE when the other end is closed.
     */
    public static void sendDescriptors(Fd socket, byte[] data, List<Fd> descriptors, int flags) {
        try (Call call = Call.of(SystemCall.SENDMSG)) {
            SocketMessage message = SocketMessage.reserve(call, data.length, descriptors.size());
            message.put(data, descriptors);
            call.add(socket)
                    .add(message.header().address(), () -> data.length + " bytes, descriptors " + descriptors)
                    .add(flags | LinuxConstants.MSG_NOSIGNAL)
                    .run();
        }
    }

    /** Receives bytes and up to 32 descriptors; no bytes when the other end is closed. The caller closes the message. */
    @MustBeClosed
    public static ReceivedMessage receiveDescriptors(Fd socket, int maximumBytes, int flags) {
        try (Call call = Call.of(SystemCall.RECVMSG)) {
            SocketMessage message = SocketMessage.reserve(call, maximumBytes, 32);
            int length = call.add(socket)
                    .add(message.header())
                    .add(flags | LinuxConstants.MSG_CMSG_CLOEXEC)
                    .runInt();
            return message.take(length);
        }
    }

    /** A socket in the network namespace of the calling thread. */
    @MustBeClosed
    public static Fd socket(int family, int type, int protocol) {
        try (Call call = Call.of(SystemCall.SOCKET)) {
            return call.add(family).add(type | O_CLOEXEC).add(protocol).runFd();
        }
    }

    /**
     * Connects a socket of AF_UNIX, stream or datagram; a path that begins with {@code @} is an abstract name.
     *
     * @throws IllegalArgumentException if the path does not fit struct sockaddr_un (unix(7))
     */
    public static void connectUnix(Fd socket, String path) {
        byte[] name = KernelText.encode(path);
        boolean named = !path.startsWith("@");
        int length = name.length + (named ? 1 : 0);
        if (name.length == 0 || length > 108) {
            throw new IllegalArgumentException("the path of a unix socket has 1 to 107 bytes: " + path);
        }
        if (!named) {
            name[0] = 0;
        }
        try (Call call = Call.of(SystemCall.CONNECT)) {
            Call.Area address = call.reserve(110);
            address.putShort(0, (short) AF_UNIX);
            address.bytes().put(address.offset() + 2, name);
            call.add(socket)
                    .add(address.address(), () -> "{AF_UNIX, " + KernelText.quoted(path) + "}")
                    .add(2 + length)
                    .run();
        }
    }

    /**
     * Connects a socket of AF_INET or AF_INET6. A non-blocking one is asked again with the same address: EALREADY while it
     * is under way, EISCONN when it is connected, otherwise why it is not.
     *
     * @param address of the socket's family
     */
    public static void connect(Fd socket, InetAddress address, int port) {
        byte[] bytes = address.getAddress();
        boolean four = bytes.length == 4;
        // struct sockaddr_in: family, port, address, 8 of padding; sockaddr_in6: family, port, flow, address, scope
        int length = four ? 16 : 28;
        try (Call call = Call.of(SystemCall.CONNECT)) {
            Call.Area area = call.reserve(length);
            for (int i = 0; i < length; i++) {
                area.bytes().put(area.offset() + i, (byte) 0);
            }
            area.putShort(0, (short) (four ? AF_INET : AF_INET6));
            area.bytes().put(area.offset() + 2, (byte) (port >> 8));
            area.bytes().put(area.offset() + 3, (byte) port);
            area.bytes().put(area.offset() + (four ? 4 : 8), bytes);
            call.add(socket)
                    .add(
                            area.address(),
                            () -> "{" + (four ? "AF_INET" : "AF_INET6") + ", " + address.getHostAddress() + ", " + port
                                    + "}")
                    .add(length)
                    .run();
        }
    }

    /**
     * Ends one direction of a connected socket, or both.
     *
     * @param how {@code SHUT_*}
     */
    public static void shutdown(Fd socket, int how) {
        try (Call call = Call.of(SystemCall.SHUTDOWN)) {
            call.add(socket).add(how).run();
        }
    }

    /** The flags {@code IFF_*} of an interface in the network namespace of the socket. */
    public static int interfaceFlags(Fd socket, String name) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            Call.Area request = interfaceRequest(call, name);
            call.add(socket)
                    .add(SIOCGIFFLAGS)
                    .add(request.address(), () -> "{ifr_name=" + KernelText.quoted(name) + "}")
                    .run();
            return request.getShort(16) & 0xffff;
        }
    }

    /** Sets the flags {@code IFF_*} of an interface in the network namespace of the socket. */
    public static void setInterfaceFlags(Fd socket, String name, int flags) {
        try (Call call = Call.of(SystemCall.IOCTL)) {
            Call.Area request = interfaceRequest(call, name);
            request.putShort(16, (short) flags);
            call.add(socket)
                    .add(SIOCSIFFLAGS)
                    .add(request.address(), () -> "{ifr_name=" + KernelText.quoted(name) + ", ifr_flags=" + flags + "}")
                    .run();
        }
    }

    /** struct ifreq of {@code linux/if.h}: 16 bytes of name, then a union of 24. */
    private static Call.Area interfaceRequest(Call call, String name) {
        byte[] encoded = KernelText.encode(name);
        if (encoded.length > 15) {
            throw new IllegalArgumentException("the name of an interface has at most 15 bytes: " + name);
        }
        Call.Area request = call.reserve(40);
        request.bytes().put(request.offset(), encoded);
        return request;
    }
}
