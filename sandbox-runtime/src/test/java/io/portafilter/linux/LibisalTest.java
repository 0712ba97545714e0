package io.portafilter.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class LibisalTest {

    @BeforeEach
    void needsTheLibrary() {
        assumeTrue(Libisal.isAvailable(), "needs libisal.so.2");
    }

    private static byte[] text(int length, int seed) {
        Random random = new Random(seed);
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) "etaoin shrdlu\n".charAt(random.nextInt(14));
        }
        return bytes;
    }

    private static byte[] gzip(byte[]... members) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] member : members) {
            GZIPOutputStream out = new GZIPOutputStream(all);
            out.write(member);
            out.finish();
        }
        return all.toByteArray();
    }

    private static byte[] concatenated(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    private static byte[] gunzip(InputStream compressed) throws IOException {
        try (InputStream in = Libisal.gunzip(compressed)) {
            return in.readAllBytes();
        }
    }

    private static InputStream inPieces(byte[] bytes, int size) {
        return new FilterInputStream(new ByteArrayInputStream(bytes)) {
            @Override
            public int read(byte[] target, int offset, int length) throws IOException {
                return super.read(target, offset, Math.min(length, size));
            }

            @Override
            public int available() {
                return 0;
            }
        };
    }

    @Test
    void allMembersAreDecompressed() throws IOException {
        byte[] first = text(3_000_000, 1);
        byte[] second = text(17, 2);
        byte[] third = text(700_000, 3);
        byte[] compressed = gzip(first, new byte[0], second, third);
        byte[] expected = concatenated(first, second, third);
        assertThat(gunzip(new ByteArrayInputStream(compressed))).isEqualTo(expected);
        assertThat(gunzip(inPieces(compressed, 1013))).isEqualTo(expected);
    }

    @Test
    void inputMayComeByteByByte() throws IOException {
        byte[] one = text(5_000, 4);
        byte[] two = text(3_000, 5);
        assertThat(gunzip(inPieces(gzip(one, two), 1))).isEqualTo(concatenated(one, two));
    }

    @Test
    void zerosAfterTheLastMemberAreIgnored() throws IOException {
        byte[] content = text(1000, 6);
        assertThat(gunzip(new ByteArrayInputStream(concatenated(gzip(content), new byte[600_000]))))
                .isEqualTo(content);
    }

    @Test
    void anythingElseAfterTheLastMemberIsRefused() throws IOException {
        byte[] compressed = concatenated(gzip(text(1000, 7)), KernelText.encode("some more text than a header has"));
        assertThatThrownBy(() -> gunzip(new ByteArrayInputStream(compressed))).isInstanceOf(ZipException.class);
    }

    @Test
    void aFileThatEndsEarlyIsRefusedWhereverItEnds() throws IOException {
        byte[] compressed = gzip(text(2000, 8));
        for (int length = 1; length < compressed.length; length++) {
            byte[] part = Arrays.copyOf(compressed, length);
            assertThatThrownBy(() -> gunzip(new ByteArrayInputStream(part)))
                    .as("%d of %d bytes", length, compressed.length)
                    .isInstanceOf(EOFException.class);
        }
    }

    @Test
    void aChangedByteIsDetected() throws IOException {
        byte[] compressed = gzip(text(100_000, 9));
        Random random = new Random(10);
        for (int i = 0; i < 300; i++) {
            byte[] changed = compressed.clone();
            // beyond the header, whose time and flags may say anything
            int at = 10 + random.nextInt(compressed.length - 10);
            changed[at] ^= (byte) (1 << random.nextInt(8));
            assertThatThrownBy(() -> gunzip(new ByteArrayInputStream(changed)))
                    .as("byte %d", at)
                    .isInstanceOf(IOException.class);
        }
    }

    @Test
    void otherFilesAreRefused() {
        assertThatThrownBy(() -> gunzip(new ByteArrayInputStream(text(100, 11))))
                .isInstanceOf(ZipException.class);
    }

    @Test
    void aStreamThatFailedDoesNotSpoilTheNext() throws IOException {
        assertThatThrownBy(() -> gunzip(new ByteArrayInputStream(Arrays.copyOf(gzip(text(9000, 12)), 2000))))
                .isInstanceOf(EOFException.class);
        byte[] content = text(50_000, 13);
        assertThat(gunzip(new ByteArrayInputStream(gzip(content)))).isEqualTo(content);
    }
}
