package io.portafilter.image;

import static io.portafilter.image.StoreFixture.failureOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImageReferenceTest {
    private static final String HEX = "0123456789abcdef".repeat(4);

    @ParameterizedTest
    @CsvSource({
        "busybox, docker.io/library/busybox:latest",
        "busybox:1.36, docker.io/library/busybox:1.36",
        "team/app, docker.io/team/app:latest",
        "docker.io/busybox, docker.io/library/busybox:latest",
        "index.docker.io/library/busybox:1, docker.io/library/busybox:1",
        "localhost/app, localhost/app:latest",
        "localhost:5000/a/b/c:x_Y.z-1, localhost:5000/a/b/c:x_Y.z-1",
        "registry.k8s.io/pause:3.9, registry.k8s.io/pause:3.9",
        "[::1]:5000/app, [::1]:5000/app:latest",
        "UPPER/app, UPPER/app:latest",
        "x/a__b.c---d, docker.io/x/a__b.c---d:latest",
    })
    void normalisesAsTheDistributionProjectDoes(String written, String normalised) {
        assertThat(ImageReference.parse(written)).hasToString(normalised);
        assertThat(ImageReference.parse(normalised)).hasToString(normalised);
    }

    @Test
    void aDigestDecidesAndGivesNoTag() {
        ImageReference both = ImageReference.parse("busybox:1@sha256:" + HEX);

        assertThat(both).hasToString("docker.io/library/busybox:1@sha256:" + HEX);
        assertThat(both.tagOrDigest()).isEqualTo("sha256:" + HEX);
        assertThat(both.taggedName()).isEmpty();
        assertThat(ImageReference.parse("busybox@sha256:" + HEX).tag()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "/app",
                "app/",
                "a//b",
                "App",
                "docker.io/Team/app",
                "app:",
                "app:-x",
                "app:a b",
                "app@sha256:abc",
                "app@md5:0123456789abcdef0123456789abcdef",
                "app@sha256:" + "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "host_name.x/app",
                "-host.io/app",
                "host.io:port/app",
                "../../etc/passwd",
                "host.io/../app",
                "a..b/c",
                "app\u0000",
                "app\n",
                "http://host.io/app",
                "user@host.io/app"
            })
    void refusesWhatIsNoReference(String written) {
        assertThat(failureOf(() -> ImageReference.parse(written)).kind())
                .isEqualTo(ImageException.Kind.INVALID_REFERENCE);
    }

    @Test
    void refusesANameOfMoreThan255Characters() {
        assertThat(failureOf(() -> ImageReference.parse("host.io/" + "a".repeat(248))))
                .hasMessageContaining("255");
        assertThat(ImageReference.parse("host.io/" + "a".repeat(247)).name()).hasSize(255);
    }

    @Test
    void aTextOfManyPartsIsMeasuredBeforeItIsTakenApart() {
        assertThatThrownBy(() -> ImageReference.parse("a" + ".a".repeat(200_000)))
                .isInstanceOf(ImageException.class)
                .hasMessageContaining("400001 characters")
                .message()
                .hasSizeLessThan(500);
        assertThat(ImageReference.parse(
                                "h.example/" + "a".repeat(245) + ":" + "t".repeat(128) + "@sha512:" + "0".repeat(128))
                        .tag())
                .isPresent();
    }
}
