package io.portafilter.image;

import static io.portafilter.image.TarFixture.tar;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.state.Bytes;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Reads what GNU tar writes, and what nobody should. */
class TarReaderTest {
    @TempDir
    Path work;

    private record Read(TarEntry entry, Bytes content) {
        byte[] data() {
            return content.toByteArray();
        }
    }

    private static List<Read> read(byte[] tar) throws IOException {
        TarReader reader = new TarReader(new ByteArrayInputStream(tar));
        List<Read> all = new ArrayList<>();
        for (Optional<TarEntry> next = reader.next(); next.isPresent(); next = reader.next()) {
            ByteArrayOutputStream data = new ByteArrayOutputStream();
            byte[] chunk = new byte[1000];
            for (int count = reader.read(chunk, 0, 1000); count >= 0; count = reader.read(chunk, 0, 1000)) {
                data.write(chunk, 0, count);
            }
            all.add(new Read(next.get(), Bytes.copyOf(data.toByteArray())));
        }
        return all;
    }

    /** The content of a file, holes included. */
    private static byte[] expand(Read read) {
        if (read.entry().runs().isEmpty()) {
            return read.data();
        }
        byte[] whole = new byte[(int) read.entry().fileBytes()];
        int at = 0;
        for (TarEntry.Run run : read.entry().runs()) {
            System.arraycopy(read.data(), at, whole, (int) run.offset(), (int) run.bytes());
            at += (int) run.bytes();
        }
        return whole;
    }

    private byte[] gnuTar(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("tar", "-C", work.toString(), "-cf", "-"));
        command.addAll(List.of(arguments));
        Process tar;
        try {
            tar = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException e) {
            assumeTrue(false, "GNU tar is missing");
            throw e;
        }
        byte[] bytes = tar.getInputStream().readAllBytes();
        assertThat(tar.waitFor()).isZero();
        return bytes;
    }

    @ParameterizedTest
    @ValueSource(strings = {"gnu", "posix", "oldgnu", "ustar"})
    void readsNamesSizesAndTimes(String format) throws IOException, InterruptedException {
        String directory = "d".repeat(90);
        Path file = work.resolve(directory).resolve("f".repeat(60));
        Files.createDirectories(file.getParent());
        byte[] content = new byte[5000];
        new Random(1).nextBytes(content);
        Files.write(file, content);
        Files.setLastModifiedTime(file, FileTime.from(Instant.ofEpochSecond(1_234_567_890)));

        List<Read> all = read(gnuTar("--format=" + format, directory));

        assertThat(all).hasSize(2);
        assertThat(all.getFirst().entry().type()).isEqualTo(TarEntry.Type.DIRECTORY);
        assertThat(all.getLast().entry().name()).isEqualTo(directory + "/" + "f".repeat(60));
        assertThat(all.getLast().entry().modified()).isEqualTo(Instant.ofEpochSecond(1_234_567_890));
        assertThat(all.getLast().data()).isEqualTo(content);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--format=gnu",
                "--format=posix --sparse-version=0.0",
                "--format=posix --sparse-version=0.1",
                "--format=posix --sparse-version=1.0"
            })
    void readsEachFormOfSparseFile(String options) throws IOException, InterruptedException {
        Path file = work.resolve("sparse");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            for (int i = 0; i < 60; i++) {
                sparse.seek(i * 65536L);
                sparse.write(("piece " + i).getBytes(StandardCharsets.UTF_8));
            }
            sparse.setLength(5_000_000);
        }
        Files.writeString(work.resolve("z-after"), "after");
        List<String> arguments = new ArrayList<>(List.of("-S"));
        arguments.addAll(List.of(options.split(" ")));
        arguments.addAll(List.of("sparse", "z-after"));

        List<Read> all = read(gnuTar(arguments.toArray(new String[0])));

        assertThat(all.getFirst().entry().name()).isEqualTo("sparse");
        assertThat(all.getFirst().entry().runs()).hasSizeGreaterThan(50);
        assertThat(expand(all.getFirst())).isEqualTo(Files.readAllBytes(file));
        assertThat(all.getLast().data()).isEqualTo("after".getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void readsAFileThatIsOneHole() throws IOException, InterruptedException {
        try (RandomAccessFile hole = new RandomAccessFile(work.resolve("hole").toFile(), "rw")) {
            hole.setLength(1_000_000);
        }

        List<Read> all = read(gnuTar("-S", "--format=posix", "hole"));

        assertThat(expand(all.getFirst())).isEqualTo(new byte[1_000_000]);
    }

    @Test
    void readsLargeNumbersAndFractionsOfSeconds() throws IOException, InterruptedException {
        Files.writeString(work.resolve("f"), "x");

        List<Read> gnu = read(gnuTar("--format=gnu", "--owner=:3000000000", "--group=:4000000000", "f"));
        List<Read> pax = read(gnuTar("--format=posix", "--mtime=@-1.25", "f"));

        assertThat(gnu.getFirst().entry().uid()).isEqualTo(3_000_000_000L);
        assertThat(gnu.getFirst().entry().gid()).isEqualTo(4_000_000_000L);
        assertThat(pax.getFirst().entry().modified()).isEqualTo(Instant.ofEpochSecond(-2, 750_000_000));
    }

    @Test
    void aGlobalHeaderChangesNothing() throws IOException {
        byte[] records = "20 path=elsewhere/x\n".getBytes(StandardCharsets.UTF_8);
        List<Read> all = read(
                tar().entry('g', "pax_global", "", records, 0, 0).file("f", "x").bytes());

        assertThat(all).hasSize(1);
        assertThat(all.getFirst().entry().name()).isEqualTo("f");
    }

    @Test
    void aLinkHasNoDataWhateverItsSizeSays() throws IOException {
        byte[] archive = tar().hardLink("l", "f").file("f", "x").bytes();
        // As Go reads it: the size of a link is not that of data
        byte[] header = Arrays.copyOf(archive, 512);
        System.arraycopy("00000001000".getBytes(StandardCharsets.US_ASCII), 0, header, 124, 11);
        fixChecksum(header);
        System.arraycopy(header, 0, archive, 0, 512);

        assertThat(read(archive)).extracting(read -> read.entry().name()).containsExactly("l", "f");
    }

    private static void fixChecksum(byte[] header) {
        Arrays.fill(header, 148, 156, (byte) ' ');
        int sum = 0;
        for (byte b : header) {
            sum += b & 0xff;
        }
        byte[] digits = "%06o\0 ".formatted(sum).getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(digits, 0, header, 148, 8);
    }

    @Test
    void refusesDamageAndNonsense() {
        byte[] archive = tar().file("f", "content").bytes();
        byte[] damaged = archive.clone();
        damaged[0] ^= 1;
        assertThatThrownBy(() -> read(damaged)).hasMessageContaining("checksum");
        assertThatThrownBy(() -> read(Arrays.copyOf(archive, 700))).isInstanceOf(EOFException.class);
        assertThatThrownBy(() -> read(Arrays.copyOf(archive, 100))).isInstanceOf(EOFException.class);
        assertThatThrownBy(
                        () -> read(tar().entry('q', "f", "", new byte[0], 0, 0).bytes()))
                .hasMessageContaining("unknown type");
    }

    @Test
    void boundsWhatItTakesIntoMemory() {
        byte[] archive = tar().entry('x', "p", "", new byte[0], 0, 0).bytes();
        System.arraycopy("77777777777".getBytes(StandardCharsets.US_ASCII), 0, archive, 124, 11);
        byte[] header = Arrays.copyOf(archive, 512);
        fixChecksum(header);
        System.arraycopy(header, 0, archive, 0, 512);
        assertThatThrownBy(() -> read(archive)).hasMessageContaining("the limit is");

        byte[] half = ("600000 comment=" + "x".repeat(599_984) + "\n").getBytes(StandardCharsets.US_ASCII);
        assertThatThrownBy(() -> read(tar().entry('x', "p", "", half, 0, 0)
                        .entry('x', "p", "", half, 0, 0)
                        .file("f", "")
                        .bytes()))
                .hasMessageContaining("the limit is");

        TarFixture chain = tar();
        for (int i = 0; i < 40; i++) {
            chain.entry('L', "l", "", "name".getBytes(StandardCharsets.US_ASCII), 0, 0);
        }
        assertThatThrownBy(() -> read(chain.file("f", "").bytes())).hasMessageContaining("extension headers");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "10 path=f\n0",
                "8 path=f\n",
                "99 path=f\n",
                "path=f\n",
                "10 pathxf\n",
                "0 path=f\n",
                "-1 path=f\n",
                "4 =\n",
                "99999999999999999999 path=f\n"
            })
    void refusesAMalformedExtendedHeader(String records) {
        byte[] bytes = records.getBytes(StandardCharsets.US_ASCII);

        assertThatThrownBy(() -> read(
                        tar().entry('x', "p", "", bytes, 0, 0).file("f", "").bytes()))
                .isInstanceOf(TarReader.TarException.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0,5,3,5", "10,5", "0,9223372036854775807", "-1,5", "0", "0,4"})
    void refusesASparseMapThatDoesNotFit(String map) {
        byte[] archive = tar().pax("GNU.sparse.size", "12")
                .pax("GNU.sparse.map", map)
                .file("f", "12345")
                .bytes();

        assertThatThrownBy(() -> read(archive)).isInstanceOf(TarReader.TarException.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"uid", "gid", "size", "mtime"})
    void refusesNumbersThatAreNone(String key) {
        assertThatThrownBy(() -> read(tar().pax(key, "0x10").file("f", "").bytes()))
                .isInstanceOf(TarReader.TarException.class);
    }
}
