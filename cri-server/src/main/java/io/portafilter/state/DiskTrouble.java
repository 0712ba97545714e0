package io.portafilter.state;

import io.portafilter.linux.Errno;
import io.portafilter.linux.KernelException;
import java.io.IOException;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import org.sqlite.SQLiteException;

/** Why a file system does not take what is written: nothing is wrong with what was asked, and later it may work. */
public enum DiskTrouble {
    /** No room, no inodes, or a quota is used up. */
    FULL,
    /** Mounted read-only, which ext4 also does after an error. */
    READ_ONLY,
    /** SQLite could not write and does not say more; a full disk is the usual reason. */
    FAILING;

    private static final int DEEPEST_CAUSE = 10;

    /** What an error or one of its causes says about it. */
    public static Optional<DiskTrouble> of(Throwable error) {
        Throwable cause = error;
        for (int depth = 0; cause != null && depth < DEEPEST_CAUSE; depth++) {
            Optional<DiskTrouble> found = alone(cause);
            if (found.isPresent()) {
                return found;
            }
            cause = cause.getCause();
        }
        return Optional.empty();
    }

    private static Optional<DiskTrouble> alone(Throwable error) {
        return switch (error) {
            case KernelException e -> of(e.errno());
            case SQLException e -> e instanceof SQLiteException sqlite ? of(sqlite) : Optional.empty();
            // java.io and java.nio give the kernel's words alone
            case IOException e -> ofWords(String.valueOf(e.getMessage()));
            default -> Optional.empty();
        };
    }

    /** What an answer of the kernel says about it. */
    public static Optional<DiskTrouble> of(Errno errno) {
        if (errno.equals(Errno.ENOSPC) || errno.equals(Errno.EDQUOT)) {
            return Optional.of(FULL);
        }
        return errno.equals(Errno.EROFS) ? Optional.of(READ_ONLY) : Optional.empty();
    }

    private static Optional<DiskTrouble> ofWords(String words) {
        if (words.contains(Errno.EROFS.text())) {
            return Optional.of(READ_ONLY);
        }
        return List.of(Errno.ENOSPC, Errno.EDQUOT).stream().anyMatch(errno -> words.contains(errno.text()))
                ? Optional.of(FULL)
                : Optional.empty();
    }

    /** The primary result code, which the low byte of an extended one is. */
    private static Optional<DiskTrouble> of(SQLiteException error) {
        return switch (error.getResultCode().code & 0xff) {
            case 13 -> Optional.of(FULL); // SQLITE_FULL
            case 8 -> Optional.of(READ_ONLY); // SQLITE_READONLY
            case 10, 14 -> Optional.of(FAILING); // SQLITE_IOERR, SQLITE_CANTOPEN
            default -> Optional.empty();
        };
    }
}
