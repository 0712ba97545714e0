package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.RESOLVE_BENEATH;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_XDEV;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Gives a file, or a directory with all that is in it, an SELinux label. Each step is one name below an open directory: a
 * link gets the label itself and is not followed, and what is mounted in the tree is left as it is.
 */
public final class Relabelling {
    /** Where a label is kept. */
    public static final String ATTRIBUTE = "security.selinux";

    /** Each level costs a descriptor and a frame; nobody has so many but to harm. */
    static final int MOST_LEVELS = 512;

    /** What the host's own programs need as it is labelled: no container is worth their end. */
    private static final Set<String> NEVER = Set.of(
            "/",
            "/bin",
            "/boot",
            "/dev",
            "/etc",
            "/etc/passwd",
            "/etc/pki",
            "/etc/shadow",
            "/home",
            "/lib",
            "/lib64",
            "/media",
            "/opt",
            "/proc",
            "/root",
            "/run",
            "/sbin",
            "/srv",
            "/sys",
            "/tmp",
            "/usr",
            "/var",
            "/var/lib",
            "/var/log");

    private final byte[] value;
    private final String source;

    private Relabelling(String label, String source) {
        this.value = (label + "\0").getBytes(StandardCharsets.UTF_8);
        this.source = source;
    }

    /**
     * Labels what is open. A file system without labels is left alone.
     *
     * @param opened its path resolved, {@code O_PATH} is enough; stays the caller's
     * @throws MountRefusal for a directory of the host that must keep its labels, and for a tree of too many levels
     */
    public static void of(Fd opened, String label) {
        String source = Kernel.readlinkat(Fd.CWD, opened.path());
        if (NEVER.contains(source)) {
            throw new MountRefusal(
                    "volume source " + source + ": to give it the label of a container would harm this host;"
                            + " mount a directory below it, or do not ask for selinux_relabel");
        }
        Relabelling relabelling = new Relabelling(label, source);
        try {
            Kernel.setxattr(opened, ATTRIBUTE, relabelling.value, 0);
        } catch (KernelException e) {
            if (e.is(Errno.EOPNOTSUPP)) {
                return;
            }
            throw new MountRefusal("volume source " + source + " cannot be relabelled: " + e.errno(), e);
        }
        if (Kernel.fstat(opened).isDirectory()) {
            try (Fd directory = Kernel.openat(opened, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
                relabelling.contents(directory, 1);
            }
        }
    }

    private void contents(Fd directory, int level) {
        if (level > MOST_LEVELS) {
            throw new MountRefusal("volume source " + source + " has more than " + MOST_LEVELS
                    + " levels of directories: it is not relabelled");
        }
        List<String> names = new ArrayList<>();
        // a part at a time: a container may have filled its volume with more names than the server has memory for
        while (Kernel.listSome(directory, names)) {
            names.forEach(name -> entryIfThere(directory, name, level));
            names.clear();
        }
    }

    private void entryIfThere(Fd directory, String name, int level) {
        try {
            entry(directory, name, level);
        } catch (KernelException e) {
            if (!isLeft(e)) {
                throw new MountRefusal(
                        "volume source " + source + " cannot be relabelled, at \"" + name + "\": " + e.errno(), e);
            }
        }
    }

    /** It went away meanwhile, became something else, is a mount point, or has no labels. */
    private static boolean isLeft(KernelException e) {
        return e.is(Errno.ENOENT)
                || e.is(Errno.ENOTDIR)
                || e.is(Errno.ELOOP)
                || e.is(Errno.EXDEV)
                || e.is(Errno.EOPNOTSUPP);
    }

    /** What is mounted on a name, a file too, is not what is labelled: {@code RESOLVE_NO_XDEV} keeps from it. */
    private void entry(Fd directory, String name, int level) {
        try (Fd found = Kernel.openat2(directory, name, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_XDEV)) {
            Kernel.setxattr(found, ATTRIBUTE, value, 0);
            if (Kernel.fstat(found).isDirectory()) {
                try (Fd below = Kernel.openat(found, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
                    contents(below, level + 1);
                }
            }
        }
    }
}
