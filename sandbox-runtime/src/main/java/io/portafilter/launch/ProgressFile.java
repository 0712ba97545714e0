package io.portafilter.launch;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/**
 * How far a launch came, for whoever did not follow it: the progress page, and behind it, out of reach of the processes
 * that map the page, the addresses of the operations that execute the program.
 */
public final class ProgressFile {

    /** Last failed operation, its error number, the running operation. */
    private static final int PAGE_BYTES = 12;

    private ProgressFile() {}

    /** Writes down which operations execute the program. */
    static void note(Fd file, List<Integer> executions) {
        ByteBuffer words =
                ByteBuffer.allocate(executions.size() * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        executions.forEach(words::putInt);
        long _ = Kernel.lseek(file, ElfImage.PROGRESS_PAGE_SIZE, 0);
        Kernel.writeFully(file, words.array());
        long _ = Kernel.lseek(file, 0, 0);
    }

    /** Whether the program was executed: an execution ran last, and did not fail. */
    public static boolean tellsOfExecution(Fd file) {
        byte[] page = new byte[PAGE_BYTES];
        byte[] noted =
                new byte[Math.toIntExact(Math.max(0, Kernel.fstat(file).sizeBytes() - ElfImage.PROGRESS_PAGE_SIZE))];
        if (Kernel.pread(file, page, 0, PAGE_BYTES, 0) < PAGE_BYTES) {
            return false;
        }
        int length = Kernel.pread(file, noted, 0, noted.length, ElfImage.PROGRESS_PAGE_SIZE);
        ByteBuffer words = ByteBuffer.wrap(page).order(ByteOrder.LITTLE_ENDIAN);
        int failed = words.getInt(0);
        int running = words.getInt(8);
        ByteBuffer executions = ByteBuffer.wrap(noted, 0, length).order(ByteOrder.LITTLE_ENDIAN);
        while (executions.remaining() >= Integer.BYTES) {
            if (executions.getInt() == running) {
                return running != failed;
            }
        }
        return false;
    }
}
