package io.portafilter.image;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.RESOLVE_BENEATH;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_MAGICLINKS;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The files that an import reads by name: those of a tar file, or those of a directory. */
sealed interface ArchiveMembers extends AutoCloseable {
    int MAX_MEMBERS = 100_000;

    /** A member's length; empty when there is no such file. */
    Optional<Long> size(String name) throws IOException;

    /** Reads a member from its beginning. Throws ImageException of kind INVALID_IMAGE when there is none. */
    InputStream open(String name) throws IOException;

    @Override
    void close() throws IOException;

    /** A directory. Links in it lead nowhere outside. */
    final class Directory implements ArchiveMembers {
        private final Fd directory;

        @SuppressWarnings("MustBeClosedChecker") // closed by close()
        Directory(Path path) {
            try {
                this.directory = Kernel.open(path.toString(), O_RDONLY | O_DIRECTORY);
            } catch (KernelException e) {
                throw new ImageException(
                        ImageException.Kind.NOT_FOUND, "cannot open the directory " + path + ": " + e.errno(), e);
            }
        }

        @Override
        public Optional<Long> size(String name) {
            try (Fd file = openFile(name)) {
                return Optional.of(Kernel.fstat(file).sizeBytes());
            } catch (KernelException e) {
                if (e.is(Errno.ENOENT)) {
                    return Optional.empty();
                }
                throw refused(name, e);
            }
        }

        @Override
        public InputStream open(String name) throws IOException {
            try (Fd file = openFile(name)) {
                return Channels.newInputStream(FileChannel.open(Path.of(file.path()), StandardOpenOption.READ));
            } catch (KernelException e) {
                throw refused(name, e);
            }
        }

        @MustBeClosed
        @SuppressWarnings("MustBeClosedChecker") // handed to the caller, or closed here
        private Fd openFile(String name) {
            Fd file = Kernel.openat2(directory, name, O_RDONLY | O_NONBLOCK, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
            if (!Kernel.fstat(file).isRegularFile()) {
                file.close();
                throw ImageException.invalid("\"" + name + "\" of the layout is no regular file");
            }
            return file;
        }

        private static ImageException refused(String name, KernelException e) {
            return new ImageException(
                    ImageException.Kind.INVALID_IMAGE,
                    "\"" + name + "\" of the layout cannot be read: " + e.errno(),
                    e);
        }

        @Override
        public void close() {
            directory.close();
        }
    }

    /** A tar file; its members are read where they lie. */
    final class Tar implements ArchiveMembers {
        private record Place(long offset, long bytes) {}

        private final FileChannel file;
        private final Map<String, Place> places = new HashMap<>();
        private final Map<String, String> links = new HashMap<>();

        /** Reads the list of members. The file is closed with this. */
        Tar(FileChannel file) throws IOException {
            this.file = file;
            Counting in = new Counting(new BufferedInputStream(new Section(file, 0, file.size()), 128 * 1024));
            TarReader tar = new TarReader(in);
            for (Optional<TarEntry> next = tar.next(); next.isPresent(); next = tar.next()) {
                TarEntry entry = next.get();
                if (places.size() + links.size() >= MAX_MEMBERS) {
                    throw ImageException.invalid("the archive has more than " + MAX_MEMBERS + " members");
                }
                String name = normal(entry.name());
                switch (entry.type()) {
                    case FILE -> {
                        if (entry.runs().isEmpty()) {
                            places.put(name, new Place(in.count, entry.dataBytes()));
                        }
                    }
                    case HARD_LINK -> links.put(name, normal(entry.linkName()));
                    // docker save writes a layer that it has written before as a link to it
                    case SYMBOLIC_LINK -> links.put(name, normal(beside(name, entry.linkName())));
                    case DIRECTORY, CHARACTER_DEVICE, BLOCK_DEVICE, FIFO -> {}
                }
            }
        }

        private static String beside(String name, String target) {
            int slash = name.lastIndexOf('/');
            return target.startsWith("/") || slash < 0 ? target : name.substring(0, slash + 1) + target;
        }

        /** Without {@code .}, {@code ..} and a leading slash: only a key, never a path of this machine. */
        private static String normal(String name) {
            List<String> parts = new ArrayList<>();
            for (String part : name.split("/")) {
                if (part.equals("..")) {
                    if (!parts.isEmpty()) {
                        parts.removeLast();
                    }
                } else if (!part.isEmpty() && !part.equals(".")) {
                    parts.add(part);
                }
            }
            return String.join("/", parts);
        }

        private Optional<Place> find(String name) {
            String current = normal(name);
            for (int followed = 0; followed < 10; followed++) {
                Place place = places.get(current);
                if (place != null) {
                    return Optional.of(place);
                }
                String target = links.get(current);
                if (target == null) {
                    break;
                }
                current = target;
            }
            return Optional.empty();
        }

        @Override
        public Optional<Long> size(String name) {
            return find(name).map(Place::bytes);
        }

        @Override
        public InputStream open(String name) {
            Place place =
                    find(name).orElseThrow(() -> ImageException.invalid("the archive has no member \"" + name + "\""));
            return new Section(file, place.offset, place.bytes);
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }

    /** A part of a file, read by position. */
    final class Section extends InputStream {
        private final FileChannel file;
        private long at;
        private final long end;

        Section(FileChannel file, long offset, long bytes) {
            this.file = file;
            this.at = offset;
            this.end = offset + bytes;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            if (length == 0) {
                return 0;
            }
            if (at >= end) {
                return -1;
            }
            int count = file.read(ByteBuffer.wrap(target, offset, (int) Math.min(length, end - at)), at);
            if (count > 0) {
                at += count;
            }
            return count;
        }
    }

    /** Counts what is read through it. */
    final class Counting extends FilterInputStream {
        private long count;

        Counting(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            int one = super.read();
            count += one < 0 ? 0 : 1;
            return one;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int got = super.read(target, offset, length);
            count += Math.max(0, got);
            return got;
        }

        @Override
        public long skip(long bytes) throws IOException {
            long skipped = super.skip(bytes);
            count += skipped;
            return skipped;
        }
    }
}
