package io.portafilter.e2e;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * For a test class: a server of its own, started before its first test and ended after its last, and the registry that
 * all classes share. Skips the class, saying what is missing, where the machine cannot run it. Removes the pods of each
 * test; shows the end of the server's log when a test fails.
 */
public final class Live implements BeforeAllCallback, BeforeEachCallback, AfterEachCallback, AfterAllCallback {
    private final String moreToml;
    private final Supplier<String> missing;
    private final Map<String, String> pulled = new ConcurrentHashMap<>();
    private Optional<PortafilterServer> server = Optional.empty();
    private Optional<TestRegistry> registry = Optional.empty();

    private Live(String moreToml, Supplier<String> missing) {
        this.moreToml = moreToml;
        this.missing = missing;
    }

    public static Live server() {
        return server("");
    }

    /** @param moreToml lines of the configuration file */
    public static Live server(String moreToml) {
        return server(moreToml, () -> "");
    }

    /** @param missing what the machine lacks for a server of this configuration, asked before it is started; or nothing */
    public static Live server(String moreToml, Supplier<String> missing) {
        return new Live(moreToml, missing);
    }

    @Override
    public void beforeAll(ExtensionContext context) {
        assumeTrue("root".equals(System.getProperty("user.name")), "root is needed");
        String lack = missing.get();
        assumeTrue(lack.isEmpty(), lack);
        assumeTrue(Tree.busybox().isPresent(), "busybox-static is missing");
        assumeTrue(Tree.dockerRegistry().isPresent(), "docker-registry is missing");
        registry = Optional.of(context.getRoot()
                .getStore(ExtensionContext.Namespace.GLOBAL)
                .computeIfAbsent("registry", key -> TestRegistry.start(), TestRegistry.class));
        PortafilterServer configured = PortafilterServer.configured(moreToml);
        server = Optional.of(configured);
        var _ = configured.start();
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        // A test that failed may have left the server dead.
        if (!portafilter().isRunning()) {
            var _ = portafilter().start();
        }
    }

    @Override
    public void afterEach(ExtensionContext context) {
        context.getExecutionException()
                .filter(e -> !(e instanceof org.opentest4j.TestAbortedException))
                .ifPresent(e -> System.err.println("--- server log of the failed test " + context.getDisplayName()
                        + "\n" + portafilter().logTail() + "\n---"));
        if (portafilter().isRunning()) {
            AtOnce.run(cri().pods().stream().<Runnable>map(pod -> () -> cri().removePod(pod.getId())));
        }
    }

    @Override
    public void afterAll(ExtensionContext context) {
        server.ifPresent(PortafilterServer::close);
    }

    public PortafilterServer portafilter() {
        return server.orElseThrow();
    }

    public TestRegistry registry() {
        return registry.orElseThrow();
    }

    public Cri cri() {
        return portafilter().cri();
    }

    public PodFixture pod() {
        return PodFixture.pod(portafilter());
    }

    /** The reference of an image that is in the registry and pulled. */
    public String image(TestImage image) {
        return pulled.computeIfAbsent(image.id(), id -> {
            // One repository: what images have in common is sent once.
            String reference = registry().push("images", id.substring(7, 19), image);
            var _ = cri().pull(reference);
            return reference;
        });
    }

    public String busybox() {
        return image(TestImages.busybox());
    }

    /** The image of {@link TestImages#attacker}; skips the test without it. */
    public String attacker() {
        assumeTrue(Attacker.IMAGE.isPresent(), "perl-base or coreutils is missing: no attacker");
        return image(Attacker.IMAGE.orElseThrow());
    }

    /** What the kernel holds for the server now. */
    public Host host() {
        return Host.of(portafilter());
    }

    /** Waits until nothing differs from {@code before}; fails with what still does. */
    public void awaitAsBefore(Host before) {
        Await.untilEquals(
                "what the server holds",
                java.time.Duration.ofSeconds(10),
                List.of(),
                () -> host().differencesFrom(before));
    }

    /** A new directory of the host, removed with the server. */
    public Path directory(String name) {
        try {
            return Files.createTempDirectory(portafilter().base(), name);
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /**
     * A file with the manifest of a pod.
     *
     * @param spec what is below {@code spec}; IMAGE is the image of busybox
     */
    public Path manifest(String name, String spec) {
        try {
            return Files.writeString(
                    directory("manifest").resolve(name + ".yaml"),
                    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\nspec:\n"
                            + spec.replace("IMAGE", busybox()).indent(2));
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    // Made once per run, when first used.
    private static final class Attacker {
        static final Optional<TestImage> IMAGE = TestImages.attacker();
    }
}
