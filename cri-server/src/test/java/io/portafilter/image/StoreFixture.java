package io.portafilter.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Kernel;
import io.portafilter.state.Database;
import io.portafilter.state.ImageRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** An image store in a directory of its own. */
final class StoreFixture implements AutoCloseable {
    final Path root;
    final Database database;
    final ImageStore store;

    private StoreFixture(Path root, RegistryOptions options) {
        this.root = root;
        try {
            Files.createDirectories(root);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        this.database = Database.open(root.resolve("portafilter.db"));
        this.store = ImageStore.open(root, database, options);
    }

    static StoreFixture open(Path root, RegistryOptions options) {
        assumeTrue(Kernel.geteuid() == 0, "unpacking a layer needs root: owners, device nodes, trusted attributes");
        return new StoreFixture(root, options);
    }

    static StoreFixture open(Path root) {
        return open(root, options());
    }

    /** Quick retries, no configuration. */
    static RegistryOptions options(Path... certsDirectories) {
        return new RegistryOptions(
                List.of(certsDirectories),
                Path.of("/nonexistent"),
                Proxies.none(),
                new Platform("linux", "amd64", ""),
                3,
                Duration.ofSeconds(20),
                Duration.ofMillis(5),
                4,
                Duration.ofHours(1));
    }

    ImageRecord pull(ImageReference reference) {
        return store.pull(reference, RegistryCredentials.anonymous(), _ -> {});
    }

    /** The uppermost layer's directory. */
    Path top(ImageRecord image) {
        return store.layerPathsTopFirst(image).getFirst();
    }

    /** What lies in the directories for layers and downloads that no record tells of. */
    List<String> leftovers() {
        List<String> found = new ArrayList<>();
        for (String directory : List.of("layers", "blobs", "blobs/partial")) {
            try (Stream<Path> files = Files.list(root.resolve(directory))) {
                files.map(Path::getFileName)
                        .map(Path::toString)
                        .filter(name -> database.layer("sha256:" + name).isEmpty() && !name.equals("partial"))
                        .forEach(found::add);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
        return found;
    }

    static ImageException failureOf(org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        Throwable thrown = org.assertj.core.api.Assertions.catchThrowable(call);
        assertThat(thrown).isInstanceOf(ImageException.class);
        return (ImageException) Optional.ofNullable(thrown).orElseThrow();
    }

    @Override
    public void close() {
        store.close();
        database.close();
    }
}
