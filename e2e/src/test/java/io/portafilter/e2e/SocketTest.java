package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who may speak to the server, and what others on the node learn from its files and sockets. */
class SocketTest {
    private static final Set<PosixFilePermission> OF_OTHERS = PosixFilePermissions.fromString("---rwxrwx");

    /** Connects, sends HTTP/2's first words and prints how many bytes came back, as the user that it is told. */
    private static final String GREET = """
            my ($uid, $path) = @ARGV;
            $) = "$uid $uid"; $( = $uid; syscall(117, $uid + 0, $uid + 0, $uid + 0) == 0 or die "setresuid: $!";
            socket(my $s, 1, 1, 0) or die $!;
            connect($s, pack("Sa*", 1, "$path\\0")) or do { print "refused by the kernel"; exit };
            $SIG{PIPE} = "IGNORE";
            syswrite($s, "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0\\0\\4\\0\\0\\0\\0\\0");
            $SIG{ALRM} = sub { print "silence"; exit }; alarm 10;
            my $n = sysread($s, my $answer, 9);
            print $n ? "answered" : "closed";
            """;

    /** 127.0.0.1 of a socket of both families, as /proc/net/tcp6 writes it. */
    private static final String MAPPED_LOOPBACK = "0000000000000000FFFF00000100007F:";

    @RegisterExtension
    static final Live live = Live.server();

    @BeforeAll
    static void needsPerl() {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/perl")), "perl-base is missing");
    }

    private static String greet(int uid, Path socket) {
        return Commands.run("/usr/bin/perl", "-e", GREET, Integer.toString(uid), socket.toString())
                .orFail();
    }

    private static String mode(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
    }

    @Test
    void theSocketIsRootsAlone() throws IOException {
        Path socket = live.portafilter().socket();
        assertThat(mode(socket)).isEqualTo("rw-------");
        assertThat((Integer) Files.getAttribute(socket, "unix:uid")).isZero();
        assertThat(mode(socket.resolveSibling("."))).isEqualTo("rwx------");
        assertThat(greet(0, socket)).isEqualTo("answered");
        assertThat(greet(1000, socket)).isEqualTo("refused by the kernel");
    }

    /** Somebody loosened the modes: the kernel lets others connect, the server does not speak to them. */
    @Test
    void anotherUserIsNotAnsweredWhateverTheModesSay() throws IOException {
        Path socket = live.portafilter().socket();
        Path state = live.portafilter().state();
        Files.setPosixFilePermissions(state, PosixFilePermissions.fromString("rwx--x--x"));
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-rw-rw-"));
        try {
            for (int uid : List.of(1, 1000, 65_534, 100_000)) {
                assertThat(greet(uid, socket)).as("uid %d", uid).isEqualTo("closed");
            }
            assertThat(greet(0, socket)).isEqualTo("answered");
            assertThat(live.portafilter().logText()).contains("peer.refused uid=1000");
        } finally {
            Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
            Files.setPosixFilePermissions(state, PosixFilePermissions.fromString("rwx------"));
        }
    }

    /** Abstract names belong to the network namespace, and so to every pod on the host's network (CVE-2020-15257). */
    @Test
    void noAbstractSocketIsTheServers() throws IOException {
        Set<String> inodes;
        try (Stream<Path> descriptors =
                Files.list(Path.of("/proc/" + live.portafilter().pid() + "/fd"))) {
            inodes = descriptors
                    .map(SocketTest::target)
                    .filter(target -> target.startsWith("socket:["))
                    .map(target -> target.substring(8, target.length() - 1))
                    .collect(Collectors.toSet());
        }
        List<String[]> sockets = Files.readAllLines(Path.of("/proc/net/unix")).stream()
                .map(line -> line.trim().split("\\s+"))
                .filter(fields -> fields.length > 6 && inodes.contains(fields[6]))
                .toList();
        assertThat(sockets).isNotEmpty();
        assertThat(sockets)
                .allSatisfy(
                        fields -> assertThat(fields.length > 7 ? fields[7] : "").doesNotStartWith("@"));
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            return "";
        }
    }

    /** A pod on the host's network reaches what listens there: nothing of the server's. */
    @Test
    void aPodOnTheHostsNetworkGetsNothingFromThePortsOfTheServer() throws IOException {
        Container container =
                live.pod().hostNetwork().run().container(live.busybox()).idle().start();
        String pid = Long.toString(live.portafilter().pid());
        Set<String> inodes;
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/" + pid + "/fd"))) {
            inodes = descriptors.map(SocketTest::target).collect(Collectors.toSet());
        }
        // Or the list would be empty for another reason: it listens on one socket at least.
        assertThat(inodes).anyMatch(target -> target.startsWith("socket:["));
        List<String> listening = container
                .shell("cat /proc/net/tcp /proc/net/tcp6")
                .lines()
                .map(line -> line.trim().split("\\s+"))
                .filter(fields -> fields.length > 9 && fields[3].equals("0A"))
                .filter(fields -> inodes.contains("socket:[" + fields[9] + "]"))
                .map(fields -> fields[1])
                .toList();
        // exec, attach and port-forward: on loopback, and for nobody without a token
        assertThat(listening)
                .as("addresses of ports that the server listens on")
                .hasSize(1)
                .allMatch(address -> address.startsWith("0100007F:") || address.startsWith(MAPPED_LOOPBACK));
        int port = HexFormat.fromHexDigits(
                listening.getFirst().substring(listening.getFirst().indexOf(':') + 1));
        for (String path : List.of("/", "/exec/", "/exec/guessed", "/attach/guessed", "/portforward/guessed")) {
            assertThat(container
                            .exec("/bin/wget", "-q", "-O-", "http://127.0.0.1:" + port + path)
                            .stderr())
                    .as(path)
                    .contains(" 404 ");
        }
        assertThat(container
                        .exec("/bin/ls", live.portafilter().state().toString())
                        .exitCode())
                .isNotZero();
    }

    /** World-traversable state let users of the node run setuid programs of images (CVE-2021-41103, CVE-2024-25621). */
    @Test
    void nobodyElseEntersRootOrStateDirectory() throws IOException {
        Pod pod = live.pod().run();
        var _ = pod.container(live.busybox())
                .idle()
                .seccomp(ProfileType.RuntimeDefault)
                .start();
        var _ = pod.container(live.busybox()).idle().create();
        for (Path top : List.of(live.portafilter().root(), live.portafilter().state())) {
            assertThat(mode(top)).as(top.toString()).isEqualTo("rwx------");
            assertThat((Integer) Files.getAttribute(top, "unix:uid")).isZero();
        }
        // What belongs to images and pods has the modes that these want, behind directories that others cannot enter.
        List<String> loose = new ArrayList<>();
        for (Path top : List.of(live.portafilter().root(), live.portafilter().state())) {
            walk(top, loose);
        }
        assertThat(loose).isEmpty();
    }

    private static void walk(Path top, List<String> loose) throws IOException {
        Path _ = Files.walkFileTree(top, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
                    throws IOException {
                boolean closed =
                        Files.getPosixFilePermissions(directory).stream().noneMatch(OF_OTHERS::contains);
                boolean ofImagesOrPods = Set.of("layers", "pods", "containers", "mount-points", "empty")
                        .contains(String.valueOf(directory.getFileName()));
                if (!closed) {
                    loose.add(directory + " " + mode(directory));
                }
                return ofImagesOrPods ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                if (attributes.isSymbolicLink()) {
                    return FileVisitResult.CONTINUE;
                }
                if (Files.getPosixFilePermissions(file).stream().anyMatch(OF_OTHERS::contains)) {
                    loose.add(file + " " + mode(file));
                }
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) {
                return FileVisitResult.CONTINUE; // it ended meanwhile
            }
        });
    }
}
