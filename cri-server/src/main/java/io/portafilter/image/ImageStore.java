package io.portafilter.image;

import io.portafilter.state.Bytes;
import io.portafilter.state.Change;
import io.portafilter.state.Database;
import io.portafilter.state.DiskTrouble;
import io.portafilter.state.ImageRecord;
import io.portafilter.state.LayerRecord;
import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * The images of this node: {@code ROOT/layers}, {@code ROOT/blobs}, {@code ROOT/mount-points},
 * {@code ROOT/empty} and their records. An image is named by the digest of
 * its configuration, so that it is one image whichever registry it came from; it has any number of tags and repository
 * digests.
 *
 * <p>Safe for use by any number of threads. No lock is held while the network or a layer is waited for. A thread that is
 * interrupted in {@link #pull} or an import ends with CANCELLED, and nothing is half committed.
 */
public final class ImageStore implements AutoCloseable {
    private static final Logger LOG = System.getLogger(ImageStore.class.getName());
    private static final Pattern ID_PREFIX = Pattern.compile("[0-9a-f]{1,64}");
    private static final String SHA256 = "sha256:";
    private static final String MOUNT_POINTS = "mount-points/fs";
    /** Below images that are mounted as volumes: nothing. */
    private static final List<String> EMPTY = List.of("empty/upper", "empty/lower");

    /** A thousand images as they usually are have some 10 MiB. */
    static final long MOST_RECORD_BYTES = 16 << 20;

    private final Path root;
    private final Database database;
    private final RegistryOptions options;
    private final LayerStore layers;
    private final PartialBlobs blobs;
    /** Held while names move between images. */
    private final ReentrantLock names = new ReentrantLock();

    private ImageStore(Path root, Database database, RegistryOptions options) {
        this.root = root;
        this.database = database;
        this.options = options;
        this.layers = new LayerStore(root.resolve("layers"), database);
        this.blobs = new PartialBlobs(root.resolve("blobs").resolve("partial"), options);
    }

    /**
     * Opens the store, makes its directories (0700) and clears what a crash left: unfinished layers, layers without a
     * record, images whose layers are gone, expired downloads.
     *
     * @throws ImageException of kind STORAGE when the directories cannot be made
     */
    public static ImageStore open(Path root, Database database, RegistryOptions options) {
        try {
            for (Path directory : List.of(
                    root,
                    root.resolve("layers"),
                    root.resolve("mount-points"),
                    root.resolve("empty"),
                    root.resolve("blobs"),
                    root.resolve("blobs/partial"))) {
                if (!Files.isDirectory(directory)) {
                    Files.createDirectories(
                            directory,
                            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
                }
                Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
            }
            Path _ = MountPointLayer.ensure(root.resolve(MOUNT_POINTS));
            for (String empty : EMPTY) {
                Path directory = Files.createDirectories(root.resolve(empty));
                Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
            }
        } catch (IOException e) {
            throw new ImageException(
                    ImageException.Kind.STORAGE,
                    "cannot make the image directories in " + root + ": " + e.getMessage(),
                    e);
        }
        ImageStore store = new ImageStore(root, database, options);
        store.recover();
        return store;
    }

    private void recover() {
        Set<String> gone = new HashSet<>(layers.reconcile());
        for (ImageRecord image : database.images()) {
            boolean whole = image.layerChain().stream().allMatch(layers::has);
            if (!whole) {
                database.note(new Change.RemoveImage(image.id()));
                LOG.log(Level.WARNING, "image.lost id={0} layersMissing={1}", image.id(), gone.size());
            }
        }
        layers.removeAllUnused();
        ArchiveImport.removeLeftovers(root.resolve("blobs"));
        blobs.expire();
    }

    // ---- looking up

    /** All images, oldest first. */
    public List<ImageRecord> list() {
        return database.images().stream()
                .sorted(Comparator.comparingLong(ImageRecord::createdAtNanos).thenComparing(ImageRecord::id))
                .toList();
    }

    /**
     * Finds an image by its id, with or without {@code sha256:}, whole or an unambiguous beginning; otherwise by
     * reference.
     *
     * @throws ImageException of kind INVALID_REFERENCE when several images have ids that begin so, and when it is
     *     neither
     */
    public Optional<ImageRecord> find(String idOrReference) {
        Optional<ImageRecord> byId = findById(idOrReference);
        if (byId.isPresent()) {
            return byId;
        }
        boolean onlyAnId = idOrReference.startsWith(SHA256)
                || (idOrReference.length() == 64
                        && ID_PREFIX.matcher(idOrReference).matches());
        return onlyAnId ? Optional.empty() : findByReference(ImageReference.parse(idOrReference));
    }

    private Optional<ImageRecord> findById(String text) {
        String hex = text.startsWith(SHA256) ? text.substring(SHA256.length()) : text;
        if (!ID_PREFIX.matcher(hex).matches()) {
            return Optional.empty();
        }
        List<ImageRecord> found = database.images().stream()
                .filter(image -> image.id().startsWith(SHA256 + hex))
                .toList();
        if (found.size() > 1) {
            throw new ImageException(
                    ImageException.Kind.INVALID_REFERENCE,
                    found.size() + " images have an id that begins with \"" + hex + "\": give more of it");
        }
        return found.stream().findFirst();
    }

    private Optional<ImageRecord> findByReference(ImageReference reference) {
        String name = reference.digest().isPresent()
                ? reference.name() + "@" + reference.digest().get()
                : reference.toString();
        return database.images().stream()
                .filter(image -> image.tags().contains(name) || image.digests().contains(name))
                .findFirst();
    }

    /** The directories of an image's layers, for overlay: uppermost first, the runtime's mount points last. */
    public List<Path> layerPathsTopFirst(ImageRecord image) {
        List<Path> paths = new ArrayList<>();
        image.layerChain().reversed().forEach(id -> paths.add(layers.tree(id)));
        paths.add(root.resolve(MOUNT_POINTS));
        return paths;
    }

    /**
     * The directories of layers that show an image as it is, without the runtime's mount points: uppermost first. Where
     * there are fewer than two layers, empty directories lie below, for overlay wants two.
     *
     * @param chain the chain ids of the layers, lowest first
     */
    public List<Path> volumeLayersTopFirst(List<String> chain) {
        List<Path> paths = new ArrayList<>();
        chain.reversed().forEach(id -> paths.add(layers.tree(id)));
        EMPTY.stream().limit(Math.max(0, 2 - paths.size())).map(root::resolve).forEach(paths::add);
        return paths;
    }

    /** What all layers take; from the records, at once. */
    public FsUsage usage() {
        long bytes = 0;
        long inodes = 0;
        for (LayerRecord layer : database.layers()) {
            bytes += layer.sizeBytes();
            inodes += layer.inodes();
        }
        return new FsUsage(root, bytes, inodes);
    }

    /** An image that is about to be used: its layers stay until this is closed, whatever is removed meanwhile. */
    public record LeasedImage(ImageRecord image, AutoCloseable lease) implements AutoCloseable {
        @Override
        public void close() {
            ((LayerStore.Lease) lease).close();
        }
    }

    /**
     * Finds an image as {@link #find} does and keeps its layers from being removed. A container is created within: once
     * its record lists the layers, that keeps them.
     */
    public Optional<LeasedImage> lease(String idOrReference) {
        names.lock();
        try {
            return find(idOrReference).map(image -> new LeasedImage(image, layers.lease(image.layerChain())));
        } finally {
            names.unlock();
        }
    }

    // ---- pulling

    /**
     * Brings an image here. What is here already is not fetched again, but the registry is always asked for the manifest
     * with the caller's own credentials.
     *
     * @param progress told from several threads, often
     * @throws ImageException with the kind that fits
     */
    public ImageRecord pull(
            ImageReference reference, RegistryCredentials credentials, Consumer<PullProgress> progress) {
        long start = System.nanoTime();
        try (Registry registry = new Registry(options, reference, credentials)) {
            ImagePull pull = new ImagePull(registry, options, layers, blobs, progress);
            ImageRecord image = pull.run(
                    content -> commit(content, reference.taggedName().stream().toList()));
            LOG.log(
                    Level.INFO,
                    "image.pulled name={0} id={1} layers={2} millis={3}",
                    reference,
                    image.id(),
                    Integer.toString(image.layerChain().size()),
                    Long.toString((System.nanoTime() - start) / 1_000_000));
            return image;
        } catch (RuntimeException e) {
            if (isForWantOfRoom(e)) {
                // the layers that came here, and those of earlier pulls that failed, take the room that is missing
                layers.removeOrphans(Instant.MAX);
            }
            throw e;
        } finally {
            blobs.expire();
            layers.removeOrphans(Instant.now().minus(options.partialExpiry()));
        }
    }

    private static boolean isForWantOfRoom(RuntimeException error) {
        return DiskTrouble.of(error).isPresent()
                || error instanceof ImageException failure && failure.kind() == ImageException.Kind.STORAGE;
    }

    /** What an image consists of, once its layers are here. */
    record Content(
            Digest id,
            Bytes config,
            List<String> chain,
            List<String> repositoryDigests,
            Map<String, String> annotations) {}

    /** Records an image and gives it names, which it takes from those that had them. The caller leases the layers. */
    ImageRecord commit(Content content, List<String> newTags) {
        names.lock();
        try {
            List<Change> changes = new ArrayList<>();
            String id = content.id().toString();
            for (ImageRecord other : database.images()) {
                List<String> kept = other.tags().stream()
                        .filter(tag -> !newTags.contains(tag))
                        .toList();
                if (!other.id().equals(id) && kept.size() < other.tags().size()) {
                    changes.add(new Change.PutImage(other.named(kept, other.digests())));
                }
            }
            Optional<ImageRecord> known = database.image(id);
            if (known.isEmpty()) {
                requireRoom(content);
            }
            ImageRecord image = known.map(old ->
                            old.named(union(old.tags(), newTags), union(old.digests(), content.repositoryDigests())))
                    .orElseGet(() -> newRecord(content, newTags));
            if (known.isEmpty() || !known.get().equals(image) || !changes.isEmpty()) {
                changes.add(new Change.PutImage(image));
                database.commit(changes);
            }
            return image;
        } finally {
            names.unlock();
        }
    }

    /**
     * The records are kept in memory and read anew at each start: images that are made for it must not fill it for ever.
     */
    private void requireRoom(Content content) {
        long all = database.images().stream()
                        .mapToLong(image -> recordBytes(image.config(), image.annotations()))
                        .sum()
                + recordBytes(content.config(), content.annotations());
        if (all > MOST_RECORD_BYTES) {
            throw new ImageException(
                    ImageException.Kind.STORAGE,
                    "image " + content.id() + " is not recorded: configurations and annotations of all images would"
                            + " have " + all + " bytes, more than " + MOST_RECORD_BYTES + "; remove images first");
        }
    }

    private static long recordBytes(Bytes config, Map<String, String> annotations) {
        return config.size()
                + annotations.entrySet().stream()
                        .mapToLong(annotation -> annotation.getKey().length()
                                + annotation.getValue().length())
                        .sum();
    }

    private ImageRecord newRecord(Content content, List<String> tags) {
        Instant now = Instant.now();
        long size = content.config().size()
                + content.chain().stream()
                        .flatMap(id -> database.layer(id).stream())
                        .mapToLong(LayerRecord::sizeBytes)
                        .sum();
        return new ImageRecord(
                content.id().toString(),
                tags,
                content.repositoryDigests(),
                content.config(),
                content.chain(),
                size,
                content.annotations(),
                now.getEpochSecond() * 1_000_000_000L + now.getNano());
    }

    private static List<String> union(List<String> old, List<String> added) {
        Set<String> all = new LinkedHashSet<>(old);
        all.addAll(added);
        return List.copyOf(all);
    }

    // ---- removing

    /**
     * Removes an image by id or by any of its names, with all names. Its layers go unless something uses them. Nothing
     * happens when there is no such image.
     */
    public void remove(String idOrReference) {
        ImageRecord image;
        names.lock();
        try {
            Optional<ImageRecord> found = find(idOrReference);
            if (found.isEmpty()) {
                return;
            }
            image = found.get();
            // that makes room: it must not need any
            database.note(new Change.RemoveImage(image.id()));
        } finally {
            names.unlock();
        }
        LOG.log(Level.INFO, "image.removed id={0} name={1}", image.id(), idOrReference.toLowerCase(Locale.ROOT));
        layers.removeUnused(image.layerChain());
        layers.removeOrphans(Instant.now().minus(options.partialExpiry()));
    }

    /** Removes the layers that nothing uses any more; called when a container that may have been the last is gone. */
    public void removeUnusedLayers(List<String> candidates) {
        layers.removeUnused(candidates);
    }

    // ---- importing

    /**
     * Imports the images of a docker archive or an OCI layout in a tar file, either of them possibly compressed.
     *
     * @param name the name to give; only for an archive of one image
     * @return what was imported, with the names given
     */
    public List<ImportedImage> importArchive(Path archive, Optional<String> name) {
        return new ArchiveImport(this, layers, root.resolve("blobs"), options).file(archive, name);
    }

    /** The same from a stream, which is read to its end and not closed. */
    public List<ImportedImage> importArchive(InputStream archive, Optional<String> name) {
        return new ArchiveImport(this, layers, root.resolve("blobs"), options).stream(archive, name);
    }

    /** Imports the images of an OCI layout in a directory. */
    public List<ImportedImage> importLayout(Path directory, Optional<String> name) {
        return new ArchiveImport(this, layers, root.resolve("blobs"), options).layout(directory, name);
    }

    @Override
    public void close() {
        layers.close();
    }
}
