package io.portafilter.image;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongConsumer;
import java.util.stream.Stream;

/**
 * Layers on their way: {@code blobs/partial/ALGORITHM-HEX}, one file each. What was received before a failure is kept and
 * gone on from, until it expires. A file is removed once the layer is unpacked: the blob itself serves for nothing more,
 * for we never push and never verify a layer by its compressed form again.
 */
final class PartialBlobs {
    private static final int CHUNK_BYTES = 128 * 1024;

    private final Path directory;
    private final RegistryOptions options;
    private final SharedWork<Digest, Boolean> downloads = new SharedWork<>("download");
    private final ReentrantLock lock = new ReentrantLock();

    /** How many pulls still need the file of a digest. */
    @GuardedBy("lock")
    private final Map<Digest, Integer> users = new HashMap<>();

    PartialBlobs(Path directory, RegistryOptions options) {
        this.directory = directory;
        this.options = options;
    }

    /** One pull's hold on the file of a blob. */
    final class Held implements AutoCloseable {
        private final Descriptor descriptor;
        private boolean discarded;

        private Held(Descriptor descriptor) {
            this.descriptor = descriptor;
        }

        /** Receives the blob, or what is missing of it, and checks its digest; together with other pulls of it. */
        void download(Registry registry, LongConsumer progress) {
            boolean _ = downloads.join(descriptor.digest(), progress, reported -> {
                new Download(registry, descriptor, path(descriptor.digest()), reported).run();
                return true;
            });
        }

        /** Reads the blob, which was downloaded before. */
        InputStream read() throws IOException {
            return Channels.newInputStream(FileChannel.open(path(descriptor.digest()), StandardOpenOption.READ));
        }

        /** The file is not needed any more, unless by another pull. */
        void discard() {
            discarded = true;
        }

        @Override
        public void close() {
            release(descriptor.digest(), discarded);
        }
    }

    /** Takes hold of the file of a blob, so that no other pull removes it. */
    Held hold(Descriptor descriptor) {
        lock.lock();
        try {
            users.merge(descriptor.digest(), 1, Integer::sum);
            return new Held(descriptor);
        } finally {
            lock.unlock();
        }
    }

    private void release(Digest digest, boolean discarded) {
        lock.lock();
        try {
            int left = users.merge(digest, -1, Integer::sum);
            if (left == 0) {
                users.remove(digest);
                if (discarded) {
                    Files.deleteIfExists(path(digest));
                }
            }
        } catch (IOException e) {
            throw storage("removing " + path(digest), e);
        } finally {
            lock.unlock();
        }
    }

    /** Removes what was not touched for long and nobody uses. */
    void expire() {
        Instant oldest = Instant.now().minus(options.partialExpiry());
        lock.lock();
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                boolean used = digestOf(file).filter(users::containsKey).isPresent();
                if (!used && isOlder(file, oldest)) {
                    Files.deleteIfExists(file);
                }
            }
        } catch (IOException e) {
            throw storage("cleaning " + directory, e);
        } finally {
            lock.unlock();
        }
    }

    private static boolean isOlder(Path file, Instant oldest) throws IOException {
        try {
            return Files.getLastModifiedTime(file).compareTo(FileTime.from(oldest)) < 0;
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    private Path path(Digest digest) {
        return directory.resolve(digest.algorithm() + "-" + digest.hex());
    }

    private static Optional<Digest> digestOf(Path file) {
        return Digest.parse(file.getFileName().toString().replaceFirst("-", ":"));
    }

    private static ImageException storage(String doing, IOException e) {
        return new ImageException(ImageException.Kind.STORAGE, doing + ": " + e.getMessage(), e);
    }

    /** The reception of one blob into its file. */
    private final class Download {
        private final Registry registry;
        private final Descriptor descriptor;
        private final Path file;
        private final LongConsumer progress;
        private final byte[] chunk = new byte[CHUNK_BYTES];
        private MessageDigest hash;
        private long received;

        Download(Registry registry, Descriptor descriptor, Path file, LongConsumer progress) {
            this.registry = registry;
            this.descriptor = descriptor;
            this.file = file;
            this.progress = progress;
            this.hash = descriptor.digest().newHash();
        }

        void run() {
            try (FileChannel channel = FileChannel.open(
                    file,
                    Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE),
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
                boolean resumed = takeUp(channel);
                while (true) {
                    Optional<RegistrySession> from = receive(channel);
                    if (descriptor.digest().isHash(hash.digest())) {
                        return;
                    }
                    // What an earlier attempt left may have been damaged; a mirror may be wrong where its registry is
                    // not
                    boolean worthAnother =
                            resumed || from.filter(registry::drop).isPresent();
                    startOver(channel);
                    if (!worthAnother) {
                        throw ImageException.invalid("the layer " + descriptor.digest() + " of " + registry.image()
                                + from.map(session -> " from " + session.authority())
                                        .orElse("")
                                + " is not what its digest says");
                    }
                    resumed = false;
                }
            } catch (ClosedByInterruptException e) {
                throw cancelled();
            } catch (IOException e) {
                throw storage("writing " + file, e);
            }
        }

        private ImageException cancelled() {
            return ImageException.cancelled("the pull of " + registry.image());
        }

        /** Goes on with what is there; returns whether that was anything. */
        private boolean takeUp(FileChannel channel) throws IOException {
            if (channel.size() > descriptor.sizeBytes()) {
                channel.truncate(0);
            }
            ByteBuffer buffer = ByteBuffer.wrap(chunk);
            while (channel.read(buffer.clear()) > 0) {
                hash.update(buffer.flip());
            }
            received = channel.position();
            progress.accept(received);
            return received > 0;
        }

        private void startOver(FileChannel channel) throws IOException {
            channel.truncate(0);
            channel.position(0);
            hash = descriptor.digest().newHash();
            progress.accept(-received);
            received = 0;
        }

        /** Receives until the size is reached, through broken connections; returns who sent the last of it. */
        private Optional<RegistrySession> receive(FileChannel channel) throws IOException {
            Optional<RegistrySession> from = Optional.empty();
            int failures = 0;
            while (received < descriptor.sizeBytes()) {
                long before = received;
                Optional<IOException> failure;
                try (Registry.Receiving receiving = registry.open(descriptor, received)) {
                    from = Optional.of(receiving.from());
                    if (receiving.offset() != received) {
                        startOver(channel);
                        before = 0;
                    }
                    failure = copy(receiving.body(), channel);
                }
                if (failure.isPresent()) {
                    failures = received > before ? 1 : failures + 1;
                    giveUpOrWait(failure.get(), failures);
                }
            }
            return from;
        }

        /** Returns what broke the connection off; what it throws is about the file. */
        private Optional<IOException> copy(BodyStream body, FileChannel channel) throws IOException {
            while (true) {
                int count;
                try {
                    count = body.read(chunk, 0, chunk.length);
                } catch (InterruptedIOException e) {
                    throw cancelled();
                } catch (IOException e) {
                    return Optional.of(e);
                }
                if (count < 0) {
                    return received < descriptor.sizeBytes()
                            ? Optional.of(new EOFException("the connection ended early"))
                            : Optional.empty();
                }
                if (count > descriptor.sizeBytes() - received) {
                    startOver(channel);
                    throw ImageException.invalid("the layer " + descriptor.digest() + " of " + registry.image()
                            + " is larger than the " + descriptor.sizeBytes() + " bytes that the manifest says");
                }
                ByteBuffer buffer = ByteBuffer.wrap(chunk, 0, count);
                while (buffer.hasRemaining()) {
                    int _ = channel.write(buffer);
                }
                hash.update(chunk, 0, count);
                received += count;
                progress.accept(count);
            }
        }

        private void giveUpOrWait(IOException failure, int failures) {
            if (failures >= options.maxAttempts() || failure instanceof HttpTimeoutException) {
                throw new ImageException(
                        ImageException.Kind.REGISTRY_UNAVAILABLE,
                        "receiving the layer " + descriptor.digest() + " of " + registry.image() + ": "
                                + RegistrySession.describe(failure),
                        failure);
            }
            try {
                Thread.sleep(options.firstRetry().multipliedBy(1L << Math.min(failures - 1, 6)));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw cancelled();
            }
        }
    }
}
