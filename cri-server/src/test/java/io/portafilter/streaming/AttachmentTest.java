package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.EFD_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_NOCTTY;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_RDWR;
import static io.portafilter.linux.LinuxConstants.POLLIN;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.Errno;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.Pipe;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clients that are attached to real pipes and terminals whose output is logged. */
@SuppressWarnings("MustBeClosedChecker") // the fixture closes what it opens
class AttachmentTest {

    private static final Duration LIMIT = Duration.ofSeconds(30);

    @TempDir
    Path directory;

    private EventLoop events;
    private LogLoop loop;
    private Pipe stdout;
    private Pipe stderr;
    private LogFile file;

    @BeforeEach
    void openPipes() {
        events = EventLoop.start("attach test");
        loop = LogLoop.on(events);
        stdout = Kernel.pipe2(0);
        stderr = Kernel.pipe2(0);
        file = new LogFile(directory.resolve("pod"), "0.log");
    }

    @AfterEach
    void closePipes() {
        events.close();
        loop.close();
        stdout.close();
        stderr.close();
    }

    private ContainerLog open(Optional<LogFile> place) {
        return ContainerLog.open(
                loop,
                place,
                directory.resolve("position"),
                stdout.read().duplicate(),
                stderr.read().duplicate());
    }

    private static Attachment attach(ContainerLog log) {
        return attach(log, new Attachment.Input(Optional.empty(), Optional.empty(), Optional.empty()));
    }

    private static Attachment attach(ContainerLog log, Attachment.Input input) {
        return log.attach(true, true, input, Optional::empty).orElseThrow();
    }

    private static void print(Fd descriptor, String text) {
        Kernel.writeFully(descriptor, text.getBytes(StandardCharsets.UTF_8));
    }

    /** This many bytes, or fewer at the end. */
    private static String read(Optional<Fd> descriptor, int bytes) {
        ByteArrayOutputStream read = new ByteArrayOutputStream();
        byte[] chunk = new byte[65536];
        while (read.size() < bytes) {
            assertThat(Kernel.poll(descriptor.orElseThrow(), POLLIN, LIMIT))
                    .as("after " + read)
                    .isNotZero();
            int count = Kernel.read(descriptor.orElseThrow(), chunk, 0, Math.min(chunk.length, bytes - read.size()));
            if (count == 0) {
                break;
            }
            read.write(chunk, 0, count);
        }
        return read.toString(StandardCharsets.UTF_8);
    }

    private static void expect(Optional<Fd> descriptor, String text) {
        assertThat(read(descriptor, text.length())).isEqualTo(text);
    }

    private List<String> records() throws IOException {
        // not as lines: a carriage return is one's end, too
        String text = Files.readString(file.path());
        return Arrays.stream(text.substring(0, text.lastIndexOf('\n') + 1).split("\n"))
                .filter(line -> !line.isEmpty())
                .map(line -> line.substring(line.indexOf(' ') + 1))
                .toList();
    }

    private void awaitRecords(int count) throws IOException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (records().size() < count) {
            assertThat(System.nanoTime()).as("deadline").isLessThan(deadline);
            Thread.onSpinWait();
        }
    }

    @Test
    void eachClientGetsWhatIsWrittenSinceItCameAndTheLineThatWasNotFinished() throws IOException {
        try (ContainerLog log = open(Optional.of(file))) {
            print(stdout.write(), "before\n$ ");
            awaitRecords(1);
            try (Attachment first = attach(log)) {
                expect(first.stdout(), "$ ");
                print(stderr.write(), "no end");
                expect(first.stderr(), "no end");
                print(stdout.write(), "word");
                expect(first.stdout(), "word");
                try (Attachment second = attach(log)) {
                    print(stdout.write(), "s\nmore");
                    expect(second.stdout(), "$ words\nmore");
                    expect(first.stdout(), "s\nmore");
                    expect(second.stderr(), "no end");
                }
                print(stdout.write(), "!\n");
                expect(first.stdout(), "!\n");
            }
            awaitRecords(3);
            assertThat(records()).containsExactly("stdout F before", "stdout F $ words", "stdout F more!");
        }
    }

    @Test
    void outputThatIsNotLoggedIsSeenAllTheSame() {
        try (ContainerLog log = open(Optional.empty());
                Attachment client = attach(log)) {
            print(stdout.write(), "one\ntwo");
            expect(client.stdout(), "one\ntwo");
        }
    }

    /** No byte is lost or kept in our memory: who does not read stops who writes. */
    @Test
    void aSlowClientMakesTheContainerWaitAndGetsEverything() throws IOException, InterruptedException {
        String line = "x".repeat(99) + "\n";
        int lines = 50_000;
        AtomicLong written = new AtomicLong();
        try (ContainerLog log = open(Optional.of(file));
                Attachment slow = attach(log);
                Attachment quick = attach(log)) {
            Thread writer = Thread.ofPlatform().start(() -> {
                for (int i = 0; i < lines; i++) {
                    print(stdout.write(), line);
                    written.incrementAndGet();
                }
            });
            String begin = read(quick.stdout(), 1000);
            assertThat(begin).startsWith(line);
            long before;
            do {
                before = written.get();
                writer.join(500);
            } while (written.get() != before);
            assertThat(writer.isAlive()).as("the writer waits").isTrue();
            assertThat(written.get()).isLessThan(lines);
            Thread reader = Thread.ofPlatform().start(() -> {
                String rest = read(quick.stdout(), lines * 100 - 1000);
                assertThat(rest).hasSize(lines * 100 - 1000);
            });
            assertThat(read(slow.stdout(), lines * 100)).isEqualTo(line.repeat(lines));
            writer.join();
            reader.join();
            awaitRecords(lines);
        }
    }

    @Test
    void aClientThatGoesAwayHoldsNobodyUp() throws IOException, InterruptedException {
        String line = "y".repeat(99) + "\n";
        try (ContainerLog log = open(Optional.of(file))) {
            Attachment gone = attach(log);
            Thread writer = Thread.ofPlatform().start(() -> {
                for (int i = 0; i < 20_000; i++) {
                    print(stdout.write(), line);
                }
            });
            assertThat(read(gone.stdout(), 100)).isEqualTo(line);
            gone.close();
            gone.close();
            assertThat(writer.join(LIMIT)).isTrue();
            awaitRecords(20_000);
        }
    }

    @Test
    void theEndComesAfterTheLastOfTheOutput() {
        ContainerLog log = open(Optional.of(file));
        try (Attachment client = attach(log)) {
            print(stdout.write(), "last words");
            log.finish();
            assertThat(Kernel.poll(client.end(), POLLIN, LIMIT)).isNotZero();
            assertThat(read(client.stdout(), 100)).isEqualTo("last words");
            assertThat(read(client.stderr(), 100)).isEmpty();
        }
        assertThat(log.attach(
                        true,
                        true,
                        new Attachment.Input(Optional.empty(), Optional.empty(), Optional.empty()),
                        Optional::empty))
                .isEmpty();
    }

    @Test
    void inputForOneIsTakenFromTheMonitorOnceAndAtOnce() {
        try (ContainerLog log = open(Optional.of(file));
                Pipe input = Kernel.pipe2(O_NONBLOCK);
                Fd order = Kernel.eventfd(EFD_NONBLOCK)) {
            try (Attachment client = attach(
                    log,
                    new Attachment.Input(
                            Optional.of(input.write().duplicate()),
                            Optional.empty(),
                            Optional.of(order.duplicate())))) {
                print(client.stdin().orElseThrow(), "typed");
                expect(Optional.of(input.read()), "typed");
                assertThat(Kernel.poll(order, POLLIN, Duration.ZERO)).isNotZero();
                client.endInput();
            }
            byte[] count = new byte[8];
            assertThat(Kernel.read(order, count, 0, 8)).isEqualTo(8);
            assertThat(count[0]).as("told once").isEqualTo((byte) 1);
        }
    }

    // ---- terminals

    private static Fd master() {
        Fd master = Kernel.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
        Kernel.unlockPty(master);
        return master;
    }

    private ContainerLog openTerminal(Fd master) {
        return ContainerLog.openTerminal(
                loop,
                Optional.of(file),
                directory.resolve("position"),
                stdout.read().duplicate(),
                new TerminalOutput(master.duplicate(), stdout.write().duplicate()));
    }

    @Test
    void aTerminalIsLoggedAsItIsSeen() throws IOException {
        try (Fd master = master();
                Fd program = Kernel.openPtyPeer(master, O_RDWR | O_NOCTTY)) {
            ContainerLog log = openTerminal(master);
            try (Attachment client = attach(
                    log,
                    new Attachment.Input(
                            Optional.of(master.duplicate()), Optional.of(master.duplicate()), Optional.empty()))) {
                print(program, "one\n# ");
                expect(client.stdout(), "one\r\n# ");
                assertThat(client.stderr()).isEmpty();
                print(client.stdin().orElseThrow(), "typed\n");
                expect(client.stdout(), "typed\r\n");
                byte[] line = new byte[100];
                assertThat(Kernel.read(program, line, 0, 100)).isEqualTo(6);
                print(program, "rest");
                program.close();
                expect(client.stdout(), "rest");
                log.finish();
                assertThat(read(client.stdout(), 1)).isEmpty();
            }
            assertThat(records()).containsExactly("stdout F one\r", "stdout F # typed\r", "stdout P rest");
        }
    }

    /** More than the terminal holds at once, so that it waits for the log again and again. */
    @Test
    void aTerminalLosesNothingOfALot() throws IOException, InterruptedException {
        try (Fd master = master();
                Fd program = Kernel.openPtyPeer(master, O_RDWR | O_NOCTTY)) {
            ContainerLog log = openTerminal(master);
            Thread writer = Thread.ofPlatform().start(() -> {
                for (int i = 0; i < 20_000; i++) {
                    print(program, "line " + i + "\n");
                }
            });
            assertThat(writer.join(LIMIT)).isTrue();
            log.finish();
            List<String> records = records();
            assertThat(records).hasSize(20_000);
            for (int i = 0; i < records.size(); i++) {
                assertThat(records.get(i)).isEqualTo("stdout F line " + i + "\r");
            }
        }
    }

    /** Killed after it moved output from the terminal into the pipe, which outlives it. */
    @Test
    void whatAKilledServerHadMovedIsLoggedByTheNext() throws IOException {
        try (Fd master = master();
                Fd program = Kernel.openPtyPeer(master, O_RDWR | O_NOCTTY)) {
            print(program, "one\ntwo\n");
            try (TerminalOutput killed =
                    new TerminalOutput(master.duplicate(), stdout.write().duplicate())) {
                assertThat(killed.move()).isFalse();
            }
            print(program, "three\n");
            ContainerLog log = openTerminal(master);
            awaitRecords(3);
            log.finish();
            assertThat(records()).containsExactly("stdout F one\r", "stdout F two\r", "stdout F three\r");
        }
    }

    /** A program may close its terminal and open it again. */
    @Test
    void aTerminalThatNobodyHasOpenForAWhileGoesOn() throws IOException {
        try (Fd master = master()) {
            ContainerLog log = openTerminal(master);
            for (String text : List.of("one", "two")) {
                try (Fd program = Kernel.openPtyPeer(master, O_RDWR | O_NOCTTY)) {
                    print(program, text + "\n");
                }
                awaitRecords(text.equals("one") ? 1 : 2);
            }
            byte[] none = new byte[1];
            org.assertj.core.api.Assertions.assertThatThrownBy(() -> Kernel.read(master, none, 0, 1))
                    .isInstanceOfSatisfying(
                            KernelException.class,
                            e -> assertThat(e.is(Errno.EIO)).isTrue());
            log.finish();
        }
    }
}
