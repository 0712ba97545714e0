package io.portafilter.image;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_EXCL;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;
import static io.portafilter.linux.LinuxConstants.RESOLVE_BENEATH;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_MAGICLINKS;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_SYMLINKS;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_XDEV;
import static io.portafilter.linux.LinuxConstants.S_IFBLK;
import static io.portafilter.linux.LinuxConstants.S_IFCHR;
import static io.portafilter.linux.LinuxConstants.S_IFIFO;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Device;
import io.portafilter.linux.DirectoryEntry;
import io.portafilter.linux.DirectoryTree;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.KernelText;
import io.portafilter.linux.NativeBuffer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;

/**
 * Unpacks a layer's tar stream into a directory that overlay then takes as a lower layer (OCI image specification,
 * layer.md).
 *
 * <p>The stream is hostile. No path is ever given to the kernel as a string of several components: each directory is
 * opened below the descriptor of its parent, links are never followed by the kernel, and those of the layer itself are
 * resolved here, within the layer, as a chroot would (CVE-2021-32760). A name with {@code ..} is refused.
 *
 * <p>Whiteouts become what overlay reads: {@code .wh.NAME} a character device 0:0, {@code .wh..wh..opq} the attribute
 * {@code trusted.overlay.opaque}. A directory that the stream uses without having named it takes its attributes from the
 * layers below, for overlay shows those of the uppermost.
 *
 * <p>May block in the kernel for long: call it on a platform thread. An interrupt ends it.
 */
final class LayerUnpacker implements AutoCloseable {
    private static final long BENEATH = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    private static final String WHITEOUT = ".wh.";
    private static final String OPAQUE = ".wh..wh..opq";
    /** Names that aufs kept for itself; old images hold some. */
    private static final String AUFS = ".wh..wh.";

    private static final byte[] YES = "y".getBytes(StandardCharsets.US_ASCII);
    private static final String OVERLAY_OPAQUE = "trusted.overlay.opaque";
    private static final Device NO_DEVICE = new Device(0, 0);
    private static final int SEEK_SET = 0;
    private static final int MAX_LINKS = 40;
    /** Bounds one resolution, so that two of them never push each other's directories out of {@link #open}. */
    private static final int MAX_STEPS = 250;

    private static final int MAX_OPEN_DIRECTORIES = 512;
    private static final long MAX_ID = 0xffff_fffeL;
    // linux/limits.h
    private static final int NAME_MAX = 255;
    private static final int PATH_MAX = 4096;
    private static final int XATTR_NAME_MAX = 255;

    private static final int BLOCK_BYTES = 4096;
    private static final int BUFFER_BYTES = 256 * 1024;

    /** What the layer takes on the disk. */
    record Usage(long bytes, long inodes) {}

    /** An open directory of the layer, and the time it is to have once nothing changes in it any more. */
    private static final class Directory {
        /** Below the root, through no link; empty for the root itself. */
        private final String path;

        private final Fd fd;
        private Instant modified;

        Directory(String path, Fd fd) {
            this.path = path;
            this.fd = fd;
            this.modified = Kernel.fstat(fd).modified();
        }

        String childPath(String name) {
            return path.isEmpty() ? name : path + "/" + name;
        }
    }

    private final TarReader tar;
    private final Directory root;
    private final List<Fd> lowerTopFirst;
    /** By {@link Directory#path}, least recently used first. */
    private final LinkedHashMap<String, Directory> open = new LinkedHashMap<>(64, 0.75f, true);

    private final NativeBuffer buffer = NativeBuffer.allocate(BUFFER_BYTES);
    private final byte[] chunk = new byte[BUFFER_BYTES];
    private long bytes;
    private long inodes;
    /** Set when a directory was replaced: what it held was not counted on its own. */
    private boolean recount;

    private LayerUnpacker(InputStream stream, Fd layer, List<Fd> lowerTopFirst) {
        this.tar = new TarReader(stream);
        this.root = new Directory("", layer);
        this.lowerTopFirst = lowerTopFirst;
    }

    /**
     * Unpacks until the archive's end; what the stream holds behind it is left to the caller.
     *
     * @param layer an empty directory, opened for reading; stays the caller's
     * @param lowerTopFirst the directories of the layers below; stay the caller's
     * @throws ImageException INVALID_IMAGE for a stream that is refused, STORAGE when the kernel failed; what was
     *     written so far is the caller's to remove
     * @throws IOException when the stream cannot be read
     */
    static Usage unpack(InputStream stream, Fd layer, List<Fd> lowerTopFirst) throws IOException {
        try (LayerUnpacker unpacker = new LayerUnpacker(stream, layer, lowerTopFirst)) {
            unpacker.run();
            unpacker.settle(unpacker.root);
            for (Directory directory : unpacker.open.values()) {
                unpacker.settle(directory);
            }
            return unpacker.recount ? usageOf(layer) : new Usage(unpacker.bytes, unpacker.inodes);
        } catch (TarReader.TarException e) {
            throw new ImageException(ImageException.Kind.INVALID_IMAGE, String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public void close() {
        open.values().forEach(directory -> directory.fd.close());
        open.clear();
    }

    private void run() throws IOException {
        count(BLOCK_BYTES);
        // Until an entry for the root says otherwise, it too looks as it does below
        if (lowerTopFirst.isEmpty()) {
            Kernel.fchmod(root.fd, 0755);
        } else {
            copyAttributes(lowerTopFirst.getFirst(), root);
        }
        for (Optional<TarEntry> next = tar.next(); next.isPresent(); next = tar.next()) {
            TarEntry entry = next.get();
            if (Thread.currentThread().isInterrupted()) {
                throw ImageException.cancelled("unpacking");
            }
            try {
                apply(entry);
            } catch (KernelException e) {
                throw failed(entry, e);
            }
        }
    }

    /** An entry's name for a message, in its first part where it is long. */
    private static String shown(String name) {
        return KernelText.quoted(name.length() > 300 ? name.substring(0, 300) + "..." : name);
    }

    /** A name that no file system takes is the image's fault, a full disk is ours. */
    private static ImageException failed(TarEntry entry, KernelException e) {
        boolean invalid = e.is(Errno.ENAMETOOLONG) || e.is(Errno.ELOOP) || e.is(Errno.EINVAL) || e.is(Errno.ENOENT);
        return new ImageException(
                invalid ? ImageException.Kind.INVALID_IMAGE : ImageException.Kind.STORAGE,
                "entry " + shown(entry.name()) + ": " + e.getMessage(),
                e);
    }

    private void apply(TarEntry entry) throws IOException {
        List<String> path = components(entry.name(), entry);
        if (path.isEmpty()) {
            if (entry.type() != TarEntry.Type.DIRECTORY) {
                throw refused(entry, "it names the layer's root, which is a directory");
            }
            setDirectoryAttributes(root, entry);
            return;
        }
        String name = path.getLast();
        Directory parent = directory(path.subList(0, path.size() - 1), entry, true);
        if (name.startsWith(WHITEOUT)) {
            applyWhiteout(parent, name, entry);
            return;
        }
        switch (entry.type()) {
            case FILE -> makeFile(parent, name, entry);
            case DIRECTORY -> makeDirectory(parent, name, entry);
            case HARD_LINK -> makeHardLink(parent, name, entry);
            case SYMBOLIC_LINK -> makeSymbolicLink(parent, name, entry);
            case CHARACTER_DEVICE -> makeNode(parent, name, entry, S_IFCHR);
            case BLOCK_DEVICE -> makeNode(parent, name, entry, S_IFBLK);
            case FIFO -> makeNode(parent, name, entry, S_IFIFO);
        }
    }

    // ---- names

    /** The components of a name, seen from the layer's root. */
    private static List<String> components(String name, TarEntry entry) {
        List<String> found = new ArrayList<>();
        for (String component : name.split("/")) {
            if (component.equals("..")) {
                throw refused(entry, "a name may not hold \"..\"");
            }
            if (component.length() > NAME_MAX) {
                throw refused(entry, "a name has at most " + NAME_MAX + " bytes");
            }
            if (!component.isEmpty() && !component.equals(".")) {
                found.add(component);
            }
        }
        return found;
    }

    private static ImageException refused(TarEntry entry, String why) {
        return ImageException.invalid("entry " + shown(entry.name()) + ": " + why);
    }

    /**
     * Opens a directory of the layer, going through the layer's own links.
     *
     * @param create whether what is missing is made
     */
    private Directory directory(List<String> path, TarEntry entry, boolean create) {
        Directory known = path.isEmpty() ? root : open.get(String.join("/", path));
        if (known != null) {
            return known;
        }
        Deque<String> ahead = new ArrayDeque<>(path);
        Deque<Directory> walked = new ArrayDeque<>();
        int links = 0;
        for (int steps = 0; !ahead.isEmpty(); steps++) {
            if (steps > MAX_STEPS) {
                throw refused(entry, "it lies deeper than " + MAX_STEPS + " directories");
            }
            String name = ahead.removeFirst();
            Directory current = walked.isEmpty() ? root : walked.getLast();
            if (name.isEmpty() || name.equals(".")) {
                continue;
            }
            if (name.equals("..")) {
                walked.pollLast();
                continue;
            }
            Optional<Directory> next = child(current, name, entry, create);
            if (next.isPresent()) {
                walked.addLast(next.get());
                continue;
            }
            if (++links > MAX_LINKS) {
                throw refused(entry, "its directory goes through more than " + MAX_LINKS + " symbolic links");
            }
            String target = Kernel.readlinkat(current.fd, name);
            if (target.startsWith("/")) {
                walked.clear();
            }
            String[] parts = target.split("/");
            for (int i = parts.length - 1; i >= 0; i--) {
                ahead.addFirst(parts[i]);
            }
        }
        return walked.isEmpty() ? root : walked.getLast();
    }

    /** Opens a directory below its parent; empty when it is a symbolic link. */
    private Optional<Directory> child(Directory parent, String name, TarEntry entry, boolean create) {
        String path = parent.childPath(name);
        Directory known = open.get(path);
        if (known != null) {
            return Optional.of(known);
        }
        try {
            return Optional.of(openChild(parent, name));
        } catch (KernelException e) {
            if (e.is(Errno.ELOOP)) {
                return Optional.empty();
            }
            if (e.is(Errno.ENOENT) && create) {
                return Optional.of(makeImplicit(parent, name, false));
            }
            if (e.is(Errno.ENOTDIR) && create && isWhiteout(parent.fd, name)) {
                return Optional.of(makeImplicit(parent, name, true));
            }
            if (e.is(Errno.ENOENT) || e.is(Errno.ENOTDIR)) {
                throw refused(entry, KernelText.quoted(path) + " is no directory of this layer");
            }
            throw e;
        }
    }

    @MustBeClosed
    private static Fd openDirectory(Fd parent, String name) {
        // Without O_NOFOLLOW, with which a link would answer ENOTDIR: RESOLVE_NO_SYMLINKS makes it ELOOP
        return Kernel.openat2(parent, name, O_RDONLY | O_DIRECTORY, BENEATH);
    }

    /** Opens a directory that is known to be one and keeps it open. */
    @SuppressWarnings("MustBeClosedChecker") // closed by close(), forget(), or when another pushes it out
    private Directory openChild(Directory parent, String name) {
        Directory directory = new Directory(parent.childPath(name), openDirectory(parent.fd, name));
        open.put(directory.path, directory);
        if (open.size() > MAX_OPEN_DIRECTORIES) {
            Directory eldest = open.pollFirstEntry().getValue();
            try (Fd _ = eldest.fd) {
                settle(eldest);
            }
        }
        return directory;
    }

    /** Gives a directory its time, which everything made in it has changed. */
    private void settle(Directory directory) {
        Kernel.utimensat(directory.fd, "", directory.modified, directory.modified, AT_EMPTY_PATH);
    }

    /** Closes the open directories at or below a path that is about to go. */
    private void forget(String path) {
        open.values().removeIf(directory -> {
            boolean below = directory.path.equals(path) || directory.path.startsWith(path + "/");
            if (below) {
                directory.fd.close();
            }
            return below;
        });
    }

    // ---- making entries

    private void makeFile(Directory parent, String name, TarEntry entry) throws IOException {
        try (Fd file = createFile(parent, name)) {
            if (entry.runs().isEmpty()) {
                copy(file, entry.fileBytes());
                count(blocks(entry.fileBytes()));
            } else {
                Kernel.ftruncate(file, entry.fileBytes());
                long stored = 0;
                for (TarEntry.Run run : entry.runs()) {
                    long _ = Kernel.lseek(file, run.offset(), SEEK_SET);
                    copy(file, run.bytes());
                    stored += blocks(run.bytes());
                }
                count(stored);
            }
            setAttributes(file, entry);
            Kernel.utimensat(file, "", entry.modified(), entry.modified(), AT_EMPTY_PATH);
        }
    }

    @MustBeClosed
    private Fd createFile(Directory parent, String name) {
        try {
            return openNew(parent, name);
        } catch (KernelException e) {
            if (!e.is(Errno.EEXIST)) {
                throw e;
            }
        }
        clear(parent, name);
        return openNew(parent, name);
    }

    @MustBeClosed
    private static Fd openNew(Directory parent, String name) {
        return Kernel.openat2(parent.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, BENEATH);
    }

    private void copy(Fd file, long length) throws IOException {
        long left = length;
        while (left > 0) {
            int count = tar.read(chunk, 0, (int) Math.min(left, chunk.length));
            if (count < 0) {
                throw new TarReader.TarException("an entry that is shorter than it says");
            }
            buffer.bytes().put(0, chunk, 0, count);
            for (int done = 0; done < count; ) {
                done += Kernel.write(file, buffer, done, count - done);
            }
            left -= count;
            if (Thread.currentThread().isInterrupted()) {
                throw ImageException.cancelled("unpacking");
            }
        }
    }

    private void makeDirectory(Directory parent, String name, TarEntry entry) {
        String key = parent.childPath(name);
        boolean opaque = false;
        Directory directory = open.get(key);
        if (directory == null) {
            Optional<FileStatus> there = status(parent.fd, name);
            if (there.isPresent() && !there.get().isDirectory()) {
                opaque = isWhiteout(there.get());
                clear(parent, name);
                there = Optional.empty();
            }
            if (there.isEmpty()) {
                Kernel.mkdirat(parent.fd, name, 0700);
                count(BLOCK_BYTES);
            }
            directory = openChild(parent, name);
        }
        setDirectoryAttributes(directory, entry);
        if (opaque) {
            Kernel.setxattr(directory.fd, OVERLAY_OPAQUE, YES, 0);
        }
    }

    private void setDirectoryAttributes(Directory directory, TarEntry entry) {
        setAttributes(directory.fd, entry);
        directory.modified = entry.modified();
    }

    /** A directory that no entry named so far: it looks as it does below. */
    private Directory makeImplicit(Directory parent, String name, boolean replacesWhiteout) {
        if (replacesWhiteout) {
            Kernel.unlinkat(parent.fd, name, 0);
            uncount(0);
        }
        Kernel.mkdirat(parent.fd, name, 0700);
        count(BLOCK_BYTES);
        Directory directory = openChild(parent, name);
        Kernel.fchmod(directory.fd, 0755);
        if (replacesWhiteout) {
            Kernel.setxattr(directory.fd, OVERLAY_OPAQUE, YES, 0);
            return directory;
        }
        for (Fd lower : lowerTopFirst) {
            if (decides(lower, directory)) {
                break;
            }
        }
        return directory;
    }

    /** Takes the attributes from a layer below; returns false when that layer has nothing at the path. */
    private static boolean decides(Fd lower, Directory directory) {
        try (Fd found = Kernel.openat2(lower, directory.path, O_RDONLY | O_DIRECTORY, BENEATH)) {
            copyAttributes(found, directory);
            return true;
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return false;
            }
            // A file, a link or a whiteout: what lies further down is not seen
            if (e.is(Errno.ENOTDIR) || e.is(Errno.ELOOP)) {
                return true;
            }
            throw e;
        }
    }

    private static void copyAttributes(Fd from, Directory to) {
        FileStatus status = Kernel.fstat(from);
        Kernel.fchown(to.fd, status.uid(), status.gid());
        Kernel.fchmod(to.fd, status.permissions());
        for (String name : Kernel.listxattr(from)) {
            if (mayCarry(name)) {
                Optional<byte[]> value = Kernel.getxattr(from, name);
                value.ifPresent(bytes -> Kernel.setxattr(to.fd, name, bytes, 0));
            }
        }
        to.modified = status.modified();
    }

    private void makeHardLink(Directory parent, String name, TarEntry entry) {
        List<String> target = components(entry.linkName(), entry);
        if (target.isEmpty()) {
            throw refused(entry, "a hard link to nothing");
        }
        Directory targetParent = directory(target.subList(0, target.size() - 1), entry, false);
        FileStatus linked = status(targetParent.fd, target.getLast())
                .filter(status -> !status.isDirectory())
                .orElseThrow(() -> refused(
                        entry, "a hard link to " + shown(entry.linkName()) + ", which is no file of this layer"));
        Optional<FileStatus> there = status(parent.fd, name);
        if (there.isPresent() && there.get().isSameFile(linked)) {
            return;
        }
        clear(parent, name);
        // Clearing a directory may have taken the target's parent along
        Directory again = directory(target.subList(0, target.size() - 1), entry, false);
        Kernel.linkat(again.fd, target.getLast(), parent.fd, name, 0);
    }

    private void makeSymbolicLink(Directory parent, String name, TarEntry entry) {
        if (entry.linkName().length() >= PATH_MAX) {
            throw refused(entry, "a symbolic link of " + entry.linkName().length() + " characters");
        }
        clear(parent, name);
        Kernel.symlinkat(entry.linkName(), parent.fd, name);
        count(entry.linkName().length() < 60 ? 0 : BLOCK_BYTES);
        Kernel.fchownat(parent.fd, name, id(entry.uid(), entry), id(entry.gid(), entry), AT_SYMLINK_NOFOLLOW);
        Kernel.utimensat(parent.fd, name, entry.modified(), entry.modified(), AT_SYMLINK_NOFOLLOW);
    }

    private void makeNode(Directory parent, String name, TarEntry entry, int type) {
        if (entry.deviceMajor() < 0
                || entry.deviceMajor() > 0xfff
                || entry.deviceMinor() < 0
                || entry.deviceMinor() > 0xfffff) {
            throw refused(entry, "no device number: " + entry.deviceMajor() + ":" + entry.deviceMinor());
        }
        clear(parent, name);
        Device device = new Device((int) entry.deviceMajor(), (int) entry.deviceMinor());
        Kernel.mknodat(parent.fd, name, type | 0600, device);
        count(0);
        Kernel.fchownat(parent.fd, name, id(entry.uid(), entry), id(entry.gid(), entry), AT_SYMLINK_NOFOLLOW);
        // Follows links, but this is the node that was just made, in a directory that is ours alone
        Kernel.fchmodat(parent.fd, name, entry.mode());
        Kernel.utimensat(parent.fd, name, entry.modified(), entry.modified(), AT_SYMLINK_NOFOLLOW);
    }

    // ---- whiteouts

    private void applyWhiteout(Directory parent, String name, TarEntry entry) {
        if (name.equals(OPAQUE)) {
            Kernel.setxattr(parent.fd, OVERLAY_OPAQUE, YES, 0);
            return;
        }
        if (name.startsWith(AUFS)) {
            return;
        }
        String hidden = name.substring(WHITEOUT.length());
        if (hidden.isEmpty() || hidden.equals(".") || hidden.equals("..")) {
            throw refused(entry, "a whiteout of nothing");
        }
        Optional<FileStatus> there = status(parent.fd, hidden);
        if (there.isEmpty()) {
            Kernel.mknodat(parent.fd, hidden, S_IFCHR, NO_DEVICE);
            count(0);
            return;
        }
        // A whiteout hides what lies below, never what this layer itself has (layer.md)
        if (there.get().isDirectory()) {
            String key = parent.childPath(hidden);
            Directory known = open.get(key);
            Directory directory = known != null ? known : openChild(parent, hidden);
            Kernel.setxattr(directory.fd, OVERLAY_OPAQUE, YES, 0);
        }
    }

    private static boolean isWhiteout(Fd parent, String name) {
        return status(parent, name).filter(LayerUnpacker::isWhiteout).isPresent();
    }

    private static boolean isWhiteout(FileStatus status) {
        return status.isCharacterDevice() && status.special().equals(NO_DEVICE);
    }

    // ---- attributes

    /** Owner first: it takes the set-id bits and file capabilities away. */
    private static void setAttributes(Fd file, TarEntry entry) {
        Kernel.fchown(file, id(entry.uid(), entry), id(entry.gid(), entry));
        Kernel.fchmod(file, entry.mode());
        entry.attributes().forEach((name, value) -> {
            if (mayCarry(name)) {
                Kernel.setxattr(file, name, value, 0);
            }
        });
    }

    /**
     * Whether an image may set this attribute. {@code trusted.overlay.*} would let it lead overlay elsewhere, labels and
     * measurements are the host's.
     */
    private static boolean mayCarry(String attribute) {
        if (attribute.length() > XATTR_NAME_MAX) {
            return false;
        }
        return (attribute.startsWith("user.") && !attribute.startsWith("user.overlay."))
                || attribute.equals("security.capability")
                || attribute.equals("system.posix_acl_access")
                || attribute.equals("system.posix_acl_default");
    }

    private static int id(long id, TarEntry entry) {
        if (id < 0 || id > MAX_ID) {
            throw refused(entry, "the owner's id is out of range");
        }
        return (int) id;
    }

    // ---- what was there before

    private static Optional<FileStatus> status(Fd parent, String name) {
        try {
            return Optional.of(Kernel.statx(parent, name, AT_SYMLINK_NOFOLLOW));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** Removes what an earlier entry of this layer made at this path. */
    private void clear(Directory parent, String name) {
        Optional<FileStatus> there = status(parent.fd, name);
        if (there.isEmpty()) {
            return;
        }
        FileStatus status = there.get();
        if (status.isDirectory()) {
            forget(parent.childPath(name));
            Kernel.removeTree(parent.fd, name);
            recount = true;
            return;
        }
        Kernel.unlinkat(parent.fd, name, 0);
        if (status.links() == 1) {
            uncount(status.isRegularFile() ? status.blocks() * 512 : 0);
        }
    }

    /** What a tree takes, looked up file by file; of several links to a file each counts its share of the bytes. */
    private static Usage usageOf(Fd directory) {
        long bytes = BLOCK_BYTES;
        long inodes = 1;
        for (DirectoryEntry entry : DirectoryTree.list(directory)) {
            FileStatus status = Kernel.statx(directory, entry.name(), AT_SYMLINK_NOFOLLOW);
            if (status.isDirectory()) {
                try (Fd below = openDirectory(directory, entry.name())) {
                    Usage usage = usageOf(below);
                    bytes += usage.bytes;
                    inodes += usage.inodes;
                }
            } else {
                bytes += status.blocks() * 512 / Math.max(1, status.links());
                inodes++;
            }
        }
        return new Usage(bytes, inodes);
    }

    private void count(long size) {
        inodes++;
        bytes += size;
    }

    private void uncount(long size) {
        inodes--;
        bytes -= size;
    }

    private static long blocks(long size) {
        return (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    }
}
