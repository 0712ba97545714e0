package io.portafilter.network;

import static io.portafilter.linux.LinuxConstants.MNT_DETACH;
import static io.portafilter.linux.LinuxConstants.MS_BIND;
import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_EXCL;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.UMOUNT_NOFOLLOW;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.OwnThread;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Network namespaces of pods: a few that nobody ever used are kept ready, for making one waits while the kernel destroys
 * others; and those that plugins shall find get a name in a directory.
 *
 * <p>The name is a mount of the namespace, as {@code ip netns} makes it: it keeps what is in the namespace until the
 * plugins have taken it back, also when the pod's processes and the server were killed meanwhile. Without it the bridge
 * plugin, for one, could not tell which addresses it had made rules for. What is kept ready has no name, and so ends with
 * the server.
 */
final class NetworkNamespaces implements AutoCloseable {

    private static final Logger LOG = System.getLogger(NetworkNamespaces.class.getName());

    private static final int READY = 2;

    /** {@code NSFS_MAGIC} of linux/magic.h. */
    private static final long NSFS_MAGIC = 0x6e736673;

    private static final String PREFIX = "pf-";

    private final Path directory;
    private final BlockingQueue<Fd> ready = new LinkedBlockingQueue<>();
    private final Semaphore missing = new Semaphore(0);
    private final AtomicBoolean used = new AtomicBoolean();
    private final Thread filling;
    private volatile boolean closed;

    NetworkNamespaces(Path directory) {
        this.directory = directory;
        this.filling = Thread.ofPlatform().daemon().name("netns-ready").start(this::fill);
    }

    @SuppressWarnings("MustBeClosedChecker") // closed by who takes it, or with this
    private void fill() {
        try {
            while (!closed) {
                missing.acquire();
                ready.add(OwnThread.newNetworkNamespace());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // the server ends
        } catch (KernelException e) {
            // whoever needs one is told
            LOG.log(Level.DEBUG, "netns.ready cause=" + e.getMessage());
        }
    }

    /** A network namespace that nobody ever used, with loopback up; the caller closes it. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    Fd take() {
        if (used.compareAndSet(false, true)) {
            missing.release(READY); // a node without pods keeps none
        }
        Fd taken = ready.poll();
        if (taken == null) {
            return OwnThread.newNetworkNamespace();
        }
        missing.release();
        return taken;
    }

    Path path(String podId) {
        return directory.resolve(PREFIX + podId);
    }

    /** Gives a namespace the pod's name. */
    void name(String podId, Fd namespace) {
        Path path = path(podId);
        try {
            if (!Files.isDirectory(directory)) {
                Files.createDirectories(
                        directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
            }
            try (Fd made = Kernel.openat(Fd.CWD, path.toString(), O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0444)) {
                Kernel.fchmod(made, 0444);
            }
            Kernel.mount(namespace.path(), path.toString(), "", MS_BIND, "");
        } catch (IOException | KernelException e) {
            throw NetworkException.because(
                    "the pod's network namespace cannot be mounted on " + path + ": " + e.getMessage(), e);
        }
    }

    /** Whether the name leads to a network namespace: after a reboot, for one, it does not. */
    static boolean isNamed(String path) {
        try (Fd file = Kernel.open(path, O_RDONLY | O_NOFOLLOW)) {
            return Kernel.fstatfs(file) == NSFS_MAGIC;
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return false;
            }
            throw e;
        }
    }

    /** Takes a name away, if it is there; the namespace ends unless a process is in it. */
    static void unname(String path) {
        try {
            while (isNamed(path)) {
                Kernel.umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
            }
            Kernel.unlinkat(Fd.CWD, path, 0);
        } catch (KernelException e) {
            if (!e.is(Errno.ENOENT)) {
                throw NetworkException.because("the name " + path + " cannot be removed: " + e.getMessage(), e);
            }
        }
    }

    @Override
    public void close() {
        closed = true;
        filling.interrupt();
        for (Fd left = ready.poll(); left != null; left = ready.poll()) {
            left.close();
        }
    }
}
