package io.portafilter.image;

import io.portafilter.state.Bytes;
import io.portafilter.state.ImageRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * One pull: the manifest and the configuration, then the layers, downloaded several at a time and unpacked in their
 * order, each as soon as it and all below it are there.
 */
final class ImagePull {
    private final Registry registry;
    private final RegistryOptions options;
    private final LayerStore layers;
    private final PartialBlobs blobs;
    private final Consumer<PullProgress> progress;
    private final AtomicLong received = new AtomicLong();
    private final AtomicInteger layersDone = new AtomicInteger();

    ImagePull(
            Registry registry,
            RegistryOptions options,
            LayerStore layers,
            PartialBlobs blobs,
            Consumer<PullProgress> progress) {
        this.registry = registry;
        this.options = options;
        this.layers = layers;
        this.blobs = blobs;
        this.progress = progress;
    }

    /** @param commit records the image while its layers are leased */
    ImageRecord run(Function<ImageStore.Content, ImageRecord> commit) {
        ImageReference reference = registry.image();
        Registry.Served served = registry.resolve();
        Manifest.Image manifest = select(served);
        byte[] document = registry.blob(manifest.config(), ImageConfig.MAX_BYTES, "configuration");
        ImageConfig config = checked(document, manifest, options.platform(), reference.toString());
        List<String> chain = config.chainIds().stream().map(Digest::toString).toList();
        try (LayerStore.Lease _ = layers.lease(chain)) {
            fetch(manifest, config, chain);
            return commit.apply(new ImageStore.Content(
                    Digest.sha256(document),
                    Bytes.copyOf(document),
                    chain,
                    List.of(reference.name() + "@" + served.digest()),
                    manifest.annotations()));
        }
    }

    private Manifest.Image select(Registry.Served served) {
        String what = "manifest of " + registry.image();
        Registry.Served current = served;
        // An index may lead to another one (image-index.md), but not without end
        for (int depth = 0; depth < 4; depth++) {
            switch (Manifest.parse(current.document().toByteArray(), current.mediaType(), what)) {
                case Manifest.Image image -> {
                    return image;
                }
                case Manifest.Index index -> current = registry.manifest(index.select(options.platform(), what));
            }
        }
        throw ImageException.unsupported("the " + what + " is an index of indexes of indexes");
    }

    /** Reads a configuration and compares it with its manifest and with this machine. */
    static ImageConfig checked(byte[] document, Manifest.Image manifest, Platform host, String name) {
        ImageConfig config = ImageConfig.parse(document, "configuration of " + name);
        if (config.diffIds().size() != manifest.layers().size()) {
            throw ImageException.invalid(
                    "the manifest of " + name + " has " + manifest.layers().size() + " layers, its configuration "
                            + config.diffIds().size());
        }
        for (Descriptor layer : manifest.layers()) {
            if (layer.mediaType().endsWith("+encrypted")) {
                throw ImageException.unsupported("the layer " + layer.digest() + " of " + name + " is encrypted");
            }
        }
        if (host.preferenceFor(config.platform()) == 0) {
            throw ImageException.unsupported(name + " is an image for " + config.platform() + ", this is " + host);
        }
        return config;
    }

    private void fetch(Manifest.Image manifest, ImageConfig config, List<String> chain) {
        int present = 0;
        while (present < chain.size() && layers.has(chain.get(present))) {
            present++;
        }
        layersDone.set(present);
        List<Descriptor> missing = manifest.layers().subList(present, chain.size());
        long bytesTotal = missing.stream().mapToLong(Descriptor::sizeBytes).sum();
        Runnable report =
                () -> progress.accept(new PullProgress(layersDone.get(), chain.size(), received.get(), bytesTotal));
        report.run();
        List<PartialBlobs.Held> held = missing.stream().map(blobs::hold).toList();
        try (ExecutorService downloads = Executors.newFixedThreadPool(
                options.parallelDownloads(),
                Thread.ofPlatform().daemon().name("image-pull-", 0).factory())) {
            List<Future<?>> arriving = new ArrayList<>();
            for (PartialBlobs.Held blob : held) {
                arriving.add(downloads.submit(() -> blob.download(registry, bytes -> {
                    received.addAndGet(bytes);
                    report.run();
                })));
            }
            try {
                for (int i = 0; i < missing.size(); i++) {
                    await(arriving.get(i));
                    int layer = present + i;
                    String what = "layer " + missing.get(i).digest() + " of " + registry.image();
                    unpack(chain, layer, config.diffIds().get(layer), what, held.get(i));
                    layersDone.incrementAndGet();
                    report.run();
                }
            } finally {
                // After a failure the other downloads are of no use; after success there are none
                downloads.shutdownNow();
            }
        } catch (ImageException e) {
            if (e.kind() == ImageException.Kind.STORAGE) {
                // they take the room that is missing
                held.forEach(PartialBlobs.Held::discard);
            }
            throw e;
        } finally {
            held.forEach(PartialBlobs.Held::close);
        }
    }

    private void unpack(List<String> chain, int layer, Digest diffId, String what, PartialBlobs.Held blob) {
        try {
            layers.ensure(chain.get(layer), diffId, chain.subList(0, layer), what, blob::read);
            blob.discard();
        } catch (ImageException e) {
            if (e.kind() == ImageException.Kind.INVALID_IMAGE) {
                blob.discard();
            }
            throw e;
        }
    }

    private void await(Future<?> arriving) {
        try {
            arriving.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ImageException.cancelled("the pull of " + registry.image());
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ImageException failure) {
                throw new ImageException(failure.kind(), String.valueOf(failure.getMessage()), failure);
            }
            throw new IllegalStateException("unexpected: " + e.getCause(), e.getCause());
        }
    }
}
