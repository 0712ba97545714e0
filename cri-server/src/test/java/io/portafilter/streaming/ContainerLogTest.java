package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.MNT_DETACH;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.O_RDWR;
import static io.portafilter.linux.LinuxConstants.POLLIN;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Errno;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.Pipe;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Logs from real pipes into real files; a server that is killed is one whose steps are taken up to a point only. */
@SuppressWarnings("MustBeClosedChecker") // the fixture closes what it opens
class ContainerLogTest {

    @TempDir
    Path directory;

    private EventLoop events;
    private LogLoop loop;
    private Pipe stdout;
    private Pipe stderr;
    private LogFile file;
    private Path position;

    @BeforeEach
    void openPipes() {
        events = EventLoop.start("log test");
        loop = LogLoop.on(events);
        stdout = Kernel.pipe2(0);
        stderr = Kernel.pipe2(0);
        file = new LogFile(directory.resolve("pod"), "container/0.log");
        position = directory.resolve("log.position");
    }

    @AfterEach
    void closePipes() {
        events.close();
        loop.close();
        stdout.close();
        stderr.close();
    }

    private ContainerLog open() {
        return ContainerLog.open(
                loop,
                Optional.of(file),
                position,
                stdout.read().duplicate(),
                stderr.read().duplicate());
    }

    private void print(Pipe pipe, String text) {
        Kernel.writeFully(pipe.write(), text.getBytes(StandardCharsets.UTF_8));
    }

    private List<String> lines() {
        try {
            return Files.readString(file.path()).lines().toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** The lines without their times. */
    private List<String> records() {
        return lines().stream()
                .map(line -> line.substring(line.indexOf(' ') + 1))
                .toList();
    }

    private static void await(BooleanSupplier condition) {
        long deadline = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("deadline").isLessThan(deadline);
            Thread.onSpinWait();
        }
    }

    @Test
    void writesALineOfEachStreamInTheFormatOfCri() {
        try (ContainerLog log = open()) {
            print(stdout, "one\n");
            await(() -> lines().size() == 1);
            print(stderr, "two\n");
            await(() -> lines().size() == 2);
            assertThat(lines().getFirst()).matches("\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{9}Z stdout F one");
            assertThat(records()).containsExactly("stdout F one", "stderr F two");
        }
    }

    @Test
    void makesTheFileWithMode0640AndItsDirectories() throws IOException {
        try (ContainerLog log = open()) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file.path())))
                    .isEqualTo("rw-r-----");
            assertThat(PosixFilePermissions.toString(
                            Files.getPosixFilePermissions(file.path().getParent())))
                    .isEqualTo("rwxr-xr-x");
        }
    }

    @Test
    void writesWhatCameBeforeItWasOpened() {
        print(stdout, "early\n");
        try (ContainerLog log = open()) {
            await(() -> lines().size() == 1);
            assertThat(records()).containsExactly("stdout F early");
        }
    }

    @Test
    void leavesTheBeginningOfALineInThePipeUntilItsEndCame() {
        try (ContainerLog log = open()) {
            print(stdout, "be");
            print(stdout, "gin");
            print(stderr, "other\n");
            await(() -> lines().size() == 1);
            print(stdout, "ning\n");
            await(() -> lines().size() == 2);
            assertThat(records()).containsExactly("stderr F other", "stdout F beginning");
        }
    }

    @Test
    void splitsALineOfMoreThan16KiB() {
        String text = "x".repeat(LogFormat.LONGEST_TEXT);
        try (ContainerLog log = open()) {
            print(stdout, text + "\n");
            print(stdout, text + "y\n");
            print(stdout, text + text + "z\n");
            await(() -> lines().size() == 6);
            assertThat(records())
                    .containsExactly(
                            "stdout F " + text,
                            "stdout P " + text,
                            "stdout F y",
                            "stdout P " + text,
                            "stdout P " + text,
                            "stdout F z");
        }
    }

    @Test
    void marksTheEndWithoutNewlineAsPartial() {
        ContainerLog log = open();
        print(stdout, "whole\nrest");
        log.finish();
        assertThat(records()).containsExactly("stdout F whole", "stdout P rest");
    }

    @Test
    void keepsEmptyLinesAndCarriageReturns() throws IOException {
        ContainerLog log = open();
        print(stdout, "\nwith\r\n");
        log.finish();
        assertThat(Files.readString(file.path())).contains(" stdout F \n").contains(" stdout F with\r\n");
    }

    @Test
    void takesBytesThatAreNoText() throws IOException {
        byte[] bytes = new byte[256];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i == '\n' ? 0 : i);
        }
        bytes[255] = '\n';
        ContainerLog log = open();
        Kernel.writeFully(stdout.write(), bytes);
        log.finish();
        byte[] written = Files.readAllBytes(file.path());
        assertThat(java.util.Arrays.copyOfRange(written, written.length - bytes.length, written.length))
                .isEqualTo(bytes);
    }

    @Test
    void drainsMoreThanOneChunkWhenTheContainerEnds() {
        Kernel.setPipeSize(stdout.write(), 1 << 20);
        StringBuilder text = new StringBuilder();
        for (int i = 0; text.length() < 900_000; i++) {
            text.append("line ").append(i).append('\n');
        }
        long expected = text.chars().filter(c -> c == '\n').count();
        print(stdout, text.toString());
        ContainerLog log = open();
        log.finish();
        assertThat(records()).hasSize((int) expected).last().isEqualTo("stdout F line " + (expected - 1));
    }

    @Test
    void aWriterThatFillsThePipeWithoutALineDoesNotWaitForEver() {
        Kernel.setPipeSize(stdout.write(), 4096);
        try (ContainerLog log = open()) {
            print(stdout, "a".repeat(10_000) + "\n");
            await(() -> !lines().isEmpty() && records().getLast().startsWith("stdout F"));
            StringBuilder joined = new StringBuilder();
            records().forEach(record -> joined.append(record.substring("stdout F ".length())));
            assertThat(joined.toString()).isEqualTo("a".repeat(10_000));
        }
    }

    @Test
    void withoutAPlaceTheOutputIsDropped() {
        try (ContainerLog log = ContainerLog.open(
                loop,
                Optional.empty(),
                position,
                stdout.read().duplicate(),
                stderr.read().duplicate())) {
            print(stdout, "a".repeat(60_000));
            print(stdout, "b".repeat(60_000));
            assertThat(file.path()).doesNotExist();
        }
    }

    @Test
    void reopensBetweenTwoLinesAfterARename() throws IOException {
        try (ContainerLog log = open()) {
            print(stdout, "old\n");
            await(() -> lines().size() == 1);
            Path rotated = Path.of(file.path() + ".20260101");
            Files.move(file.path(), rotated);
            log.reopen();
            assertThat(file.path()).exists();
            print(stdout, "new\n");
            await(() -> lines().size() == 1);
            assertThat(records()).containsExactly("stdout F new");
            assertThat(Files.readString(rotated)).endsWith("stdout F old\n").hasLineCount(1);
        }
    }

    @Test
    void losesAndDoublesNothingWhileItIsReopenedAgainAndAgain() throws IOException {
        int count = 20_000;
        ContainerLog log = open();
        Thread writer = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < count; i++) {
                print(stdout, i + "\n");
            }
        });
        List<Path> rotated = new ArrayList<>();
        while (writer.isAlive()) {
            Path to = Path.of(file.path() + "." + rotated.size());
            Files.move(file.path(), to);
            rotated.add(to);
            log.reopen();
        }
        log.finish();
        rotated.add(file.path());
        List<String> all = new ArrayList<>();
        for (Path part : rotated) {
            Files.readString(part).lines().forEach(line -> all.add(line.substring(line.indexOf(" F ") + 3)));
        }
        assertThat(all).hasSize(count);
        for (int i = 0; i < count; i++) {
            assertThat(all.get(i)).isEqualTo(Integer.toString(i));
        }
    }

    @Test
    void followsNoLinkBelowTheLogDirectory() throws IOException {
        Path victim = Files.writeString(directory.resolve("victim"), "");
        Files.createDirectories(file.path().getParent());
        Files.createSymbolicLink(file.path(), victim);
        assertThatThrownBy(this::open).isInstanceOf(KernelException.class).hasMessageContaining("ELOOP");
        assertThat(victim).isEmptyFile();
    }

    @Test
    void aDirectoryInThePlaceOfTheLogIsAnError() throws IOException {
        Files.createDirectories(file.path());
        assertThatThrownBy(this::open).isInstanceOf(KernelException.class).hasMessageContaining("EISDIR");
    }

    @Test
    void aLogDirectoryThatIsGoneIsMadeAgainWhenTheLogIsReopened() throws IOException {
        try (ContainerLog log = open()) {
            print(stdout, "old\n");
            await(() -> lines().size() == 1);
            Files.delete(file.path());
            Files.delete(file.path().getParent());
            Files.delete(file.directory());
            print(stdout, "into the file without a name\n");
            log.reopen();
            print(stderr, "new\n");
            await(() -> Files.exists(file.path()) && records().contains("stderr F new"));
        }
    }

    @Test
    void aLogThatCannotBeReopenedGoesOnInTheOldFile() throws IOException {
        try (ContainerLog log = open()) {
            Path rotated = file.directory().resolve("rotated");
            Files.move(file.path(), rotated);
            Files.createDirectories(file.path());
            assertThatThrownBy(log::reopen).isInstanceOf(KernelException.class).hasMessageContaining("EISDIR");
            print(stdout, "still here\n");
            await(() -> content(rotated).endsWith("stdout F still here\n"));
        }
    }

    private static String content(Path path) {
        try {
            return Files.readString(path);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void logsAnUnfinishedLineWhenItsStreamIsClosedAndThenRests() {
        try (ContainerLog log = open()) {
            print(stdout, "whole\nno end");
            stdout.write().close();
            await(() -> lines().size() == 2);
            print(stderr, "the other goes on\n");
            await(() -> lines().size() == 3);
            assertThat(records()).containsExactly("stdout F whole", "stdout P no end", "stderr F the other goes on");
            long before = cpuNanos();
            print(stderr, "later\n");
            await(() -> lines().size() == 4);
            rest();
            assertThat(cpuNanos() - before)
                    .as("the loop does not spin on the closed pipe")
                    .isLessThan(Duration.ofMillis(100).toNanos());
        }
    }

    /** Bytes and end come before the loop looks: there is one event for both. */
    @Test
    void logsAnUnfinishedLineWhoseStreamWasClosedBeforeAnybodyLooked() {
        print(stdout, "whole\nno end");
        stdout.write().close();
        try (ContainerLog log = open()) {
            await(() -> lines().size() == 2);
            assertThat(records()).containsExactly("stdout F whole", "stdout P no end");
        }
    }

    private static void rest() {
        LockSupport.parkNanos(Duration.ofMillis(400).toNanos());
    }

    /** Processor time of the loop's thread. */
    private static long cpuNanos() {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        return Arrays.stream(threads.getThreadInfo(threads.getAllThreadIds()))
                .filter(thread -> thread != null && thread.getThreadName().equals("log test"))
                .mapToLong(thread -> threads.getThreadCpuTime(thread.getThreadId()))
                .sum();
    }

    @Test
    void splitsLongLinesOfBytesThatAreNoTextAtTheSamePlaces() throws IOException {
        byte[] line = new byte[3 * 16 * 1024];
        new Random(7).nextBytes(line);
        for (int i = 0; i < line.length; i++) {
            line[i] = line[i] == '\n' ? 0 : line[i];
        }
        ContainerLog log = open();
        Kernel.writeFully(stdout.write(), line);
        print(stdout, "\n");
        log.finish();
        ByteArrayOutputStream joined = new ByteArrayOutputStream();
        byte[] all = Files.readAllBytes(file.path());
        int from = 0;
        List<String> tags = new ArrayList<>();
        for (int i = 0; i < all.length; i++) {
            if (all[i] == '\n') {
                // TIME stdout T TEXT: a time of 30 characters
                tags.add(new String(all, from + 38, 1, StandardCharsets.US_ASCII));
                joined.write(all, from + 40, i - from - 40);
                from = i + 1;
            }
        }
        assertThat(tags).containsExactly("P", "P", "F");
        assertThat(joined.toByteArray()).isEqualTo(line);
    }

    // ---- the disk is full

    @Test
    void theWriterDoesNotWaitForAStateDirectoryThatIsFull() throws IOException {
        assumeTrue(Kernel.geteuid() == 0, "root is missing: the test mounts a small file system");
        Path small = Files.createDirectories(directory.resolve("state"));
        Kernel.mount("small", small.toString(), "tmpfs", 0, "size=16k");
        position = small.resolve("log.position");
        try {
            ContainerLog log = open();
            byte[] rest = new byte[64 * 1024];
            assertThatThrownBy(() -> Files.write(small.resolve("all of it"), rest))
                    .isInstanceOf(IOException.class);
            for (int i = 0; i < 20_000; i++) {
                print(stdout, "line " + i + "\n");
            }
            log.finish();
            assertThat(records()).hasSize(20_000);
            assertThat(records().getLast()).isEqualTo("stdout F line 19999");
        } finally {
            Kernel.umount2(small.toString(), MNT_DETACH);
        }
    }

    @Test
    void onAFullDiskLinesAreDroppedAndCountedAndTheWriterNeverWaits() throws IOException {
        assumeTrue(Kernel.geteuid() == 0, "root is missing: the test mounts a small file system");
        Path small = Files.createDirectories(file.directory());
        Kernel.mount("small", small.toString(), "tmpfs", 0, "size=64k");
        try {
            ContainerLog log = open();
            for (int i = 0; i < 100_000; i++) {
                print(stdout, "line " + i + "\n");
            }
            await(() -> log.droppedRecords() > 0);
            // whole records alone, and none of them cut off
            assertThat(Files.readString(file.path())).endsWith("\n");
            assertThat(records()).allMatch(record -> record.matches("stdout F line \\d+"));
            long written = lines().size();
            Files.write(file.path(), new byte[0]);
            print(stdout, "room again\n");
            await(() -> !lines().isEmpty() && records().getLast().equals("stdout F room again"));
            log.finish();
            assertThat(written + log.droppedRecords() + lines().size()).isEqualTo(100_001);
        } finally {
            Kernel.umount2(small.toString(), MNT_DETACH);
        }
    }

    // ---- the program reads from its own pipe (pipe(7): as its owner it may)

    private int consumed(int bytes) {
        try (LogPosition kept = LogPosition.open(position)) {
            kept.intend(new LogPosition.Intent(0, 1, 1, 0, bytes, bytes));
            return assertTimeoutPreemptively(Duration.ofSeconds(5), () -> kept.consume(stdout.read(), bytes));
        }
    }

    @Test
    void whatTheProgramTookBackIsNotWaitedFor() {
        print(stdout, "four");
        assertThat(consumed(10)).as("with a writer").isEqualTo(4);
        print(stdout, "four");
        stdout.write().close();
        assertThat(consumed(10)).as("without a writer").isEqualTo(4);
        assertThat(consumed(10)).as("an empty pipe").isZero();
    }

    @Test
    void aProgramThatReadsItsOwnOutputKeepsNoLogFromGoingOnAndEnding() throws InterruptedException {
        AtomicBoolean over = new AtomicBoolean();
        ContainerLog log = open();
        Thread thief = Thread.ofPlatform().start(() -> {
            try (Fd read = Kernel.open(stdout.read().path(), O_RDONLY | O_NONBLOCK);
                    Fd kept = Kernel.open(position.toString(), O_RDONLY)) {
                byte[] some = new byte[100];
                while (!over.get()) {
                    // between the copy and its end
                    if (Kernel.fstat(kept).sizeBytes() > 0) {
                        steal(read, some);
                    }
                }
            }
        });
        for (int i = 0; i < 5_000; i++) {
            print(stdout, "line " + i + "\n");
            // so that there is nothing else in the pipe that could be taken instead
            await(() -> Kernel.poll(stdout.read(), POLLIN, Duration.ZERO) == 0
                    && position.toFile().length() == 0);
        }
        print(stderr, "not stolen\n");
        await(() -> records().contains("stderr F not stolen"));
        assertTimeoutPreemptively(Duration.ofSeconds(10), log::finish);
        over.set(true);
        thief.join();
        assertThat(position).isEmptyFile();
    }

    private static void steal(Fd read, byte[] some) {
        try {
            int _ = Kernel.read(read, some, 0, some.length);
        } catch (KernelException e) {
            assertThat(e.errno()).isEqualTo(Errno.EAGAIN);
        }
    }

    // ---- the server is killed

    /** Takes the steps of one write, up to the point at which the server is killed. */
    private void killedAfter(Step last, String line) throws IOException {
        byte[] record = ("2026-01-01T00:00:00.000000000Z stdout F " + line).getBytes(StandardCharsets.UTF_8);
        try (Fd log = file.open();
                LogPosition kept = LogPosition.open(position)) {
            FileStatus before = Kernel.fstat(log);
            kept.intend(new LogPosition.Intent(
                    0, LogFile.number(before), before.inode(), before.sizeBytes(), line.length(), record.length));
            if (last == Step.INTENDED) {
                return;
            }
            if (last == Step.WRITTEN_IN_PART) {
                Kernel.writeFully(log, java.util.Arrays.copyOf(record, record.length - 2));
                return;
            }
            Kernel.writeFully(log, record);
        }
        if (last == Step.WRITTEN) {
            return;
        }
        try (Fd kept = Kernel.openat(Fd.CWD, position.toString(), O_RDWR)) {
            Kernel.lseek(kept, 0, 2);
            int part = last == Step.CONSUMED_IN_PART ? 2 : line.length();
            assertThat(Kernel.splice(stdout.read(), kept, part, 0)).isEqualTo(part);
        }
    }

    private enum Step {
        INTENDED,
        WRITTEN_IN_PART,
        WRITTEN,
        CONSUMED_IN_PART,
        CONSUMED
    }

    private void survives(Step last) throws IOException {
        print(stdout, "tick\n");
        print(stdout, "tick\n");
        killedAfter(last, "tick\n");
        print(stdout, "tick\n");
        ContainerLog log = open();
        log.finish();
        // the same line each time: the text alone could not tell how far the earlier server came
        assertThat(records()).containsExactly("stdout F tick", "stdout F tick", "stdout F tick");
        assertThat(position).isEmptyFile();
    }

    @Test
    void losesAndDoublesNothingWhenKilledBeforeWriting() throws IOException {
        survives(Step.INTENDED);
    }

    @Test
    void losesAndDoublesNothingWhenKilledInTheMiddleOfWriting() throws IOException {
        survives(Step.WRITTEN_IN_PART);
    }

    @Test
    void losesAndDoublesNothingWhenKilledBeforeConsuming() throws IOException {
        survives(Step.WRITTEN);
    }

    @Test
    void losesAndDoublesNothingWhenKilledInTheMiddleOfConsuming() throws IOException {
        survives(Step.CONSUMED_IN_PART);
    }

    @Test
    void losesAndDoublesNothingWhenKilledAfterConsuming() throws IOException {
        survives(Step.CONSUMED);
    }

    @Test
    void findsTheLogThatWasRenamedWhileNoServerRan() throws IOException {
        print(stdout, "tick\n");
        killedAfter(Step.WRITTEN, "tick\n");
        Path rotated = Path.of(file.path() + ".1");
        Files.move(file.path(), rotated);
        ContainerLog log = open();
        log.finish();
        assertThat(Files.readString(rotated)).hasLineCount(1);
        assertThat(file.path()).isEmptyFile();
    }
}
