package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.O_APPEND;
import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOCTTY;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;
import static io.portafilter.linux.LinuxConstants.RESOLVE_BENEATH;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_MAGICLINKS;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_SYMLINKS;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;

/**
 * Where a container's log goes.
 *
 * @param directory the pod's log directory, absolute; links on the way to it are followed
 * @param name below it; no link is followed there, for a pod that has the host's log directory as a volume could put
 *     one in our way
 */
public record LogFile(Path directory, String name) {

    private static final long BELOW = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

    /** The absolute path. */
    public Path path() {
        return directory.resolve(name);
    }

    /**
     * Opens the file to append, makes it (0640) and the directories on the way (0755) when they are missing.
     *
     * @throws KernelException for instance when a directory is a link, or a file that cannot be made
     * @throws UncheckedIOException when the pod's log directory cannot be made, or the log is no regular file
     */
    @MustBeClosed
    Fd open() {
        try {
            Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
        } catch (IOException e) {
            throw new UncheckedIOException("log directory " + directory + ": " + e, e);
        }
        try (Fd top = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY)) {
            makeParents(top);
            return openRegular(top);
        }
    }

    @MustBeClosed
    private Fd openRegular(Fd top) {
        // O_NONBLOCK: a FIFO in its place must not hold us
        int flags = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY;
        try (Fd file = Kernel.openat2(top, name, flags, 0640, BELOW)) {
            if (!Kernel.fstat(file).isRegularFile()) {
                throw new UncheckedIOException(new IOException("log " + path() + " is there, but no regular file"));
            }
            return Fd.own(file.transfer());
        }
    }

    private void makeParents(Fd top) {
        for (int slash = name.indexOf('/'); slash >= 0; slash = name.indexOf('/', slash + 1)) {
            String parent = name.substring(0, slash);
            try (Fd _ = Kernel.openat2(top, parent, O_PATH | O_DIRECTORY, BELOW)) {
                continue;
            } catch (KernelException e) {
                if (!e.is(Errno.ENOENT)) {
                    throw e;
                }
            }
            int last = parent.lastIndexOf('/');
            try (Fd above =
                    Kernel.openat2(top, last < 0 ? "." : parent.substring(0, last), O_RDONLY | O_DIRECTORY, BELOW)) {
                Kernel.mkdirat(above, parent.substring(last + 1), 0755);
            } catch (KernelException e) {
                if (!e.is(Errno.EEXIST)) {
                    throw e;
                }
            }
        }
    }

    /** Opens the file with this identity, which may have got another name in the same directory since. */
    Optional<Fd> find(long device, long inode) {
        Path parent = Optional.ofNullable(path().getParent()).orElse(directory);
        try (DirectoryStream<Path> names = Files.newDirectoryStream(parent)) {
            for (Path candidate : names) {
                Optional<Fd> found = openIfSame(candidate, device, inode);
                if (found.isPresent()) {
                    return found;
                }
            }
        } catch (IOException e) {
            return Optional.empty();
        }
        return Optional.empty();
    }

    @SuppressWarnings("MustBeClosedChecker") // the caller closes what is found
    private Optional<Fd> openIfSame(Path candidate, long device, long inode) {
        String below = directory.relativize(candidate).toString();
        try (Fd top = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY);
                Fd file = Kernel.openat2(top, below, O_WRONLY | O_NONBLOCK | O_NOCTTY, BELOW)) {
            FileStatus status = Kernel.fstat(file);
            if (status.isRegularFile() && status.inode() == inode && number(status) == device) {
                return Optional.of(Fd.own(file.transfer()));
            }
        } catch (KernelException e) {
            // a file that cannot be opened to write is not the one that was being written
            return Optional.empty();
        }
        return Optional.empty();
    }

    /** The device of a file as one number. */
    static long number(FileStatus status) {
        return (long) status.device().major() << 32 | status.device().minor() & 0xffffffffL;
    }
}
