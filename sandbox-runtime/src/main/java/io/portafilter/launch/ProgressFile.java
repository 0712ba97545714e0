package io.portafilter.launch;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * How far a launch came, for whoever did not follow it: the progress page, and behind it, out of reach of the processes
 * that map the page, the addresses of the operations that execute the program.
 */
public final class ProgressFile {

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
        byte[] noted =
                new byte[Math.toIntExact(Math.max(0, Kernel.fstat(file).sizeBytes() - ElfImage.PROGRESS_PAGE_SIZE))];
        int length = Kernel.pread(file, noted, 0, noted.length, ElfImage.PROGRESS_PAGE_SIZE);
        List<Integer> executions = new ArrayList<>();
        ByteBuffer words = ByteBuffer.wrap(noted, 0, length).order(ByteOrder.LITTLE_ENDIAN);
        while (words.remaining() >= Integer.BYTES) {
            executions.add(words.getInt());
        }
        return ProgressPage.read(file)
                .filter(ProgressPage::runningHasNotFailed)
                .filter(page -> executions.contains(page.running()))
                .isPresent();
    }
}
