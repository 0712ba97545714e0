package io.portafilter.launch;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * How far a launch's process has come, as it writes it into the page: addresses of operations, 0 for none.
 *
 * @param failed the operation that failed last
 * @param errno its error number
 * @param running the operation that is under way, or was when the process ended
 */
record ProgressPage(int failed, int errno, int running) {

    private static final int BYTES = 12;

    /** Reads it from a file, never from a mapping: whoever has it may cut it short. Empty if that has happened. */
    static Optional<ProgressPage> read(Fd file) {
        byte[] bytes = new byte[BYTES];
        if (Kernel.pread(file, bytes, 0, BYTES, 0) < BYTES) {
            return Optional.empty();
        }
        ByteBuffer words = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        return Optional.of(new ProgressPage(words.getInt(), words.getInt(), words.getInt()));
    }

    /** Whether the operation under way, if it executes the program, has done so: it has not failed. */
    boolean runningHasNotFailed() {
        return running != failed;
    }
}
