package io.portafilter.image;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.RENAME_NOREPLACE;

import com.google.errorprone.annotations.MustBeClosed;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.OwnThread;
import io.portafilter.state.Change;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.Database;
import io.portafilter.state.ImageRecord;
import io.portafilter.state.LayerRecord;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The unpacked layers: {@code layers/CHAIN_ID/fs}, each with a record once it is whole and flushed. They are named by
 * chain id, not by diff id, because a layer that does not name a directory that it uses looks different above different
 * layers.
 *
 * <p>A layer stays while an image or container record lists it or somebody leases it; that is derived, never counted on
 * disk.
 */
final class LayerStore implements AutoCloseable {
    private static final String TEMPORARY = ".tmp-";
    private static final String TREE = "fs";
    private static final int BUFFER_BYTES = 256 * 1024;

    private final Path directory;
    private final Fd directoryFd;
    private final Database database;
    private final SharedWork<String, Boolean> unpacking = new SharedWork<>("unpacking");
    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private final Map<String, Integer> leases = new HashMap<>();

    /** Layers that a failed pull left for the next, and since when. */
    @GuardedBy("lock")
    private final Map<String, Instant> orphans = new HashMap<>();

    @SuppressWarnings("MustBeClosedChecker") // closed by close()
    LayerStore(Path directory, Database database) {
        this.directory = directory;
        this.database = database;
        this.directoryFd = Kernel.open(directory.toString(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    }

    /** What gives the compressed stream of a layer; opened once, and closed. */
    @FunctionalInterface
    interface Source {
        InputStream open() throws IOException;
    }

    /** A hold on some layers. */
    final class Lease implements AutoCloseable {
        private final List<String> ids;
        private boolean closed;

        private Lease(List<String> ids) {
            this.ids = ids;
        }

        @Override
        public void close() {
            lock.lock();
            try {
                if (closed) {
                    return;
                }
                closed = true;
                for (String id : ids) {
                    leases.merge(id, -1, (left, one) -> left + one == 0 ? null : left + one);
                }
                Set<String> used = used();
                Instant now = Instant.now();
                for (String id : ids) {
                    if (!used.contains(id) && has(id)) {
                        orphans.putIfAbsent(id, now);
                    }
                }
            } finally {
                lock.unlock();
            }
        }
    }

    /** Keeps layers, there or not yet, from being removed until the lease is closed. */
    Lease lease(List<String> chainIds) {
        List<String> ids = List.copyOf(chainIds);
        lock.lock();
        try {
            ids.forEach(id -> leases.merge(id, 1, Integer::sum));
            return new Lease(ids);
        } finally {
            lock.unlock();
        }
    }

    boolean has(String chainId) {
        return database.layer(chainId).isPresent();
    }

    /** Where a layer's files are. */
    Path tree(String chainId) {
        return directory.resolve(nameOf(chainId)).resolve(TREE);
    }

    private static String nameOf(String chainId) {
        return chainId.substring(chainId.indexOf(':') + 1);
    }

    /**
     * Unpacks a layer unless it is there. The layers below it must be. The caller leases it.
     *
     * @param below the chain ids of the layers below, lowest first
     * @param what names the layer in errors
     */
    void ensure(String chainId, Digest diffId, List<String> below, String what, Source source) {
        if (has(chainId)) {
            return;
        }
        boolean _ = unpacking.join(chainId, _ -> {}, _ -> {
            if (!has(chainId)) {
                unpack(chainId, diffId, below, what, source);
            }
            return true;
        });
    }

    private void unpack(String chainId, Digest diffId, List<String> below, String what, Source source) {
        String temporary = TEMPORARY + UUID.randomUUID();
        boolean moved = false;
        try {
            Kernel.mkdirat(directoryFd, temporary, 0700);
            LayerUnpacker.Usage usage;
            try (Fd outer = openDirectory(directoryFd, temporary)) {
                Kernel.mkdirat(outer, TREE, 0755);
                try (Fd tree = openDirectory(outer, TREE)) {
                    usage = unpackInto(tree, diffId, below, source);
                    moveInPlace(temporary, nameOf(chainId));
                    moved = true;
                    // The rename too is flushed by this: a power cut leaves either no record or a whole layer
                    Kernel.syncfs(tree);
                }
            }
            database.commit(
                    new Change.PutLayer(new LayerRecord(chainId, diffId.toString(), usage.bytes(), usage.inodes())));
        } catch (ImageException e) {
            undo(moved ? nameOf(chainId) : temporary, e);
            throw e.during("unpacking the " + what);
        } catch (RuntimeException e) {
            undo(moved ? nameOf(chainId) : temporary, e);
            throw new ImageException(ImageException.Kind.STORAGE, "unpacking the " + what + ": " + e.getMessage(), e);
        }
    }

    private void undo(String name, RuntimeException failure) {
        try {
            Kernel.removeTree(directoryFd, name);
        } catch (KernelException e) {
            failure.addSuppressed(e);
        }
    }

    private LayerUnpacker.Usage unpackInto(Fd tree, Digest diffId, List<String> below, Source source) {
        try (Lowers lowers = new Lowers(below);
                InputStream compressed = source.open();
                InputStream plain =
                        Compression.decompress(new BufferedInputStream(compressed, BUFFER_BYTES), "layer")) {
            MessageDigest hash = diffId.newHash();
            DigestInputStream hashed = new DigestInputStream(plain, hash);
            LayerUnpacker.Usage usage = LayerUnpacker.unpack(hashed, tree, lowers.topFirst);
            byte[] rest = new byte[BUFFER_BYTES];
            while (hashed.read(rest) >= 0) {
                if (Thread.currentThread().isInterrupted()) {
                    throw ImageException.cancelled("unpacking");
                }
            }
            if (!diffId.isHash(hash.digest())) {
                throw ImageException.invalid("its content is not what the configuration says, " + diffId);
            }
            return usage;
        } catch (ClosedByInterruptException | InterruptedIOException e) {
            throw ImageException.cancelled("unpacking");
        } catch (IOException e) {
            // The compressed form was verified, so it was made so
            throw new ImageException(ImageException.Kind.INVALID_IMAGE, "it cannot be read: " + e.getMessage(), e);
        }
    }

    /** The open trees of the layers below. */
    private final class Lowers implements AutoCloseable {
        private final List<Fd> topFirst = new ArrayList<>();

        @SuppressWarnings("MustBeClosedChecker") // closed by close(), also when one cannot be opened
        Lowers(List<String> below) {
            try {
                for (String lower : below.reversed()) {
                    topFirst.add(openTree(lower));
                }
            } catch (KernelException e) {
                close();
                throw e;
            }
        }

        @Override
        public void close() {
            topFirst.forEach(Fd::close);
        }
    }

    @MustBeClosed
    private Fd openTree(String chainId) {
        try (Fd outer = openDirectory(directoryFd, nameOf(chainId))) {
            return openDirectory(outer, TREE);
        }
    }

    @MustBeClosed
    private static Fd openDirectory(Fd parent, String name) {
        return Kernel.openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    }

    private void moveInPlace(String temporary, String name) {
        try {
            Kernel.renameat2(directoryFd, temporary, directoryFd, name, RENAME_NOREPLACE);
        } catch (KernelException e) {
            if (!e.is(Errno.EEXIST)) {
                throw e;
            }
            // Without a record it is what a crash left
            Kernel.removeTree(directoryFd, name);
            Kernel.renameat2(directoryFd, temporary, directoryFd, name, RENAME_NOREPLACE);
        }
    }

    // ---- removal

    /** Removes those of the layers that nothing uses. */
    void removeUnused(Collection<String> candidates) {
        List<String> unused = new ArrayList<>();
        List<String> doomed = new ArrayList<>();
        lock.lock();
        try {
            Set<String> used = used();
            for (String id : candidates) {
                if (!used.contains(id) && has(id) && !unused.contains(id)) {
                    unused.add(id);
                }
            }
            List<Change> changes = new ArrayList<>();
            unused.forEach(id -> changes.add(new Change.RemoveLayer(id)));
            if (!changes.isEmpty()) {
                database.note(changes.toArray(Change[]::new));
            }
            for (String id : unused) {
                String temporary = TEMPORARY + UUID.randomUUID();
                Kernel.renameat2(directoryFd, nameOf(id), directoryFd, temporary, RENAME_NOREPLACE);
                doomed.add(temporary);
            }
        } finally {
            lock.unlock();
        }
        removeTrees(doomed);
    }

    @GuardedBy("lock")
    private Set<String> used() {
        Set<String> used = new HashSet<>(leases.keySet());
        for (ImageRecord image : database.images()) {
            used.addAll(image.layerChain());
        }
        for (ContainerRecord container : database.containers()) {
            used.addAll(container.usedLayers());
        }
        return used;
    }

    /** On a thread of its own: the calls block in the kernel, and would hold a carrier of the virtual threads. */
    private void removeTrees(List<String> names) {
        if (names.isEmpty()) {
            return;
        }
        boolean _ = OwnThread.call("image-remove", () -> {
            names.forEach(name -> Kernel.removeTree(directoryFd, name));
            return true;
        });
    }

    /** Removes the layers that failed pulls left before a time and that nothing uses since. */
    void removeOrphans(Instant before) {
        List<String> old;
        lock.lock();
        try {
            old = orphans.entrySet().stream()
                    .filter(orphan -> orphan.getValue().isBefore(before))
                    .map(Map.Entry::getKey)
                    .toList();
            old.forEach(orphans::remove);
        } finally {
            lock.unlock();
        }
        removeUnused(old);
    }

    /** Removes every layer that nothing uses: what failed pulls left, and removed containers. */
    void removeAllUnused() {
        removeUnused(database.layers().stream().map(LayerRecord::id).toList());
    }

    /**
     * Puts records and directories in accord after a crash: directories without a record go, and so do records without
     * a directory. Returns the ids of the layers that were recorded but are gone.
     */
    List<String> reconcile() {
        Set<String> there = new HashSet<>(Kernel.list(directoryFd));
        List<String> missing = new ArrayList<>();
        Set<String> recorded = new HashSet<>();
        for (LayerRecord layer : database.layers()) {
            recorded.add(nameOf(layer.id()));
            if (!there.contains(nameOf(layer.id()))) {
                missing.add(layer.id());
            }
        }
        if (!missing.isEmpty()) {
            database.note(missing.stream().map(Change.RemoveLayer::new).toArray(Change[]::new));
        }
        removeTrees(there.stream().filter(name -> !recorded.contains(name)).toList());
        return missing;
    }

    @Override
    public void close() {
        directoryFd.close();
    }
}
