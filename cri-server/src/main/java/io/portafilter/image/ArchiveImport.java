package io.portafilter.image;

import io.portafilter.state.Bytes;
import io.portafilter.state.ImageRecord;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.PushbackInputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * Images from files: a docker archive ({@code manifest.json}, as {@code docker save} writes it) or an OCI layout
 * ({@code index.json}; OCI image specification, image-layout.md), in a tar file, a stream or a directory.
 *
 * <p>An archive is trusted no more than a registry: sizes are bounded, digests are compared, names in it never become
 * paths of this machine.
 */
final class ArchiveImport {
    private static final String TEMPORARY = ".import-";
    private static final int BUFFER_BYTES = 256 * 1024;

    private final ImageStore store;
    private final LayerStore layers;
    private final Path spool;
    private final RegistryOptions options;

    ArchiveImport(ImageStore store, LayerStore layers, Path spool, RegistryOptions options) {
        this.store = store;
        this.layers = layers;
        this.spool = spool;
        this.options = options;
    }

    /** Removes the copies that imports of an earlier life left. */
    static void removeLeftovers(Path spool) {
        try (Stream<Path> files = Files.list(spool)) {
            for (Path file : files.toList()) {
                if (file.getFileName().toString().startsWith(TEMPORARY)) {
                    Files.deleteIfExists(file);
                }
            }
        } catch (IOException e) {
            throw new ImageException(ImageException.Kind.STORAGE, "cleaning " + spool + ": " + e.getMessage(), e);
        }
    }

    /** What an import works with. */
    private record Source(
            ArchiveMembers members, String what, String defaultRepository, Optional<ImageReference> name) {}

    List<ImportedImage> file(Path file, Optional<String> name) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            InputStream raw =
                    new BufferedInputStream(new ArchiveMembers.Section(channel, 0, channel.size()), BUFFER_BYTES);
            InputStream plain = Compression.decompress(raw, file.toString());
            if (plain instanceof PushbackInputStream) {
                try (ArchiveMembers members = new ArchiveMembers.Tar(FileChannel.open(file, StandardOpenOption.READ))) {
                    return run(source(members, file, name));
                }
            }
            return spooled(plain, file, name);
        } catch (NoSuchFileException e) {
            throw new ImageException(ImageException.Kind.NOT_FOUND, "there is no file " + file, e);
        } catch (IOException e) {
            throw unreadable(file.toString(), e);
        }
    }

    List<ImportedImage> stream(InputStream stream, Optional<String> name) {
        Path origin = Path.of("import");
        try {
            InputStream plain = Compression.decompress(new BufferedInputStream(stream, BUFFER_BYTES), "archive");
            return spooled(plain, origin, name);
        } catch (IOException e) {
            throw unreadable("the archive", e);
        }
    }

    List<ImportedImage> layout(Path directory, Optional<String> name) {
        try (ArchiveMembers members = new ArchiveMembers.Directory(directory)) {
            return run(source(members, directory.toAbsolutePath().normalize(), name));
        } catch (IOException e) {
            throw unreadable(directory.toString(), e);
        }
    }

    private static Source source(ArchiveMembers members, Path origin, Optional<String> name) {
        return new Source(members, origin.toString(), defaultRepository(origin), name.map(ImageReference::parse));
    }

    private static ImageException unreadable(String what, IOException e) {
        if (e instanceof ClosedByInterruptException || e instanceof InterruptedIOException) {
            return ImageException.cancelled("the import");
        }
        return new ImageException(ImageException.Kind.INVALID_IMAGE, what + " cannot be read: " + e.getMessage(), e);
    }

    /** Copies a stream, for its members are needed in another order than theirs. */
    private List<ImportedImage> spooled(InputStream plain, Path origin, Optional<String> name) throws IOException {
        Path copy = spool.resolve(TEMPORARY + UUID.randomUUID());
        try (FileChannel file = FileChannel.open(
                copy,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
            byte[] chunk = new byte[BUFFER_BYTES];
            for (int count = plain.read(chunk); count >= 0; count = plain.read(chunk)) {
                write(file, ByteBuffer.wrap(chunk, 0, count));
            }
            try (ArchiveMembers members = new ArchiveMembers.Tar(file)) {
                return run(source(members, origin, name));
            }
        } finally {
            Files.deleteIfExists(copy);
        }
    }

    private static void write(FileChannel file, ByteBuffer data) {
        try {
            while (data.hasRemaining()) {
                int _ = file.write(data);
            }
        } catch (ClosedByInterruptException e) {
            throw ImageException.cancelled("the import");
        } catch (IOException e) {
            throw new ImageException(ImageException.Kind.STORAGE, "copying the archive: " + e.getMessage(), e);
        }
    }

    private List<ImportedImage> run(Source source) throws IOException {
        if (source.members().size("index.json").isPresent()
                && source.members().size("oci-layout").isPresent()) {
            return ociLayout(source);
        }
        if (source.members().size("manifest.json").isPresent()) {
            return dockerArchive(source);
        }
        throw ImageException.invalid(
                source.what()
                        + " is no image: it has neither index.json and oci-layout (OCI layout) nor manifest.json (docker archive)");
    }

    // ---- docker archive

    private List<ImportedImage> dockerArchive(Source source) throws IOException {
        byte[] document = read(source, "manifest.json", Manifest.MAX_BYTES);
        if (!(JsonValue.parse(document, "manifest.json of " + source.what()) instanceof JsonValue.Items(var images))) {
            throw ImageException.invalid("manifest.json of " + source.what() + " is no list");
        }
        onlyOneIfNamed(source, images.size());
        List<ImportedImage> imported = new ArrayList<>();
        for (JsonValue image : images) {
            List<String> names = source.name().isPresent()
                    ? List.of(nameOf(source.name().get()))
                    : image.texts("RepoTags").stream()
                            .map(tag -> nameOf(ImageReference.parse(tag)))
                            .toList();
            imported.add(dockerImage(source, image, names));
        }
        return imported;
    }

    private ImportedImage dockerImage(Source source, JsonValue image, List<String> names) throws IOException {
        String member = image.text("Config")
                .orElseThrow(() -> ImageException.invalid(
                        "manifest.json of " + source.what() + " has an image without a configuration"));
        byte[] document = read(source, member, ImageConfig.MAX_BYTES);
        List<String> members = image.texts("Layers");
        ImageConfig config = ImageConfig.parse(document, "configuration " + member + " of " + source.what());
        if (members.size() != config.diffIds().size() || members.size() > Manifest.MAX_LAYERS) {
            throw ImageException.invalid("manifest.json of " + source.what() + " names " + members.size()
                    + " layers, the configuration " + config.diffIds().size());
        }
        refuseOtherPlatform(config, source);
        return commit(source, document, config, members, Map.of(), names, List.of());
    }

    private void refuseOtherPlatform(ImageConfig config, Source source) {
        if (options.platform().preferenceFor(config.platform()) == 0) {
            throw ImageException.unsupported(
                    source.what() + " holds an image for " + config.platform() + ", this is " + options.platform());
        }
    }

    // ---- OCI layout

    private List<ImportedImage> ociLayout(Source source) throws IOException {
        byte[] document = read(source, "index.json", Manifest.MAX_BYTES);
        String what = "index.json of " + source.what();
        if (!(Manifest.parse(document, Manifest.OCI_INDEX, what) instanceof Manifest.Index index)) {
            throw ImageException.invalid("the " + what + " is no index");
        }
        // One image may stand there under several names
        Map<Descriptor, List<String>> wanted = new LinkedHashMap<>();
        List<Descriptor> unnamed = new ArrayList<>();
        for (Descriptor entry : index.manifests()) {
            if (entry.attestation()) {
                continue;
            }
            if (entry.referenceName().isEmpty() || source.name().isPresent()) {
                unnamed.add(entry);
                continue;
            }
            String name = nameOf(layoutName(source, entry.referenceName().get()));
            wanted.computeIfAbsent(entry, _ -> new ArrayList<>()).add(name);
        }
        if (!unnamed.isEmpty()) {
            long distinct = unnamed.stream().map(Descriptor::digest).distinct().count();
            boolean platforms =
                    unnamed.stream().allMatch(entry -> entry.platform().isPresent());
            if (distinct > 1 && !platforms) {
                onlyOneIfNamed(source, (int) distinct);
                throw ImageException.invalid("the " + what + " has " + distinct + " images without a name");
            }
            ImageReference name =
                    source.name().orElseGet(() -> ImageReference.parse(source.defaultRepository() + ":latest"));
            wanted.put(new Manifest.Index(unnamed).select(options.platform(), what), List.of(nameOf(name)));
        }
        List<ImportedImage> imported = new ArrayList<>();
        for (Map.Entry<Descriptor, List<String>> image : wanted.entrySet()) {
            imported.add(ociImage(source, image.getKey(), image.getValue()));
        }
        return imported;
    }

    private ImportedImage ociImage(Source source, Descriptor top, List<String> names) throws IOException {
        Manifest.Image manifest = manifest(source, top);
        byte[] document = read(source, manifest.config(), ImageConfig.MAX_BYTES, "configuration");
        ImageConfig config = ImagePull.checked(document, manifest, options.platform(), source.what());
        for (Descriptor layer : manifest.layers()) {
            verify(source, layer);
        }
        List<String> members =
                manifest.layers().stream().map(ArchiveImport::blobName).toList();
        List<String> digests = names.stream()
                .map(name -> ImageReference.parse(name).name() + "@" + top.digest())
                .distinct()
                .toList();
        return commit(source, document, config, members, manifest.annotations(), names, digests);
    }

    private Manifest.Image manifest(Source source, Descriptor top) throws IOException {
        Descriptor current = top;
        for (int depth = 0; depth < 4; depth++) {
            String what = "manifest " + current.digest() + " of " + source.what();
            byte[] document = read(source, current, Manifest.MAX_BYTES, "manifest");
            switch (Manifest.parse(document, current.mediaType(), what)) {
                case Manifest.Image image -> {
                    return image;
                }
                case Manifest.Index index -> current = index.select(options.platform(), what);
            }
        }
        throw ImageException.unsupported(source.what() + " has an index of indexes of indexes");
    }

    /** A bare tag, which layouts usually have, is given a name from where the layout lies. */
    private static ImageReference layoutName(Source source, String written) {
        boolean bareTag = written.indexOf('/') < 0 && written.indexOf(':') < 0 && written.indexOf('@') < 0;
        return bareTag && ImageReference.isTag(written)
                ? ImageReference.parse(source.defaultRepository() + ":" + written)
                : ImageReference.parse(written);
    }

    private static String defaultRepository(Path origin) {
        String name =
                Optional.ofNullable(origin.getFileName()).map(Path::toString).orElse("");
        String component = name.toLowerCase(Locale.ROOT)
                .replaceFirst("\\.(tar|tgz|tar\\.gz|tar\\.zst|oci)$", "")
                .replaceAll("[^a-z0-9]+", "-")
                .replaceAll("^-+|-+$", "");
        return "localhost/" + (component.isEmpty() ? "import" : component);
    }

    private static void verify(Source source, Descriptor layer) throws IOException {
        String name = blobName(layer);
        long size = source.members()
                .size(name)
                .orElseThrow(() -> ImageException.invalid(source.what() + " lacks the layer " + layer.digest()));
        MessageDigest hash = layer.digest().newHash();
        try (InputStream in = source.members().open(name)) {
            byte[] chunk = new byte[BUFFER_BYTES];
            for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
                hash.update(chunk, 0, count);
            }
        }
        if (size != layer.sizeBytes() || !layer.digest().isHash(hash.digest())) {
            throw ImageException.invalid(
                    "the layer " + layer.digest() + " of " + source.what() + " is not what its digest says");
        }
    }

    // ---- both

    private static String blobName(Descriptor descriptor) {
        return "blobs/" + descriptor.digest().algorithm() + "/"
                + descriptor.digest().hex();
    }

    private static byte[] read(Source source, Descriptor descriptor, int limit, String what) throws IOException {
        byte[] content = read(source, blobName(descriptor), limit);
        if (content.length != descriptor.sizeBytes() || !descriptor.digest().isOf(content)) {
            throw ImageException.invalid("the " + what + " " + descriptor.digest() + " of " + source.what()
                    + " is not what its digest says");
        }
        return content;
    }

    private static byte[] read(Source source, String member, int limit) throws IOException {
        long size = source.members()
                .size(member)
                .orElseThrow(() -> ImageException.invalid(source.what() + " lacks \"" + member + "\""));
        if (size > limit) {
            throw ImageException.invalid(
                    "\"" + member + "\" of " + source.what() + " is " + size + " bytes long, the limit is " + limit);
        }
        try (InputStream in = source.members().open(member)) {
            return in.readNBytes(limit);
        }
    }

    private static String nameOf(ImageReference reference) {
        return reference
                .taggedName()
                .orElseThrow(() -> new ImageException(
                        ImageException.Kind.INVALID_REFERENCE,
                        "an imported image is named by a tag, not by a digest: " + reference));
    }

    private static void onlyOneIfNamed(Source source, int images) {
        if (source.name().isPresent() && images != 1) {
            throw new ImageException(
                    ImageException.Kind.INVALID_REFERENCE,
                    source.what() + " holds " + images + " images: a name can be given only to one");
        }
    }

    private ImportedImage commit(
            Source source,
            byte[] document,
            ImageConfig config,
            List<String> members,
            Map<String, String> annotations,
            List<String> names,
            List<String> digests) {
        List<String> chain = config.chainIds().stream().map(Digest::toString).toList();
        try (LayerStore.Lease _ = layers.lease(chain)) {
            for (int i = 0; i < chain.size(); i++) {
                String member = members.get(i);
                layers.ensure(
                        chain.get(i),
                        config.diffIds().get(i),
                        chain.subList(0, i),
                        "layer " + member + " of " + source.what(),
                        () -> source.members().open(member));
            }
            ImageRecord image = store.commit(
                    new ImageStore.Content(
                            Digest.sha256(document), Bytes.copyOf(document), chain, digests, annotations),
                    names);
            return new ImportedImage(image, names);
        }
    }
}
