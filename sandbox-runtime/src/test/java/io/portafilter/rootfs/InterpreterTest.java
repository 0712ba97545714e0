package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InterpreterTest {

    @TempDir
    Path directory;

    private Optional<String> missing(String program) {
        try (Fd root = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY)) {
            return Interpreter.missing(root, program);
        }
    }

    private static Optional<String> of(String text) {
        return Interpreter.of(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void aScriptNamesItOnItsFirstLine() {
        assertThat(of("#!/bin/sh\necho\n")).contains("/bin/sh");
        assertThat(of("#! /usr/bin/env  python3\n")).contains("/usr/bin/env");
        assertThat(of("#!/bin/sh\r\n")).contains("/bin/sh");
        assertThat(of("#!")).isEmpty();
        assertThat(of("#!  \n/bin/sh")).isEmpty();
        assertThat(of("echo\n#!/bin/sh")).isEmpty();
    }

    @Test
    void whatAPersonShouldNotBeShownIsNotNamed() {
        assertThat(of("#!/bin/\u001b[2Jsh\n")).isEmpty();
        assertThat(of("#!/" + "x".repeat(255) + "\n")).isEmpty();
        assertThat(of("#!/" + "x".repeat(254) + "\n")).isPresent();
    }

    @Test
    void aProgramOfThisMachineNamesItsLoader() throws IOException {
        byte[] java = Files.readAllBytes(Path.of(System.getProperty("java.home"), "bin/java"));
        assertThat(Interpreter.of(java))
                .hasValueSatisfying(
                        loader -> assertThat(loader).startsWith("/lib").contains("ld-linux"));
    }

    /** Of a header that points anywhere, nothing is read beyond the bytes that are there. */
    @ParameterizedTest
    @ValueSource(longs = {0, 63, 64, 72, 4095, 1L << 31, Long.MAX_VALUE, Long.MIN_VALUE, -1})
    void aHeaderThatPointsAnywhereNamesNothing(long offset) {
        ByteBuffer elf = ByteBuffer.allocate(128).order(ByteOrder.LITTLE_ENDIAN);
        elf.put(new byte[] {0x7f, 'E', 'L', 'F', 2, 1});
        elf.putLong(32, offset).putShort(54, (short) 56).putShort(56, (short) 0xffff);
        assertThat(Interpreter.of(elf.array())).isEmpty();
        elf.putLong(32, 64).putInt(64, 3).putLong(72, offset).putLong(96, Long.MAX_VALUE);
        assertThat(Interpreter.of(elf.array())).isEmpty();
        elf.putLong(96, 0);
        assertThat(Interpreter.of(elf.array())).isEmpty();
    }

    @Test
    void isMissingOnlyWhenItIsNotBelowTheRoot() throws IOException {
        Files.createDirectory(directory.resolve("bin"));
        Files.writeString(directory.resolve("bin/script"), "#!/bin/interpreter\n");
        assertThat(missing("/bin/script")).contains("/bin/interpreter");
        Files.createSymbolicLink(directory.resolve("bin/interpreter"), Path.of("/etc/passwd"));
        assertThat(missing("/bin/script")).contains("/bin/interpreter"); // the host's is not meant
        Files.delete(directory.resolve("bin/interpreter"));
        Files.writeString(directory.resolve("bin/interpreter"), "");
        assertThat(missing("/bin/script")).isEmpty();
        assertThat(missing("/bin/nothing")).isEmpty();
        assertThat(missing("/bin")).isEmpty();
    }
}
