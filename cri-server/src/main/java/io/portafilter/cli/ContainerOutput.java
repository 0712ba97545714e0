package io.portafilter.cli;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Writes containers' output to this process's: stdout to stdout, stderr to stderr. With a prefix only whole lines are
 * written, so that those of several containers do not mix.
 */
final class ContainerOutput {
    private final OutputStream stdout;
    private final OutputStream stderr;

    ContainerOutput(OutputStream stdout, OutputStream stderr) {
        this.stdout = stdout;
        this.stderr = stderr;
    }

    /** The process's own, unencoded. */
    static ContainerOutput ofProcess() {
        return new ContainerOutput(
                new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 64 * 1024),
                new BufferedOutputStream(new FileOutputStream(FileDescriptor.err), 64 * 1024));
    }

    synchronized void flush() throws IOException {
        stdout.flush();
        stderr.flush();
    }

    /** Pieces as they come, for a pod with one container. */
    LogFollower.Sink plain() {
        return (_, isStderr, text, offset, length, whole) -> {
            synchronized (this) {
                OutputStream out = isStderr ? stderr : stdout;
                out.write(text, offset, length);
                if (whole) {
                    out.write('\n');
                }
            }
        };
    }

    /** Lines that begin with their time. */
    LogFollower.Sink timed() {
        return new Lines("", true);
    }

    /** Lines that begin with {@code [name] }. */
    LogFollower.Sink named(String container) {
        return new Lines("[" + container + "] ", false);
    }

    private final class Lines implements LogFollower.Sink {
        private final byte[] prefix;
        private final boolean withTime;
        private final ByteArrayOutputStream outLine = new ByteArrayOutputStream();
        private final ByteArrayOutputStream errLine = new ByteArrayOutputStream();

        private Lines(String prefix, boolean withTime) {
            this.prefix = prefix.getBytes(StandardCharsets.UTF_8);
            this.withTime = withTime;
        }

        @Override
        public void accept(String time, boolean isStderr, byte[] text, int offset, int length, boolean whole)
                throws IOException {
            ByteArrayOutputStream line = isStderr ? errLine : outLine;
            if (line.size() == 0) {
                line.writeBytes(prefix);
                if (withTime) {
                    line.writeBytes((time + " ").getBytes(StandardCharsets.US_ASCII));
                }
            }
            line.write(text, offset, length);
            // A line without an end is kept back, but not without limit.
            if (!whole && line.size() < 1 << 20) {
                return;
            }
            line.write('\n');
            synchronized (ContainerOutput.this) {
                line.writeTo(isStderr ? stderr : stdout);
            }
            line.reset();
        }

        @Override
        public void end() throws IOException {
            for (boolean isStderr : new boolean[] {false, true}) {
                if ((isStderr ? errLine : outLine).size() > 0) {
                    accept("", isStderr, new byte[0], 0, 0, true);
                }
            }
        }
    }
}
