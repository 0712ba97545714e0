package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.DT_DIR;
import static io.portafilter.linux.LinuxConstants.DT_UNKNOWN;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.RESOLVE_BENEATH;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_SYMLINKS;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_XDEV;

import com.google.errorprone.annotations.MustBeClosed;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Optional;

/**
 * What a directory and all below it take on the disk, counted while hostile programs write there.
 *
 * @param bytes space on the disk; what has several names counts once
 * @param inodes files, directories and all else, the directory itself among them
 * @param complete false when there is more: the count was bounded, or the tree changed under it
 */
public record TreeUsage(long bytes, long inodes, boolean complete) {

    private static final int BLOCK_BYTES = 512;

    /**
     * Counts. Follows no link and leaves no mount. What it holds in memory and in descriptors has a bound, however many
     * names a directory has and however deep it is; an interrupt ends it.
     *
     * @param maximumEntries how many names are looked at
     */
    public static TreeUsage of(Fd directory, long maximumEntries) {
        try (Count count = new Count(directory, maximumEntries)) {
            return count.run();
        }
    }

    /** A directory that is being read. */
    private static final class Level implements AutoCloseable {
        /** struct linux_dirent64: u64 inode, s64 offset, u16 record length, u8 type, name. */
        private static final int OFFSET_AT = 8;

        private static final int LENGTH_AT = 16;
        private static final int TYPE_AT = 18;
        private static final int NAME_AT = 19;

        private static final int FIRST_READ_BYTES = 1024;
        private static final int MOST_READ_BYTES = 16 * 1024;

        private final Fd directory;
        private final long inode;
        private byte[] batch = {};
        private int at;
        private int next = FIRST_READ_BYTES;

        /** Where the names after the current one begin. */
        private long resume;

        private int type;
        private String name = "";

        Level(Fd directory, long inode) {
            this.directory = directory;
            this.inode = inode;
        }

        /** Goes to the next name; false at the end. */
        boolean advance() {
            while (true) {
                if (at == batch.length && !read()) {
                    return false;
                }
                int start = at;
                int length = (batch[start + LENGTH_AT] & 0xff) | (batch[start + LENGTH_AT + 1] & 0xff) << 8;
                at += length;
                resume = littleEndian(start + OFFSET_AT);
                type = batch[start + TYPE_AT];
                int end = start + NAME_AT;
                while (batch[end] != 0) {
                    end++;
                }
                name = KernelText.decode(batch, start + NAME_AT, end - start - NAME_AT);
                if (!".".equals(name) && !"..".equals(name)) {
                    return true;
                }
            }
        }

        private boolean read() {
            try (Call call = Call.of(SystemCall.GETDENTS64)) {
                Call.Area area = call.transferArea(next);
                int length = call.add(directory).add(area).add(area.length()).runInt();
                batch = area.copy(0, length);
            }
            at = 0;
            next = MOST_READ_BYTES;
            return batch.length > 0;
        }

        private long littleEndian(int from) {
            long value = 0;
            for (int i = Long.BYTES - 1; i >= 0; i--) {
                value = value << 8 | batch[from + i] & 0xff;
            }
            return value;
        }

        @Override
        public void close() {
            directory.close();
        }
    }

    /** The count of one tree. */
    private static final class Count implements AutoCloseable {
        /** So many directories above the current one stay open; of those below we know the number and the position. */
        private static final int HELD = 32;

        /** Deeper than any program goes by itself: what lies below is not counted. */
        private static final int MAXIMUM_DEPTH = 100_000;

        private final long maximumEntries;
        private final Device device;
        private final Deque<Level> held = new ArrayDeque<>();
        private Level current;
        private long[] left = new long[2 * HELD];
        private int leftCount;
        private double bytes;
        private double inodes;
        private long entries;
        private boolean complete = true;

        @MustBeClosed
        @SuppressWarnings("MustBeClosedChecker") // closed with this object
        Count(Fd directory, long maximumEntries) {
            this.maximumEntries = maximumEntries;
            Fd own = Kernel.openat(directory, ".", O_RDONLY | O_DIRECTORY);
            FileStatus status = Kernel.fstat(own);
            this.device = status.device();
            this.current = new Level(own, status.inode());
            add(status);
        }

        TreeUsage run() {
            boolean more = true;
            while (more) {
                if (entries >= maximumEntries || Thread.currentThread().isInterrupted()) {
                    complete = false;
                    break;
                }
                if (advance()) {
                    entries++;
                    look();
                } else {
                    more = ascend();
                }
            }
            return new TreeUsage(Math.round(bytes), Math.round(inodes), complete);
        }

        /** A directory that was removed has no names any more. */
        private boolean advance() {
            try {
                return current.advance();
            } catch (KernelException e) {
                if (e.is(Errno.ENOENT)) {
                    return false;
                }
                throw e;
            }
        }

        private void look() {
            boolean mayBeDirectory = current.type == DT_DIR || current.type == DT_UNKNOWN;
            if (mayBeDirectory) {
                Optional<Fd> below = open(current.name);
                if (below.isPresent()) {
                    descend(below.get());
                    return;
                }
            }
            try {
                add(Kernel.statx(current.directory, current.name, AT_SYMLINK_NOFOLLOW));
            } catch (KernelException e) {
                if (!e.is(Errno.ENOENT)) {
                    throw e;
                }
            }
        }

        /** Each of several names has its share: no list of those that were seen is needed. */
        private void add(FileStatus status) {
            double names = status.isDirectory() ? 1 : Math.max(status.links(), 1);
            bytes += status.blocks() * BLOCK_BYTES / names;
            inodes += 1 / names;
        }

        /** Empty for what is no directory, another file system, or gone. */
        @SuppressWarnings("MustBeClosedChecker") // handed over
        private Optional<Fd> open(String name) {
            try {
                return Optional.of(Kernel.openat2(
                        current.directory,
                        name,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV));
            } catch (KernelException e) {
                if (e.is(Errno.ENOENT) || e.is(Errno.ENOTDIR) || e.is(Errno.ELOOP) || e.is(Errno.EXDEV)) {
                    return Optional.empty();
                }
                throw e;
            }
        }

        private void descend(Fd below) {
            FileStatus status;
            try {
                status = Kernel.fstat(below);
            } catch (RuntimeException e) {
                below.close();
                throw e;
            }
            add(status);
            if (leftCount / 2 >= MAXIMUM_DEPTH) {
                complete = false;
                below.close();
                return;
            }
            if (held.size() < HELD) {
                held.push(current);
            } else {
                if (leftCount == left.length) {
                    left = Arrays.copyOf(left, 2 * left.length);
                }
                left[leftCount++] = current.inode;
                left[leftCount++] = current.resume;
                current.close();
            }
            current = new Level(below, status.inode());
        }

        /** Back to the directory that we came from; false when there is none, or the way back is lost. */
        private boolean ascend() {
            if (leftCount == 0) {
                if (held.isEmpty()) {
                    return false;
                }
                current.close();
                current = held.pop();
                return true;
            }
            long resume = left[--leftCount];
            long inode = left[--leftCount];
            Optional<Fd> above = above(inode);
            if (above.isEmpty()) {
                complete = false;
                return false;
            }
            current.close();
            current = new Level(above.get(), inode);
            var _ = Kernel.lseek(above.get(), resume, 0);
            return true;
        }

        /** {@code ..} may have become another directory, when the current one was moved or removed. */
        @SuppressWarnings("MustBeClosedChecker") // handed over
        private Optional<Fd> above(long inode) {
            Fd above;
            try {
                above = Kernel.openat(current.directory, "..", O_RDONLY | O_DIRECTORY);
            } catch (KernelException e) {
                if (e.is(Errno.ENOENT)) {
                    return Optional.empty();
                }
                throw e;
            }
            FileStatus status = Kernel.fstat(above);
            if (status.inode() != inode || !status.device().equals(device)) {
                above.close();
                return Optional.empty();
            }
            return Optional.of(above);
        }

        @Override
        public void close() {
            current.close();
            held.forEach(Level::close);
        }
    }
}
