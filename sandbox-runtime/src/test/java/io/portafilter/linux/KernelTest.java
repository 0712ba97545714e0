package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.EFD_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.EPOLLIN;
import static io.portafilter.linux.LinuxConstants.F_SEAL_GROW;
import static io.portafilter.linux.LinuxConstants.F_SEAL_SEAL;
import static io.portafilter.linux.LinuxConstants.F_SEAL_SHRINK;
import static io.portafilter.linux.LinuxConstants.F_SEAL_WRITE;
import static io.portafilter.linux.LinuxConstants.IN_CREATE;
import static io.portafilter.linux.LinuxConstants.MFD_ALLOW_SEALING;
import static io.portafilter.linux.LinuxConstants.MFD_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.MFD_EXEC;
import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.O_RDWR;
import static io.portafilter.linux.LinuxConstants.POLLIN;
import static io.portafilter.linux.LinuxConstants.RESOLVE_IN_ROOT;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_MAGICLINKS;
import static io.portafilter.linux.LinuxConstants.RLIMIT_NOFILE;
import static io.portafilter.linux.LinuxConstants.SOCK_SEQPACKET;
import static io.portafilter.linux.LinuxConstants.SPLICE_F_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.S_IFCHR;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelTest {

    @TempDir
    private Path directory;

    @Test
    void aFailureNamesCallArgumentsAndError() {
        assertThatThrownBy(() -> Kernel.mount("proc", "/nowhere/\"x\"", "proc", LinuxConstants.MS_RDONLY, ""))
                .isInstanceOfSatisfying(KernelException.class, e -> {
                    assertThat(e.call()).isEqualTo("mount");
                    assertThat(e.arguments()).isEqualTo("\"proc\", \"/nowhere/\\\"x\\\"\", \"proc\", MS_RDONLY, \"\"");
                    assertThat(List.of(Errno.ENOENT, Errno.EPERM)).contains(e.errno());
                });
        assertThatThrownBy(() -> Kernel.open("/nowhere", O_RDONLY | O_NOFOLLOW).close())
                .hasMessage("openat(AT_FDCWD, \"/nowhere\", O_NOFOLLOW|O_CLOEXEC, 0):"
                        + " ENOENT (No such file or directory)");
    }

    @Test
    void textWithANulNeverReachesTheKernel() {
        assertThatThrownBy(() -> Kernel.open("/etc/passwd\0.txt", O_RDONLY).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("NUL");
    }

    @Test
    @SuppressWarnings("ThreadPriorityCheck") // moves the thread to another carrier
    void errnoOfManyVirtualThreadsIsNeverMixedUp() throws ExecutionException, InterruptedException {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Integer>> wrong = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                boolean missing = i % 2 == 0;
                wrong.add(threads.submit(() -> {
                    int count = 0;
                    for (int n = 0; n < 200; n++) {
                        Errno seen = errnoOfOpening(missing ? "/nowhere" : "/etc/passwd/x");
                        Thread.yield();
                        count += seen.equals(missing ? Errno.ENOENT : Errno.ENOTDIR) ? 0 : 1;
                    }
                    return count;
                }));
            }
            for (Future<Integer> count : wrong) {
                assertThat(count.get()).isZero();
            }
        }
    }

    private static Errno errnoOfOpening(String path) {
        try (Fd file = Kernel.open(path, O_RDONLY)) {
            throw new AssertionError("opened " + path + " as " + file);
        } catch (KernelException e) {
            return e.errno();
        }
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closes it twice
    void aClosedDescriptorIsNotUsedAgain() {
        Fd descriptor = Kernel.open("/dev/null", O_RDWR);
        descriptor.close();
        descriptor.close();
        assertThatThrownBy(descriptor::number).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> Kernel.fstat(descriptor)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // takes it back by its number
    void aTransferredDescriptorStaysOpen() {
        int number;
        try (Fd descriptor = Kernel.open("/dev/null", O_RDWR)) {
            number = descriptor.transfer();
        }
        assertThat(Path.of("/proc/self/fd/" + number)).exists();
        Fd.own(number).close();
        assertThat(Files.exists(Path.of("/proc/self/fd/" + number))).isFalse();
    }

    @Test
    void everyDescriptorIsCloseOnExec() throws IOException {
        try (Fd file = Kernel.open("/dev/null", O_RDWR);
                Fd copy = file.duplicate();
                Fd memory = Kernel.memfdCreate("m", MFD_CLOEXEC);
                Fd below = Kernel.openat2(Fd.CWD, "/", O_PATH | O_DIRECTORY, 0);
                Fd epoll = Kernel.epollCreate();
                Fd event = Kernel.eventfd(0);
                Fd process = Kernel.pidfdOpen(Kernel.getpid());
                Fd watch = Kernel.inotifyInit(0);
                Pipe pipe = Kernel.pipe2(0);
                SocketPair sockets = Kernel.socketpair(SOCK_SEQPACKET)) {
            for (Fd descriptor : List.of(
                    file,
                    copy,
                    memory,
                    below,
                    epoll,
                    event,
                    process,
                    watch,
                    pipe.read(),
                    pipe.write(),
                    sockets.first(),
                    sockets.second())) {
                String info = Files.readString(Path.of("/proc/self/fdinfo/" + descriptor.number()));
                long flags = Long.parseLong(
                        info.lines()
                                .filter(line -> line.startsWith("flags:"))
                                .findFirst()
                                .orElseThrow()
                                .substring(6)
                                .strip(),
                        8);
                assertThat(flags & LinuxConstants.O_CLOEXEC).isNotZero();
            }
        }
    }

    @Test
    void aSymbolicLinkStaysInsideTheRoot() throws IOException {
        Path root = Files.createDirectory(directory.resolve("root"));
        Files.createDirectory(root.resolve("etc"));
        Files.writeString(root.resolve("etc/passwd"), "inside");
        Files.createSymbolicLink(root.resolve("absolute"), Path.of("/etc"));
        Files.createSymbolicLink(root.resolve("upward"), Path.of("../../../../../../etc"));
        Files.createSymbolicLink(root.resolve("magic"), Path.of("/proc/self/root/etc"));
        try (Fd rootDirectory = Kernel.open(root.toString(), O_PATH | O_DIRECTORY)) {
            for (String path : List.of("absolute/passwd", "upward/passwd", "/../../etc/passwd")) {
                try (Fd file = Kernel.openat2(rootDirectory, path, O_RDONLY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)) {
                    assertThat(new String(Kernel.readAll(file, 100), UTF_8)).isEqualTo("inside");
                }
            }
            assertThatThrownBy(() -> Kernel.openat2(rootDirectory, "magic/passwd", O_RDONLY, RESOLVE_IN_ROOT)
                            .close())
                    .isInstanceOfSatisfying(KernelException.class, e -> {
                        assertThat(e.errno()).isEqualTo(Errno.ENOENT);
                        assertThat(e).hasMessageContaining("{flags=O_CLOEXEC, resolve=RESOLVE_IN_ROOT}");
                    });
        }
    }

    @Test
    void aSealedMemoryFileCannotBeChanged() {
        int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        try (Fd memory = Kernel.memfdCreate("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC)) {
            Kernel.writeFully(memory, "content".getBytes(UTF_8));
            Kernel.addSeals(memory, seals);
            assertThat(Kernel.getSeals(memory)).isEqualTo(seals);
            assertThatThrownBy(() -> Kernel.pwrite(memory, new byte[] {1}, 0, 1, 0))
                    .isInstanceOfSatisfying(
                            KernelException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EPERM));
            byte[] read = new byte[7];
            assertThat(Kernel.pread(memory, read, 0, 7, 0)).isEqualTo(7);
            assertThat(read).asString(UTF_8).isEqualTo("content");
        }
    }

    @Test
    void moreThanOneTransferIsWrittenAndReadWhole() {
        byte[] large = new byte[300_000];
        for (int i = 0; i < large.length; i++) {
            large[i] = (byte) (i * 31 >> 3);
        }
        try (Fd memory = Kernel.memfdCreate("large", MFD_CLOEXEC)) {
            Kernel.writeFully(memory, large);
            Kernel.lseek(memory, 0, 0);
            assertThat(Kernel.readAll(memory, large.length)).isEqualTo(large);
            Kernel.lseek(memory, 0, 0);
            assertThatThrownBy(() -> Kernel.readAll(memory, large.length - 1))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void teeCopiesWithoutConsuming() {
        try (Pipe from = Kernel.pipe2(0);
                Pipe to = Kernel.pipe2(0)) {
            Kernel.writeText(from.write(), "line\n");
            assertThat(Kernel.tee(from.read(), to.write(), 1000, SPLICE_F_NONBLOCK))
                    .isEqualTo(5);
            assertThat(read(to.read())).isEqualTo("line\n");
            assertThat(read(from.read())).isEqualTo("line\n");
            assertThatThrownBy(() -> Kernel.tee(from.read(), to.write(), 1000, SPLICE_F_NONBLOCK))
                    .hasMessageEndingWith("1000, SPLICE_F_NONBLOCK): EAGAIN (Resource temporarily unavailable)");
        }
    }

    private static String read(Fd descriptor) {
        byte[] bytes = new byte[1000];
        return new String(bytes, 0, Kernel.read(descriptor, bytes, 0, bytes.length), UTF_8);
    }

    @Test
    void nativeBuffersReadAndWrite() {
        NativeBuffer buffer = NativeBuffer.allocate(64);
        try (Pipe pipe = Kernel.pipe2(O_NONBLOCK)) {
            buffer.bytes().put(0, "hello".getBytes(UTF_8));
            assertThat(Kernel.write(pipe.write(), buffer, 1, 4)).isEqualTo(4);
            assertThat(Kernel.read(pipe.read(), buffer, 32, 32)).isEqualTo(4);
            byte[] read = new byte[4];
            buffer.bytes().get(32, read);
            assertThat(read).asString(UTF_8).isEqualTo("ello");
            assertThatThrownBy(() -> Kernel.read(pipe.read(), buffer, 60, 5))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void pollAndEpollReportWhatIsReady() {
        try (Pipe pipe = Kernel.pipe2(0);
                Fd epoll = Kernel.epollCreate();
                Fd counter = Kernel.eventfd(EFD_NONBLOCK)) {
            EpollEvents events = new EpollEvents(4);
            Kernel.epollAdd(epoll, pipe.read(), EPOLLIN, 0x1234_5678_9abc_def0L);
            Kernel.epollAdd(epoll, counter, EPOLLIN, -2);
            assertThat(Kernel.poll(pipe.read(), POLLIN, Duration.ofMillis(1))).isZero();
            assertThat(Kernel.epollWait(epoll, events, 0)).isZero();
            Kernel.writeText(pipe.write(), "x");
            Kernel.eventfdAdd(counter, 1);
            assertThat(Kernel.poll(List.of(counter, pipe.read()), POLLIN, Duration.ofSeconds(5)))
                    .containsExactly(POLLIN, POLLIN);
            assertThat(Kernel.epollWait(epoll, events, 5000)).isEqualTo(2);
            assertThat(List.of(events.data(0), events.data(1))).containsExactlyInAnyOrder(0x1234_5678_9abc_def0L, -2L);
            assertThat(events.events(0)).isEqualTo(EPOLLIN);
            Kernel.epollDelete(epoll, counter);
            assertThat(Kernel.epollWait(epoll, events, 0)).isEqualTo(1);
        }
    }

    @Test
    void descriptorsTravelOverASocket() {
        try (SocketPair sockets = Kernel.socketpair(SOCK_SEQPACKET);
                Pipe pipe = Kernel.pipe2(0);
                Fd memory = Kernel.memfdCreate("travels", MFD_CLOEXEC)) {
            Kernel.sendDescriptors(sockets.first(), new byte[] {7}, List.of(pipe.read(), memory), 0);
            Kernel.writeText(pipe.write(), "through");
            try (ReceivedMessage message = Kernel.receiveDescriptors(sockets.second(), 10, 0)) {
                assertThat(message.data()).containsExactly(7);
                assertThat(message.descriptors()).hasSize(2);
                assertThat(read(message.descriptors().get(0))).isEqualTo("through");
                assertThat(Kernel.fstat(message.descriptors().get(1)).isSameFile(Kernel.fstat(memory)))
                        .isTrue();
            }
            sockets.first().close();
            try (ReceivedMessage end = Kernel.receiveDescriptors(sockets.second(), 10, 0)) {
                assertThat(end.data()).isEmpty();
            }
            assertThatThrownBy(() -> Kernel.sendDescriptors(sockets.second(), new byte[] {7}, List.of(memory), 0))
                    .hasMessageContaining("EPIPE");
        }
    }

    @Test
    void statusAgreesWithTheFileSystem() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "12345");
        Files.createLink(directory.resolve("second"), file);
        Instant modified = Instant.parse("2001-02-03T04:05:06.789Z");
        try (Fd below = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY)) {
            Kernel.utimensat(below, "file", Instant.EPOCH, modified, 0);
            FileStatus status = Kernel.statx(below, "file", 0);
            assertThat(status.sizeBytes()).isEqualTo(5);
            assertThat(status.links()).isEqualTo(2);
            assertThat(status.isRegularFile()).isTrue();
            assertThat(status.modified()).isEqualTo(modified);
            assertThat(status.inode()).isEqualTo(Files.getAttribute(file, "unix:ino"));
            assertThat(status.uid()).isEqualTo(Files.getAttribute(file, "unix:uid"));
            assertThat(status.isSameFile(Kernel.statx(below, "second", 0))).isTrue();
        }
        try (Fd nullDevice = Kernel.open("/dev/null", O_PATH)) {
            FileStatus status = Kernel.fstat(nullDevice);
            assertThat(status.isCharacterDevice()).isTrue();
            assertThat(status.special()).isEqualTo(new Device(1, 3));
            assertThat(MountInfo.parse(ProcFile.read("/proc/self/mountinfo")))
                    .anyMatch(mount ->
                            mount.id() == status.mountId() && mount.device().equals(status.device()));
        }
        assertThat(Kernel.statfs("/proc").type()).isEqualTo(LinuxConstants.PROC_SUPER_MAGIC);
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closed at once
    void namesAreMadeLinkedMovedAndRemoved() throws IOException {
        try (Fd below = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY)) {
            Kernel.mkdirat(below, "made", 0700);
            Kernel.symlinkat("anywhere/at all", below, "link");
            assertThat(Kernel.readlinkat(below, "link")).isEqualTo("anywhere/at all");
            Kernel.openat(below, "made/file", O_CREAT | O_RDWR, 0600).close();
            Kernel.linkat(below, "made/file", below, "hard", 0);
            assertThatThrownBy(() -> Kernel.renameat2(below, "hard", below, "link", LinuxConstants.RENAME_NOREPLACE))
                    .hasMessageContaining("RENAME_NOREPLACE): EEXIST");
            Kernel.renameat2(below, "hard", below, "moved", 0);
            Kernel.fchmodat(below, "moved", 0640);
            assertThat(Kernel.statx(below, "moved", 0).permissions()).isEqualTo(0640);
            assertThat(Kernel.list(below)).containsExactlyInAnyOrder("made", "link", "moved");
            Kernel.unlinkat(below, "made/file", 0);
            Kernel.rmdirat(below, "made");
            assertThat(Kernel.list(below)).containsExactlyInAnyOrder("link", "moved");
        }
    }

    @Test
    void namesThatAreNotUtf8SurviveTheWayThroughJava() {
        byte[] name = {'a', (byte) 0xff, (byte) 0xc3, (byte) 0xa4, (byte) 0xe2, (byte) 0x82};
        String text = KernelText.decode(name, 0, name.length);
        assertThat(text).startsWith("a").contains("\u00e4");
        assertThat(KernelText.encode(text)).isEqualTo(name);
        try (Fd below = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY)) {
            Kernel.mkdirat(below, text, 0700);
            assertThat(Kernel.list(below)).containsExactly(text);
            Kernel.rmdirat(below, text);
        }
    }

    @Test
    void extendedAttributesBelongToTheFileThatIsOpen() throws IOException {
        Needs.capability(Capability.CAP_SYS_ADMIN);
        Path file = Files.writeString(directory.resolve("file"), "");
        Files.createSymbolicLink(directory.resolve("link"), file);
        try (Fd below = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY);
                Fd open = Kernel.openat(below, "file", O_PATH);
                Fd link = Kernel.openat(below, "link", O_PATH | O_NOFOLLOW)) {
            Kernel.setxattr(open, "trusted.test", "value".getBytes(UTF_8), 0);
            assertThat(Kernel.getxattr(open, "trusted.test").orElseThrow())
                    .asString(UTF_8)
                    .isEqualTo("value");
            assertThat(Kernel.listxattr(open)).contains("trusted.test");
            assertThat(Kernel.getxattr(link, "trusted.test")).isEmpty();
            Kernel.lsetxattr(below, "link", "trusted.link", new byte[] {1}, 0);
            assertThat(Kernel.getxattr(link, "trusted.link")).isPresent();
            assertThat(Kernel.getxattr(open, "trusted.link")).isEmpty();
            Kernel.removexattr(open, "trusted.test");
            assertThat(Kernel.getxattr(open, "trusted.test")).isEmpty();
            assertThatThrownBy(() -> Kernel.lsetxattr(below, "../x", "trusted.a", new byte[0], 0))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void deviceNodesCarryTheirNumbers() {
        Needs.capability(Capability.CAP_MKNOD);
        try (Fd below = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY)) {
            Kernel.mknodat(below, "node", S_IFCHR | 0600, new Device(511, 70_000));
            assertThat(Kernel.statx(below, "node", 0).special()).isEqualTo(new Device(511, 70_000));
            assertThatThrownBy(() -> Kernel.mknodat(below, "node", S_IFCHR | 0600, new Device(1, 3)))
                    .hasMessageContaining("\"node\", S_IFCHR|0600, makedev(1, 3)): EEXIST");
        }
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // none is opened
    void aDescriptorIsFetchedFromAnotherProcess() {
        Needs.capability(Capability.CAP_SYS_PTRACE);
        try (Pipe pipe = Kernel.pipe2(0)) {
            int pid = Kernel.posixSpawn(
                    "/bin/sleep",
                    List.of("sleep", "60"),
                    List.of(),
                    List.of(pipe.read().number()));
            try (Fd process = Kernel.pidfdOpen(pid)) {
                Kernel.writeText(pipe.write(), "kept");
                try (Fd fetched = Kernel.pidfdGetfd(process, 3)) {
                    assertThat(read(fetched)).isEqualTo("kept");
                }
                assertThatThrownBy(() -> Kernel.pidfdGetfd(process, 4).close()).hasMessageContaining("EBADF");
                assertThat(Kernel.waitid(
                                LinuxConstants.P_PIDFD,
                                process.number(),
                                LinuxConstants.WEXITED | LinuxConstants.WNOHANG))
                        .isEmpty();
                Kernel.pidfdSendSignal(process, LinuxConstants.SIGKILL);
                assertThat(Kernel.poll(process, POLLIN, Duration.ofSeconds(10))).isEqualTo(POLLIN);
                assertThat(Kernel.waitid(LinuxConstants.P_PIDFD, process.number(), LinuxConstants.WEXITED))
                        .hasValueSatisfying(status -> {
                            assertThat(status.pid()).isEqualTo(pid);
                            assertThat(status.killed()).isTrue();
                            assertThat(status.status()).isEqualTo(LinuxConstants.SIGKILL);
                        });
                assertThatThrownBy(() -> Kernel.waitid(LinuxConstants.P_PID, pid, LinuxConstants.WEXITED))
                        .hasMessageContaining("waitid(P_PID, " + pid + ", ")
                        .hasMessageContaining("WEXITED, NULL): ECHILD");
            }
        }
    }

    @Test
    void createdFilesAreReported() throws IOException {
        try (Fd watch = Kernel.inotifyInit(O_NONBLOCK)) {
            int number = Kernel.inotifyAddWatch(watch, directory.toString(), IN_CREATE);
            assertThatThrownBy(() -> Kernel.readInotify(watch)).hasMessageContaining("EAGAIN");
            Files.writeString(directory.resolve("one"), "");
            Files.writeString(directory.resolve("and another"), "");
            assertThat(Kernel.readInotify(watch))
                    .containsExactly(
                            new InotifyEvent(number, IN_CREATE, "one"),
                            new InotifyEvent(number, IN_CREATE, "and another"));
        }
    }

    @Test
    void limitsProcessorsAndKernelAgreeWithProc() throws IOException {
        ResourceLimit files = Kernel.getResourceLimit(0, RLIMIT_NOFILE);
        String line = Files.readAllLines(Path.of("/proc/self/limits")).stream()
                .filter(text -> text.startsWith("Max open files"))
                .findFirst()
                .orElseThrow();
        assertThat(line).contains(Long.toString(files.soft())).contains(Long.toString(files.hard()));
        assertThat(Kernel.schedGetaffinity(0).cardinality())
                .isEqualTo(Runtime.getRuntime().availableProcessors());
        SystemName kernel = Kernel.uname();
        assertThat(kernel.release())
                .isEqualTo(Files.readAllLines(Path.of("/proc/sys/kernel/osrelease"))
                        .get(0));
        assertThat(kernel.isAtLeast(5, 4)).isTrue();
        assertThat(kernel.isAtLeast(99, 0)).isFalse();
    }

    @Test
    void aPseudoTerminalNeedsNoPath() {
        Needs.capability(Capability.CAP_SYS_ADMIN);
        try (Fd context = Kernel.fsopen("devpts")) {
            Kernel.fsconfigFlag(context, "newinstance");
            Kernel.fsconfigString(context, "ptmxmode", "0666");
            Kernel.fsconfigCreate(context);
            try (Fd mount = Kernel.fsmount(context, 0);
                    Fd master = Kernel.openat(mount, "ptmx", O_RDWR | LinuxConstants.O_NOCTTY)) {
                Kernel.unlockPty(master);
                Kernel.setWindowSize(master, 24, 80);
                try (Fd peer = Kernel.openPtyPeer(master, O_RDWR | LinuxConstants.O_NOCTTY)) {
                    Kernel.writeText(peer, "out");
                    assertThat(read(master)).isEqualTo("out");
                }
            }
        }
    }

    @Test
    void aMissingPathBelowADescriptorIsNamed() {
        try (Fd below = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY)) {
            assertThatThrownBy(() -> Kernel.statx(below, "gone", AT_EMPTY_PATH))
                    .hasMessageStartingWith("statx(" + below.number() + ", \"gone\", AT_EMPTY_PATH, ");
        }
    }
}
