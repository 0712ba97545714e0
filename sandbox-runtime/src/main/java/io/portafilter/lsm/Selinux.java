package io.portafilter.lsm;

import java.nio.file.Files;
import java.nio.file.Path;

/** SELinux on this host. */
public final class Selinux {

    private static final Path FILE_SYSTEM = Path.of("/sys/fs/selinux");

    private Selinux() {}

    /** A label as the kernel's attribute files have it, without the end that they give it. */
    public static String text(String attribute) {
        return attribute.replace("\0", "").strip();
    }

    /** Whether processes and files have labels, enforced or not: a policy is loaded and its file system mounted. */
    public static boolean isOn() {
        return Files.exists(FILE_SYSTEM.resolve("enforce"));
    }
}
