package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;

import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.NativeBuffer;
import io.portafilter.linux.Pipe;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Measures: how many MB of 100-byte lines a second go through a {@link ContainerLog}, and through a plain copy from the
 * same pipe. Run its main method with a directory to write to.
 */
@SuppressWarnings("MustBeClosedChecker") // ends with the process
final class LogThroughput {

    private static final int LINE_BYTES = 100;
    private static final long TOTAL_BYTES = 200_000_000;

    private LogThroughput() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Path directory = Files.createTempDirectory(Path.of(arguments[0]), "log-throughput");
        for (int round = 0; round < 4; round++) {
            System.out.printf("log %.0f MB/s, plain copy %.0f MB/s%n", log(directory, round), copy(directory, round));
        }
    }

    private static Thread writer(Pipe pipe) {
        return Thread.ofPlatform().start(() -> {
            byte[] lines = ("x".repeat(LINE_BYTES - 1) + "\n").repeat(600).getBytes(StandardCharsets.US_ASCII);
            for (long done = 0; done < TOTAL_BYTES; done += lines.length) {
                Kernel.writeFully(pipe.write(), lines);
            }
        });
    }

    private static double log(Path directory, int round) throws IOException, InterruptedException {
        EventLoop events = EventLoop.start("logs");
        LogLoop loop = LogLoop.on(events);
        Pipe stdout = Kernel.pipe2(0);
        Kernel.setPipeSize(stdout.write(), 1 << 20);
        Pipe stderr = Kernel.pipe2(0);
        LogFile file = new LogFile(directory, "log" + round);
        ContainerLog log =
                ContainerLog.open(loop, Optional.of(file), directory.resolve("position"), stdout.read(), stderr.read());
        long start = System.nanoTime();
        writer(stdout).join();
        log.finish();
        long nanos = System.nanoTime() - start;
        events.close();
        loop.close();
        Files.delete(file.path());
        return TOTAL_BYTES * 1e3 / nanos;
    }

    private static double copy(Path directory, int round) throws IOException, InterruptedException {
        Pipe pipe = Kernel.pipe2(0);
        Kernel.setPipeSize(pipe.write(), 1 << 20);
        NativeBuffer buffer = NativeBuffer.allocate(LogLoop.CHUNK_BYTES);
        Path file = directory.resolve("copy" + round);
        long start = System.nanoTime();
        try (Fd target = Kernel.openat(Fd.CWD, file.toString(), O_WRONLY | O_CREAT, 0600)) {
            Thread reader = Thread.ofPlatform().start(() -> {
                while (true) {
                    int count = Kernel.read(pipe.read(), buffer, 0, buffer.capacity());
                    if (count == 0) {
                        return;
                    }
                    for (int done = 0; done < count; ) {
                        done += Kernel.write(target, buffer, done, count - done);
                    }
                }
            });
            writer(pipe).join();
            pipe.write().close();
            reader.join();
        }
        long nanos = System.nanoTime() - start;
        pipe.read().close();
        Files.delete(file);
        return TOTAL_BYTES * 1e3 / nanos;
    }
}
