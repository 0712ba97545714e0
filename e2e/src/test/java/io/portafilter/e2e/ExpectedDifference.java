package io.portafilter.e2e;

import java.util.List;
import java.util.regex.Pattern;

/**
 * A difference between us and containerd that is meant, or that is containerd's. docs/differences.md has the reason
 * under the same name. Not every one is seen on every host and with every version of containerd.
 *
 * @param name in docs/differences.md; several entries may have one
 * @param asked the cases, all of the name
 * @param key what was observed, all of the key
 * @param values ours, a newline, containerd's
 */
record ExpectedDifference(String name, Pattern asked, Pattern key, Pattern values) {
    private static final String ANY = ".*";
    private static final String NONE = "\\(none\\)";
    private static final String OVERLAY_OPTIONS =
            "(?:,(?:redirect_dir=nofollow|uuid=\\w+|fsync=volatile|volatile|index=off))*";

    static final List<ExpectedDifference> ALL = List.of(
            // cgroups
            of("cgroup-hierarchies", ANY, "cgroup (blkio|cpuset|hugetlb|name=systemd|)", "/", "PARENT/ID"),
            of("cgroup-hierarchies", ANY, "limit file (blkio|cpuset|hugetlb)\\..*", ANY, ANY),
            of("cgroup-hierarchies", ANY, "mount /sys/fs/cgroup/.*", NONE, ANY),
            of("cgroup-mount", ANY, "mount /sys/fs/cgroup", "ro,(.*) tmpfs (.*)", "rw,\\1 tmpfs \\2"),
            of(
                    "cgroup-mount",
                    "a volume that passes mounts on",
                    "mount /sys/fs/cgroup/.*",
                    "(.*) cgroup (.*)",
                    "\\1 shared cgroup \\2"),
            // devices
            of("tun-device", ANY, "limit file devices\\.list", "(?!.*c 10:200).*", ".*c 10:200 rwm.*"),
            // identity
            of("groups-of-the-image-user", "the image's .*|environment over the image's", "status Groups", ANY, ANY),
            of("supplemental-groups-policy", "supplemental groups, strict", "status Groups", "1000 3000", ".* 3000"),
            of("unprivileged-ports", ANY, "sysctl net/ipv4/ip_unprivileged_port_start", "0", "1024"),
            of("unprivileged-ports", ANY, "sysctl net/ipv4/ping_group_range", "0\\s+2147483647", "1\\s+0"),
            of("unprivileged-ports", ANY, "try bind a low port", "143.*", "1 .*denied"),
            of("ambient-capabilities", "an ambient capability", "status Cap(Inh|Prm|Eff|Amb)", "0*400", "0+"),
            // mounts
            of(
                    "overlay-options",
                    ANY,
                    "mount .*",
                    "(r[ow]),relatime overlay rw" + OVERLAY_OPTIONS + " (.*)",
                    "\\1,relatime overlay rw" + OVERLAY_OPTIONS + " \\2"),
            of(
                    "sysfs-superblock",
                    ANY,
                    "mount /sys",
                    "(r[ow],nosuid,nodev,noexec,relatime) sysfs rw /",
                    "\\1 sysfs ro /"),
            of("sysfs-superblock", ANY, "path /sys/.*", "readable writable", "readable unwritable"),
            of(
                    "masked-directories",
                    ANY,
                    "mount /.*",
                    "ro,nosuid,nodev,noexec,relatime tmpfs rw,size=64k,mode=755 /empty",
                    "ro,relatime tmpfs ro /"),
            of(
                    "flags-of-the-source",
                    "volumes",
                    "mount /volume-tmpfs-read-only",
                    "ro,nosuid,nodev,noexec,relatime tmpfs .*",
                    "ro,relatime tmpfs .*"),
            of(
                    "recursive-read-only",
                    "read-only with all below it",
                    "mount /volume/below",
                    "ro,relatime (tmpfs .*)",
                    "rw,relatime \\1"),
            of("recursive-read-only", "read-only with all below it", "try write below .*", "1 .*Read-only.*", "0"),
            // files and environment
            of("empty-dns", "empty DNS", "(content|file) /etc/resolv.conf", "|regular empty file .*", ANY),
            of("home", "volumes of files, by links, and absent ones", "env HOME", "/root", "|/"),
            of("hard-links", ANY, "image /stack/kept", "regular file 644 (.*)", "regular file 755 \\1"),
            // limits and signals
            of("open-files", ANY, "limit Max open files *", "1024 (\\d+) files", "\\1 \\1 files"),
            of("signal-32", ANY, "status SigIgn", "0{8}0(.*)", "0{8}8\\1"),
            of("stop-signal", "a stop signal", "signal", "USR2", "TERM"),
            // processes
            of("pause", "processes of the pod", "process 1", ANY, "/bin/sleep 1000000"),
            of(
                    "pause-is-shielded",
                    "processes of the pod",
                    "try enter the network of process 1",
                    "1 .*Permission denied",
                    "1 .*Operation not permitted"),
            // what is asked for and not there yet
            of("not-built-yet", "a terminal|standard input", "refused", ANY, NONE));

    boolean covers(PeerDifference difference) {
        return asked.matcher(difference.asked()).matches()
                && key.matcher(difference.key()).matches()
                && values.matcher(difference.ours() + "\n" + difference.peer()).matches();
    }

    /** @param peer may refer to groups of {@code ours}, for what is alike in both */
    private static ExpectedDifference of(String name, String asked, String key, String ours, String peer) {
        return new ExpectedDifference(
                name,
                Pattern.compile(asked),
                Pattern.compile(key),
                Pattern.compile("(?:" + ours + ")\n(?:" + peer + ")"));
    }
}
