package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.OwnThread;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A volume that an image's configuration declares ({@code Volumes}): a directory of the container's own beside its
 * writable layer, which begins with what the image has at that place.
 */
public final class DeclaredVolume {
    private static final String PARENT = "volumes";
    private static final int DEFAULT_MODE = 0755;

    private DeclaredVolume() {}

    /**
     * Makes such a directory anew, with owners as the host counts: those that files of {@code root} have in it. Where the
     * image has nothing at the path, it is empty and belongs to the container's root.
     *
     * @param root the container's root file system, on which nothing is mounted yet
     * @param path in the container; its links are followed below {@code root} alone (CVE-2022-23648)
     * @param writableDirectory of the container, which only root can reach
     * @param number tells the volumes of the container apart
     * @param rootUid the host's id of the container's root
     * @param rootGid likewise its group
     * @return the directory; it goes with {@code writableDirectory}
     */
    public static Path create(Fd root, String path, Path writableDirectory, int number, long rootUid, long rootGid) {
        String name = Integer.toString(number);
        try (Fd above = Kernel.open(writableDirectory.toString(), O_RDONLY | O_DIRECTORY)) {
            makeParent(above);
            try (Fd parent = directory(above, PARENT)) {
                Kernel.removeTree(parent, name);
                Kernel.mkdirat(parent, name, 0700);
                try (Fd made = directory(parent, name)) {
                    fill(root, path, made, rootUid, rootGid);
                }
            }
        }
        return writableDirectory.resolve(PARENT).resolve(name);
    }

    private static void makeParent(Fd above) {
        try {
            Kernel.mkdirat(above, PARENT, 0700);
        } catch (KernelException e) {
            if (!e.is(Errno.EEXIST)) {
                throw e;
            }
        }
    }

    @MustBeClosed
    private static Fd directory(Fd parent, String name) {
        return Kernel.openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    }

    private static void fill(Fd root, String path, Fd made, long rootUid, long rootGid) {
        Optional<Fd> found = RootPath.find(root, path);
        if (found.isEmpty()) {
            Kernel.fchown(made, (int) rootUid, (int) rootGid);
            Kernel.fchmod(made, DEFAULT_MODE);
            return;
        }
        try (Fd source = found.get()) {
            if (!Kernel.fstat(source).isDirectory()) {
                throw new MountRefusal(
                        "the image declares the volume " + path
                                + ", and has a file there: only a directory can be one; mend the image, or mount something there");
            }
            // It blocks in the kernel, and would hold a carrier of the virtual threads.
            boolean _ = OwnThread.call("volume-copy", () -> {
                TreeCopy.copy(source, made);
                return true;
            });
        }
    }
}
