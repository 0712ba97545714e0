package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.AT_REMOVEDIR;
import static io.portafilter.linux.LinuxConstants.DT_DIR;
import static io.portafilter.linux.LinuxConstants.DT_UNKNOWN;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.RENAME_NOREPLACE;
import static io.portafilter.linux.LinuxConstants.RESOLVE_BENEATH;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_SYMLINKS;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_XDEV;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.errorprone.annotations.MustBeClosed;
import java.util.ArrayList;
import java.util.List;

/** Listing and removing below a descriptor, in trees that hostile programs wrote. */
public final class DirectoryTree {

    private static final int LISTING_BYTES = 32 * 1024;

    /** Each level holds a descriptor open: what lies deeper is moved up first. */
    private static final int MAXIMUM_DEPTH = 64;

    private static final String MOVED_UP = ".removing-";

    /** Where the removal of one tree happens: its root, and how many directories were moved up to it. */
    private static final class Removal {
        private final Fd root;
        private long moved;

        private Removal(Fd root) {
            this.root = root;
        }

        private String nextName() {
            return MOVED_UP + moved++;
        }
    }

    private DirectoryTree() {}

    /** The names in a directory without {@code .} and {@code ..}, unordered; one opened with {@code O_PATH} will do. */
    public static List<DirectoryEntry> list(Fd directory) {
        // an open file of our own: the position of the caller's stays where it is
        try (Fd own = Kernel.openat(directory, ".", O_RDONLY | O_DIRECTORY)) {
            return read(own);
        }
    }

    /** From where the descriptor stands, which for one that was just opened is the beginning. */
    private static List<DirectoryEntry> read(Fd directory) {
        List<DirectoryEntry> entries = new ArrayList<>();
        boolean more;
        do {
            more = readSome(directory, entries);
        } while (more);
        return entries;
    }

    /** Adds the entries that come next, none at times; false at the end. */
    static boolean readSome(Fd directory, List<DirectoryEntry> entries) {
        try (Call call = Call.of(SystemCall.GETDENTS64)) {
            Call.Area area = call.transferArea(LISTING_BYTES);
            int length = call.add(directory).add(area).add(area.length()).runInt();
            addEntries(entries, area, length);
            return length > 0;
        }
    }

    /** struct linux_dirent64: u64 inode, s64 offset, u16 record length, u8 type, name. */
    private static void addEntries(List<DirectoryEntry> entries, Call.Area area, int length) {
        byte[] bytes = area.copy(0, length);
        for (int at = 0; at < length; ) {
            int recordLength = area.getShort(at + 16) & 0xffff;
            int nameStart = at + 19;
            int nameEnd = nameStart;
            while (bytes[nameEnd] != 0) {
                nameEnd++;
            }
            String name = KernelText.decode(bytes, nameStart, nameEnd - nameStart);
            if (!".".equals(name) && !"..".equals(name)) {
                entries.add(new DirectoryEntry(name, area.getLong(at), bytes[at + 18]));
            }
            at += recordLength;
        }
    }

    /**
     * Removes a name in a directory with everything below it. Never follows a symbolic link and never enters a mount: a
     * mount point below makes it fail with EXDEV or EBUSY. Returns false if there was no such name.
     *
     * @param name a single path component
     */
    @CanIgnoreReturnValue
    public static boolean remove(Fd parent, String name) {
        requireComponent(name);
        if (removeIfNotDirectory(parent, name)) {
            return true;
        }
        try (Fd root = openDirectory(parent, name)) {
            removeDirectory(parent, name, root, new Removal(root), 1);
            return true;
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) && !exists(parent, name)) {
                return false;
            }
            throw e;
        }
    }

    /** Throws IllegalArgumentException for what is not one name in a directory. */
    public static void requireComponent(String name) {
        if (name.isEmpty() || name.indexOf('/') >= 0 || ".".equals(name) || "..".equals(name)) {
            throw new IllegalArgumentException("not a single path component: " + KernelText.quoted(name));
        }
    }

    private static boolean exists(Fd parent, String name) {
        try {
            Kernel.statx(parent, name, LinuxConstants.AT_SYMLINK_NOFOLLOW);
            return true;
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return false;
            }
            throw e;
        }
    }

    /** unlinkat(2) answers EISDIR for a directory; a name that is gone answers ENOENT. */
    private static boolean removeIfNotDirectory(Fd parent, String name) {
        try {
            Kernel.unlinkat(parent, name, 0);
            return true;
        } catch (KernelException e) {
            if (e.is(Errno.EISDIR) || e.is(Errno.ENOENT)) {
                return false;
            }
            throw e;
        }
    }

    @MustBeClosed
    private static Fd openDirectory(Fd parent, String name) {
        return Kernel.openat2(
                parent,
                name,
                O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
    }

    /** Takes it just opened. Again while it is not empty: what was moved up meanwhile lies in the root. */
    private static void removeDirectory(Fd parent, String name, Fd directory, Removal removal, int depth) {
        List<DirectoryEntry> entries = read(directory);
        while (true) {
            for (DirectoryEntry entry : entries) {
                removeEntry(directory, entry, removal, depth);
            }
            try {
                Kernel.unlinkat(parent, name, AT_REMOVEDIR);
                return;
            } catch (KernelException e) {
                if (!e.is(Errno.ENOTEMPTY)) {
                    throw e;
                }
            }
            entries = list(directory);
        }
    }

    private static void removeEntry(Fd directory, DirectoryEntry entry, Removal removal, int depth) {
        boolean mayBeDirectory = entry.type() == DT_DIR || entry.type() == DT_UNKNOWN;
        if (!mayBeDirectory) {
            Kernel.unlinkat(directory, entry.name(), 0);
            return;
        }
        if (entry.type() == DT_UNKNOWN && removeIfNotDirectory(directory, entry.name())) {
            return;
        }
        if (depth >= MAXIMUM_DEPTH) {
            moveUp(directory, entry.name(), removal);
            return;
        }
        try (Fd below = openDirectory(directory, entry.name())) {
            removeDirectory(directory, entry.name(), below, removal, depth + 1);
        }
    }

    private static void moveUp(Fd directory, String name, Removal removal) {
        while (true) {
            try {
                Kernel.renameat2(directory, name, removal.root, removal.nextName(), RENAME_NOREPLACE);
                return;
            } catch (KernelException e) {
                if (!e.is(Errno.EEXIST)) {
                    throw e;
                }
            }
        }
    }
}
