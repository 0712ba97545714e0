package io.portafilter.cri;

import io.grpc.Status;
import io.portafilter.linux.DirectoryTree;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;

/** Making and removing the directories of pods and containers. */
final class Directories {

    private static final Logger LOG = System.getLogger(Directories.class.getName());

    private Directories() {}

    /** Makes a directory that nobody else may enter (0700), and its parents. */
    static void make(Path directory) {
        try {
            Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make " + directory + ": " + e, e);
        }
    }

    /**
     * Makes a directory whose children the file system shall place apart from one another.
     *
     * <p>ext4 does not give an inode away again within a minute, and whoever makes one passes by all that were freed in
     * that time in the same block group ({@code recently_deleted}); by default all containers share one. At 50 short
     * containers a second that made up a third of each start. Other file systems have no such flag and no need of it.
     */
    static void makeSpread(Path directory) {
        make(directory);
        try (Fd opened = Kernel.open(directory.toString(), LinuxConstants.O_RDONLY | LinuxConstants.O_DIRECTORY)) {
            Kernel.addInodeFlags(opened, LinuxConstants.FS_TOPDIR_FL);
        } catch (KernelException e) {
            LOG.log(Level.DEBUG, "directory.not.spread directory=" + directory + " cause=" + e.getMessage());
        }
    }

    /** Removes a directory with everything that a container may have put there; nothing happens when it is gone. */
    static void remove(Path directory) {
        Path parent = directory.getParent();
        Path name = directory.getFileName();
        if (parent == null || name == null) {
            throw new IllegalArgumentException(directory + " is not removed");
        }
        try (Fd above = Kernel.open(parent.toString(), LinuxConstants.O_PATH | LinuxConstants.O_DIRECTORY)) {
            DirectoryTree.remove(above, name.toString());
        } catch (KernelException e) {
            if (!e.is(Errno.ENOENT)) {
                throw e;
            }
        }
    }

    /**
     * As the other, for a call that cannot go on without it.
     *
     * @throws CriException FAILED_PRECONDITION when something holds it
     */
    static void remove(Path directory, String asked) {
        try {
            remove(directory);
        } catch (KernelException e) {
            throw new CriException(
                    Status.Code.FAILED_PRECONDITION,
                    asked,
                    directory + " cannot be removed: " + e.getMessage(),
                    "see to what holds it there, then try again",
                    e);
        }
    }

    /** The names in a directory; none when it is not there. */
    static List<String> names(Path directory) {
        List<String> names = new ArrayList<>();
        if (!Files.isDirectory(directory)) {
            return names;
        }
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) {
                names.add(String.valueOf(entry.getFileName()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + directory + ": " + e, e);
        }
        return names;
    }
}
