package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.CLD_EXITED;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.LinuxConstants;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Optional;

/**
 * How a process ended, from the raw {@code siginfo_t} that its monitor wrote ({@code waitid(2)}).
 *
 * @param code the exit status, or 128 and the signal's number
 * @param signal the signal that ended it; 0 if none did
 */
public record ExitRecord(int code, int signal) {

    static final int SIZE = 128;
    private static final int SI_CODE = 8;
    private static final int SI_STATUS = 24;
    private static final int SIGNALLED = 128;

    /** Reads an exit file; empty if the monitor was lost before it could write. */
    public static Optional<ExitRecord> read(Path file) {
        try (Fd opened = Kernel.open(file.toString(), LinuxConstants.O_RDONLY | LinuxConstants.O_CLOEXEC)) {
            return read(opened);
        }
    }

    static Optional<ExitRecord> read(Fd file) {
        byte[] bytes = new byte[SIZE];
        int count = Kernel.pread(file, bytes, 0, SIZE, 0);
        ByteBuffer info = ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
        int code = info.getInt(SI_CODE);
        if (count < SIZE || code == 0) {
            return Optional.empty();
        }
        int status = info.getInt(SI_STATUS);
        return Optional.of(code == CLD_EXITED ? new ExitRecord(status, 0) : new ExitRecord(SIGNALLED + status, status));
    }
}
