package io.portafilter.image;

import static io.portafilter.image.RegistryFixture.Wants.BASIC;
import static io.portafilter.image.StoreFixture.failureOf;
import static io.portafilter.image.TarFixture.tar;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What {@code hosts.toml} does to a pull: mirrors and TLS. */
@Timeout(60)
class MirrorTest {
    private static final byte[] LAYER = tar().file("hello", "hello").bytes();

    @TempDir
    Path root;

    private StoreFixture fixture;
    private RegistryFixture registry;

    @BeforeEach
    void open() {
        fixture = StoreFixture.open(root.resolve("lib"), StoreFixture.options(root.resolve("certs.d")));
        registry = RegistryFixture.plain();
        registry.image("1", LAYER);
    }

    @AfterEach
    void close() {
        if (registry != null) {
            registry.close();
            fixture.close();
        }
    }

    private void hosts(RegistryFixture of, String toml) throws IOException {
        Path directory = Files.createDirectories(root.resolve("certs.d").resolve(of.authority()));
        Files.writeString(directory.resolve("hosts.toml"), toml);
    }

    // ---- mirrors

    @Test
    void asksTheMirrorFirstWithoutTheCallersCredentials() throws IOException {
        try (RegistryFixture mirror = RegistryFixture.plain()) {
            mirror.image("1", LAYER);
            hosts(
                    registry,
                    "[host.\"http://%s\"]\n[host.\"http://%s\".header]\nx-key = \"k\""
                            .formatted(mirror.authority(), mirror.authority()));

            fixture.store.pull(registry.reference("1"), new RegistryCredentials.Basic("joe", "secret"), _ -> {});

            assertThat(registry.requests).isEmpty();
            assertThat(mirror.requests).isNotEmpty().allSatisfy(request -> {
                assertThat(request.header("Authorization")).isEmpty();
                assertThat(request.header("x-key")).contains("k");
                assertThat(request.query()).isEqualTo("ns=" + Registry.encode(registry.authority()));
            });
        }
    }

    @Test
    void goesOnToTheRegistryWhenTheMirrorIsDeadEmptyOrWantsCredentials() throws IOException {
        try (RegistryFixture empty = RegistryFixture.plain();
                RegistryFixture closed = RegistryFixture.plain()) {
            closed.wants = BASIC;
            hosts(
                    registry,
                    "[host.\"http://127.0.0.1:9\"]\n[host.\"http://%s\"]\n[host.\"http://%s\"]"
                            .formatted(empty.authority(), closed.authority()));

            assertThat(fixture.pull(registry.reference("1")).tags()).hasSize(1);
            assertThat(empty.requests).isNotEmpty();
            assertThat(closed.requests).isNotEmpty();
        }
    }

    @Test
    void aMirrorThatLiesIsDroppedForTheRegistry() throws IOException {
        try (RegistryFixture liar = RegistryFixture.plain()) {
            byte[] layer = RegistryFixture.gzip(LAYER);
            byte[] wrong = layer.clone();
            wrong[wrong.length - 9] ^= 1;
            liar.image("1", LAYER);
            liar.falsify(Digest.sha256(layer), wrong);
            hosts(registry, "[host.\"http://%s\"]".formatted(liar.authority()));

            assertThat(fixture.top(fixture.pull(registry.reference("1"))).resolve("hello"))
                    .hasContent("hello");
            assertThat(registry.count("/blobs/")).isEqualTo(1);
        }
    }

    @Test
    void aMirrorWithoutTheCapabilityIsNotAskedForTags() throws IOException {
        try (RegistryFixture mirror = RegistryFixture.plain()) {
            mirror.image("1", LAYER);
            hosts(registry, "[host.\"http://%s\"]\ncapabilities = [\"pull\"]".formatted(mirror.authority()));

            fixture.pull(registry.reference("1"));

            assertThat(mirror.count("/manifests/")).isZero();
            assertThat(mirror.count("/blobs/")).isEqualTo(2);
        }
    }

    @Test
    void aWrongFileStopsThePull() throws IOException {
        hosts(registry, "host = 3");

        ImageException failure = failureOf(() -> fixture.pull(registry.reference("1")));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.REGISTRY_UNAVAILABLE);
        assertThat(failure).hasMessageContaining("hosts.toml line 1");
        assertThat(registry.requests).isEmpty();
    }

    // ---- TLS

    @Test
    void trustsAServerByTheCertificateThatIsConfiguredForIt()
            throws IOException, InterruptedException, GeneralSecurityException {
        TlsIdentity identity = TlsIdentity.create(root, "server", "ip:127.0.0.1");
        try (RegistryFixture secure = RegistryFixture.secure(identity.context())) {
            secure.image("1", LAYER);
            hosts(secure, "server = \"https://%s\"".formatted(secure.authority()));
            ImageException untrusted = failureOf(() -> fixture.pull(secure.reference("1")));
            assertThat(untrusted.kind()).isEqualTo(ImageException.Kind.REGISTRY_UNAVAILABLE);
            assertThat(untrusted).hasMessageContaining("TLS");

            hosts(secure, "server = \"https://%s\"\nca = \"%s\"".formatted(secure.authority(), identity.certificate()));
            assertThat(fixture.pull(secure.reference("1")).tags()).hasSize(1);
        }
    }

    @Test
    void refusesACertificateForAnotherHostUnlessToldNotToLook()
            throws IOException, InterruptedException, GeneralSecurityException {
        TlsIdentity identity = TlsIdentity.create(root, "other", "dns:other.example");
        try (RegistryFixture secure = RegistryFixture.secure(identity.context())) {
            secure.image("1", LAYER);
            String server = "server = \"https://%s\"\n".formatted(secure.authority());
            hosts(secure, server + "ca = [\"%s\"]".formatted(identity.certificate()));
            assertThat(failureOf(() -> fixture.pull(secure.reference("1")))).hasMessageContaining("TLS");

            hosts(secure, server + "skip_verify = true");
            assertThat(fixture.pull(secure.reference("1")).tags()).hasSize(1);
        }
    }

    @Test
    void whatAServerIsTrustedByCountsForNoOtherThatItRedirectsTo()
            throws IOException, InterruptedException, GeneralSecurityException {
        TlsIdentity identity = TlsIdentity.create(root, "server", "ip:127.0.0.1");
        try (RegistryFixture secure = RegistryFixture.secure(identity.context());
                RegistryFixture elsewhere = RegistryFixture.secure(identity.context())) {
            secure.image("1", LAYER);
            elsewhere.image("1", LAYER);
            secure.blobsAt = Optional.of(URI.create("https://" + elsewhere.authority()));
            hosts(secure, "server = \"https://%s\"\nskip_verify = true".formatted(secure.authority()));

            assertThat(failureOf(() -> fixture.pull(secure.reference("1")))).hasMessageContaining("TLS");
            assertThat(elsewhere.requests).isEmpty();
        }
    }

    @Test
    void aSecureServerMayNotRedirectToAnInsecureOne()
            throws IOException, InterruptedException, GeneralSecurityException {
        TlsIdentity identity = TlsIdentity.create(root, "server", "ip:127.0.0.1");
        try (RegistryFixture secure = RegistryFixture.secure(identity.context())) {
            secure.image("1", LAYER);
            secure.blobsAt = Optional.of(URI.create("http://" + registry.authority()));
            hosts(secure, "server = \"https://%s\"\nca = \"%s\"".formatted(secure.authority(), identity.certificate()));

            assertThat(failureOf(() -> fixture.pull(secure.reference("1")))).hasMessageContaining("less secure");
            assertThat(registry.requests).isEmpty();
        }
    }
}
