package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.ListImagesResponse;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.PodSandbox;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OutputTest {
    @TempDir
    Path directory = Path.of("");

    private final ByteArrayOutputStream stdout = new ByteArrayOutputStream();
    private final ByteArrayOutputStream stderr = new ByteArrayOutputStream();
    private final ContainerOutput output = new ContainerOutput(stdout, stderr);

    private Path log(String... lines) throws IOException {
        return Files.writeString(
                directory.resolve("0.log"),
                String.join("\n", lines) + "\n",
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND);
    }

    private String out() {
        return stdout.toString(StandardCharsets.UTF_8);
    }

    private String err() {
        return stderr.toString(StandardCharsets.UTF_8);
    }

    @Test
    void streamsAreToldApartAndPiecesJoined() throws IOException {
        Path log = log(
                "2026-01-01T00:00:00.000000001Z stdout F hello  world ",
                "2026-01-01T00:00:00.000000002Z stderr F oh",
                "2026-01-01T00:00:00.000000003Z stdout P long ",
                "2026-01-01T00:00:00.000000003Z stdout F line",
                "2026-01-01T00:00:00.000000004Z stdout F ",
                "2026-01-01T00:00:00.000000005Z stdout P no end");
        try (LogFollower follower = new LogFollower(log)) {
            follower.poll(output.plain());
        }
        assertThat(out()).isEqualTo("hello  world \nlong line\n\nno end");
        assertThat(err()).isEqualTo("oh\n");
    }

    @Test
    void severalContainersArePrefixedLineByLine() throws IOException {
        LogFollower.Sink a = output.named("a");
        LogFollower.Sink b = output.named("b");
        accept(a, false, "one ", false);
        accept(b, false, "other", true);
        accept(a, true, "error", true);
        accept(a, false, "two", true);
        accept(b, false, "rest", false);
        b.end();
        assertThat(out()).isEqualTo("[b] other\n[a] one two\n[b] rest\n");
        assertThat(err()).isEqualTo("[a] error\n");
    }

    private static void accept(LogFollower.Sink sink, boolean stderr, String text, boolean whole) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        sink.accept("t", stderr, bytes, 0, bytes.length, whole);
    }

    @Test
    void whatIsWrittenLaterIsReadLaterOverARotation() throws IOException {
        try (LogFollower follower = new LogFollower(directory.resolve("0.log"))) {
            follower.poll(output.plain());
            assertThat(out()).isEmpty();
            Path log = log("t stdout F one");
            follower.poll(output.plain());
            follower.poll(output.plain());
            log("t stdout F two");
            Files.move(log, directory.resolve("0.log.old"));
            follower.poll(output.plain());
            log("t stdout F three");
            follower.poll(output.plain());
            follower.poll(output.plain());
        }
        assertThat(out()).isEqualTo("one\ntwo\nthree\n");
    }

    @Test
    void aLineThatIsNotWholeYetWaits() throws IOException {
        Path log = Files.writeString(directory.resolve("0.log"), "t stdout F hal");
        try (LogFollower follower = new LogFollower(log)) {
            follower.poll(output.plain());
            assertThat(out()).isEmpty();
            Files.writeString(log, "f\n", StandardOpenOption.APPEND);
            follower.poll(output.plain());
        }
        assertThat(out()).isEqualTo("half\n");
    }

    @Test
    void bytesPassAsTheyAre() throws IOException {
        byte[] odd = {'t', ' ', 's', 't', 'd', 'o', 'u', 't', ' ', 'F', ' ', (byte) 0xff, 0, (byte) 0xc3, '\r', '\n'};
        Path log = Files.write(directory.resolve("0.log"), odd);
        try (LogFollower follower = new LogFollower(log)) {
            follower.poll(output.plain());
        }
        assertThat(stdout.toByteArray()).containsExactly(0xff, 0, 0xc3, '\r', '\n');
    }

    @ParameterizedTest
    @CsvSource({
        "0,Less than a second ago",
        "1,1 second ago",
        "59,59 seconds ago",
        "60,About a minute ago",
        "150,2 minutes ago",
        "3600,About an hour ago",
        "18000,5 hours ago",
        "259200,3 days ago",
        "1814400,3 weeks ago",
        "7776000,3 months ago",
        "94608000,3 years ago"
    })
    void ages(long seconds, String expected) {
        assertThat(Shown.ago(1_000_000_000L, Instant.ofEpochSecond(1 + seconds)))
                .isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({"0,0B", "999,999B", "1000,1kB", "1234567,1.23MB", "45600000,45.6MB", "2000000000,2GB"})
    void sizes(long bytes, String expected) {
        assertThat(Shown.size(bytes)).isEqualTo(expected);
    }

    @Test
    void columnsAreAligned() {
        Table table = new Table("POD ID", "NAME", "STATE");
        table.row("0123456789abc", "a", "Ready");
        assertThat(table.toString()).isEqualTo("POD ID          NAME      STATE\n0123456789abc   a         Ready\n");
    }

    @Test
    void messagesAsProtobufsJson() {
        String json = MessageJson.of(ListImagesResponse.newBuilder()
                .addImages(Image.newBuilder()
                        .setId("sha256:a")
                        .addRepoTags("a:\"1\"")
                        .setSize(-1)
                        .setUid(Int64Value.newBuilder().setValue(5)))
                .build());
        assertThat(json.replaceAll("\\s+", ""))
                .contains("\"images\":[{\"id\":\"sha256:a\",\"repoTags\":[\"a:\\\"1\\\"\"]")
                .contains("\"size\":\"18446744073709551615\"", "\"uid\":{\"value\":\"5\"}", "\"pinned\":false");
        String mount = MessageJson.of(Mount.newBuilder()
                .setPropagation(MountPropagation.PROPAGATION_BIDIRECTIONAL)
                .addUidMappings(IDMapping.newBuilder().setHostId(-1))
                .build());
        assertThat(mount.replaceAll("\\s+", ""))
                .contains("\"propagation\":\"PROPAGATION_BIDIRECTIONAL\"", "\"hostId\":4294967295", "\"image\":null");
        assertThat(MessageJson.of(PodSandbox.newBuilder().putLabels("a.b", "c").build()))
                .contains("\"a.b\" : \"c\"");
    }

    @ParameterizedTest
    @CsvSource({"0 0 0,0", "0 3 4,3", "1 0 0,1", "0 0 137,137"})
    void theFirstStatusThatIsNotZeroCounts(String statuses, int expected) {
        assertThat(ExitRule.ofPod(List.of(statuses.split(" ")).stream()
                        .map(Integer::valueOf)
                        .toList()))
                .isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({
        "ALWAYS,0,true",
        "ALWAYS,1,true",
        "ON_FAILURE,0,false",
        "ON_FAILURE,1,true",
        "NEVER,0,false",
        "NEVER,1,false"
    })
    void restarts(Pod.RestartPolicy policy, int status, boolean expected) {
        assertThat(ExitRule.restarts(policy, status)).isEqualTo(expected);
    }
}
