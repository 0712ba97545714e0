package io.portafilter.image;

import static io.portafilter.image.StoreFixture.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RegistryCredentialsTest {
    private static final ImageReference IMAGE = ImageReference.parse("registry.example:5000/app");

    private static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void readsEachWayToProveOneself() {
        assertThat(RegistryCredentials.of(IMAGE, "joe", "pw", "", "", "", ""))
                .isEqualTo(new RegistryCredentials.Basic("joe", "pw"));
        assertThat(RegistryCredentials.of(IMAGE, "", "", base64("joe:p:w\0\0"), "", "", ""))
                .isEqualTo(new RegistryCredentials.Basic("joe", "p:w"));
        assertThat(RegistryCredentials.of(IMAGE, "", "", "", "", "id", ""))
                .isEqualTo(new RegistryCredentials.IdentityToken("id"));
        assertThat(RegistryCredentials.of(IMAGE, "", "", "", "", "", "token"))
                .isEqualTo(new RegistryCredentials.RegistryToken("token"));
        assertThat(RegistryCredentials.of(IMAGE, "", "", "", "", "", "")).isEqualTo(RegistryCredentials.anonymous());
    }

    @ParameterizedTest
    @CsvSource({
        "registry.example:5000, true",
        "https://registry.example:5000/v2/, true",
        "REGISTRY.example:5000, true",
        "registry.example, false",
        "evil.example, false",
        "https://evil.example/registry.example:5000, false",
        "registry.example:5000.evil.example, false",
    })
    void countOnlyForTheServerThatTheyName(String serverAddress, boolean used) {
        RegistryCredentials read = RegistryCredentials.of(IMAGE, "joe", "pw", "", serverAddress, "", "");

        assertThat(!read.equals(RegistryCredentials.anonymous())).isEqualTo(used);
    }

    @Test
    void dockerHubIsKnownByItsOldNameToo() {
        assertThat(RegistryCredentials.of(
                        ImageReference.parse("busybox"), "joe", "pw", "", "https://index.docker.io/v1/", "", ""))
                .isEqualTo(new RegistryCredentials.Basic("joe", "pw"));
    }

    @Test
    void refusesWhatIsNoUserAndPassword() {
        assertThat(failureOf(() -> RegistryCredentials.of(IMAGE, "", "", base64("nocolon"), "", "", ""))
                        .kind())
                .isEqualTo(ImageException.Kind.UNAUTHORIZED);
        assertThat(failureOf(() -> RegistryCredentials.of(IMAGE, "", "", "%secret%", "", "", "")))
                .hasMessageNotContaining("secret");
    }

    @Test
    void neverShowASecret() {
        assertThat(new RegistryCredentials.Basic("joe", "secret").toString()).doesNotContain("secret");
        assertThat(new RegistryCredentials.IdentityToken("secret").toString()).doesNotContain("secret");
        assertThat(new RegistryCredentials.RegistryToken("secret").toString()).doesNotContain("secret");
    }
}
