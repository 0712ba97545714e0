package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.O_RDWR;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.FileInputStream;
import java.io.IOException;
import java.nio.channels.Selector;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SpawnTest {

    @TempDir
    private Path directory;

    private static String outputOf(String program, List<String> arguments, List<Integer> descriptors) {
        try (Fd nullDevice = Kernel.open("/dev/null", O_RDWR);
                Pipe output = Kernel.pipe2(0)) {
            int standardOutput = output.write().number();
            int pid = Kernel.posixSpawn(new SpawnRequest(
                    program,
                    arguments,
                    List.of("LC_ALL=C"),
                    List.of(nullDevice.number(), standardOutput, standardOutput),
                    descriptors,
                    false));
            output.write().close();
            String text = new String(Kernel.readAll(output.read(), 100_000), UTF_8);
            assertThat(Kernel.waitid(LinuxConstants.P_PID, pid, LinuxConstants.WEXITED))
                    .hasValueSatisfying(
                            status -> assertThat(status.status()).as(text).isZero());
            return text;
        }
    }

    @Test
    void aChildHasTheNamedDescriptorsAndNoOther() throws IOException {
        Path file = Files.writeString(directory.resolve("inherited"), "");
        // descriptors of the JVM that are not close-on-exec
        try (FileInputStream leaking = new FileInputStream(file.toFile());
                Selector selector = Selector.open();
                Fd third = Kernel.open("/dev/zero", O_RDWR);
                Fd fourth = Kernel.open("/dev/full", O_RDWR)) {
            assertThat(leaking.getFD().valid() && selector.isOpen()).isTrue();
            String listing =
                    outputOf("/bin/ls", List.of("ls", "-l", "/proc/self/fd"), List.of(third.number(), fourth.number()));
            List<String> links = new ArrayList<>();
            listing.lines().filter(line -> line.contains(" -> ")).forEach(line -> {
                String link = line.substring(line.lastIndexOf(' ', line.indexOf(" -> ") - 1) + 1);
                links.add(link.replaceFirst("pipe:.*", "pipe"));
            });
            assertThat(links).hasSize(6);
            assertThat(links.subList(0, 5))
                    .containsExactly("0 -> /dev/null", "1 -> pipe", "2 -> pipe", "3 -> /dev/zero", "4 -> /dev/full");
            // ls's own, of the directory that it lists
            assertThat(links.get(5)).startsWith("5 -> /proc/");
        }
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closed together
    void manyDescriptorsKeepTheirOrder() {
        List<Fd> open = new ArrayList<>();
        try {
            List<Integer> numbers = new ArrayList<>();
            StringBuilder script = new StringBuilder();
            for (int i = 0; i < 25; i++) {
                Fd memory = Kernel.memfdCreate("m" + i, LinuxConstants.MFD_CLOEXEC);
                open.add(memory);
                numbers.addFirst(memory.number());
                script.append("readlink /proc/$$/fd/").append(3 + i).append("; ");
            }
            List<String> expected = new ArrayList<>();
            for (int i = 24; i >= 0; i--) {
                expected.add("/memfd:m" + i + " (deleted)");
            }
            assertThat(outputOf("/bin/bash", List.of("bash", "-c", script.toString()), numbers)
                            .lines())
                    .containsExactlyElementsOf(expected);
        } finally {
            open.forEach(Fd::close);
        }
    }

    @Test
    void aChildStartsWithoutBlockedSignals() {
        ProcStatusLines status =
                ProcStatusLines.of(outputOf("/bin/cat", List.of("cat", "/proc/self/status"), List.of()));
        assertThat(status.value("SigBlk")).isEqualTo("0000000000000000");
        // 32 and 33 are glibc's own: posix_spawn leaves them ignored
        assertThat(Long.parseUnsignedLong(status.value("SigIgn"), 16) & ~(3L << 31))
                .isZero();
    }

    private record ProcStatusLines(List<String> lines) {
        static ProcStatusLines of(String text) {
            return new ProcStatusLines(text.lines().toList());
        }

        String value(String name) {
            Optional<String> line =
                    lines.stream().filter(text -> text.startsWith(name + ":")).findFirst();
            return line.orElseThrow().substring(name.length() + 1).strip();
        }
    }

    @Test
    void aMissingProgramIsReportedWithoutItsEnvironment() {
        assertThatThrownBy(
                        () -> Kernel.posixSpawn("/nowhere/x", List.of("x", "-v"), List.of("TOKEN=secret"), List.of()))
                .isInstanceOfSatisfying(KernelException.class, e -> {
                    assertThat(e.errno()).isEqualTo(Errno.ENOENT);
                    assertThat(e.getMessage())
                            .isEqualTo("posix_spawn(\"/nowhere/x\", [\"x\", \"-v\"], 1 variables, descriptors []):"
                                    + " ENOENT (No such file or directory)");
                });
    }

    @Test
    void aMemoryFileIsExecuted() throws IOException {
        byte[] program = Files.readAllBytes(Path.of("/bin/true"));
        int flags = LinuxConstants.MFD_CLOEXEC | LinuxConstants.MFD_ALLOW_SEALING | LinuxConstants.MFD_EXEC;
        try (Fd memory = Kernel.memfdCreate("true", flags)) {
            Kernel.writeFully(memory, program);
            Kernel.addSeals(memory, 0xf);
            int pid = Kernel.posixSpawn(
                    "/proc/" + Kernel.getpid() + "/fd/" + memory.number(), List.of("true"), List.of(), List.of());
            assertThat(Kernel.waitid(LinuxConstants.P_PID, pid, LinuxConstants.WEXITED))
                    .hasValueSatisfying(status -> {
                        assertThat(status.exited()).isTrue();
                        assertThat(status.status()).isZero();
                    });
        }
    }

    @Test
    void aFileThatIsBeingWrittenIsNotExecuted() throws IOException {
        Path program = directory.resolve("busy");
        Files.copy(Path.of("/bin/true"), program);
        try (Fd writer = Kernel.open(program.toString(), O_RDWR)) {
            assertThat(writer.isOpen()).isTrue();
            assertThatThrownBy(() -> Kernel.posixSpawn(program.toString(), List.of("busy"), List.of(), List.of()))
                    .isInstanceOfSatisfying(
                            KernelException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ETXTBSY));
        }
    }

    @Test
    void nothingStaysOpenHereAfterwards() throws IOException {
        outputOf("/bin/true", List.of("true"), List.of());
        long before = openDescriptors();
        for (int i = 0; i < 20; i++) {
            outputOf("/bin/true", List.of("true"), List.of());
            assertThatThrownBy(() -> Kernel.posixSpawn("/nowhere", List.of("x"), List.of(), List.of()))
                    .isInstanceOf(KernelException.class);
            assertThatThrownBy(() -> Kernel.posixSpawn("/bin/true", List.of("x"), List.of(), List.of(0, 99_999)))
                    .hasMessageStartingWith("posix_spawn_file_actions_adddup2(99999, 4): EBADF");
            // such a number may be one that was closed
            assertThatThrownBy(() -> Kernel.posixSpawn("/bin/true", List.of("x"), List.of(), List.of(0, 4_999)))
                    .hasMessageContaining("descriptors [0, 4999]")
                    .hasMessageContaining("EBADF");
        }
        assertThat(openDescriptors()).isLessThan(before + 10);
    }

    private static long openDescriptors() throws IOException {
        try (var entries = Files.list(Path.of("/proc/self/fd"))) {
            return entries.count();
        }
    }
}
