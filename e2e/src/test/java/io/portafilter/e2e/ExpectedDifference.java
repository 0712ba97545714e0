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
    private static final String PASSES_ON = "a volume that passes mounts on";
    private static final String POD_PROCESSES = ".*processes of the pod";
    private static final String MAPPED = "(a )?user namespace.*";
    private static final String OVERLAY_OPTIONS =
            "(?:,(?:redirect_dir=nofollow|uuid=\\w+|fsync=volatile|volatile|index=off))*";

    static final List<ExpectedDifference> ALL = List.of(
            // cgroups
            of("cgroup-hierarchies", ANY, "cgroup (blkio|cpuset|hugetlb|name=systemd|)", "/", "PARENT/ID"),
            of("cgroup-hierarchies", ANY, "limit file (blkio|cpuset|hugetlb)\\..*", ANY, ANY),
            of("cgroup-hierarchies", ANY, "mount /sys/fs/cgroup/.*", NONE, ANY),
            of("cgroup-mount", ANY, "mount /sys/fs/cgroup", "ro,(.*) tmpfs (.*)", "rw,\\1 tmpfs \\2"),
            // devices
            of("tun-device", ANY, "limit file devices\\.list", "(?!.*c 10:200).*", ".*c 10:200 rwm.*"),
            // identity
            of(
                    "capability-names",
                    "capabilities in other spellings",
                    "(first )?status Cap(Bnd|Eff|Prm)",
                    "0*aa0435fa",
                    "0*aa0425fb"),
            of("capability-names", "capabilities in other spellings", "try change owner", "1 .*", "0"),
            of("capability-names", "a capability that there is not", "refused", "INVALID_ARGUMENT: .*FLY.*", NONE),
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
                    "ro,relatime tmpfs ro(,size=4k,nr_inodes=1)?(,uid=\\d+,gid=\\d+)? /"),
            of(
                    "flags-of-the-source",
                    ANY,
                    "mount /(dev/shm|volume-tmpfs|volume-tmpfs-read-only)",
                    "(r[ow]),nosuid,nodev,noexec,relatime tmpfs (.*)",
                    "\\1,relatime (?:shared )?tmpfs \\2"),
            of(
                    "terminals",
                    ANY,
                    "mount /dev/(pts|console)",
                    "(\\S+) (devpts \\S+),max=\\d+ (/\\d*)",
                    "\\1 (?:shared )?\\2 \\3"),
            of("propagation", PASSES_ON, "mount /.*", "(\\S+) (.*)", "\\1 shared \\2"),
            of(
                    "propagation",
                    PASSES_ON,
                    "mount /",
                    "(\\S+) overlay rw" + OVERLAY_OPTIONS + " /",
                    "\\1 shared overlay rw" + OVERLAY_OPTIONS + " /"),
            // user namespaces
            of(
                    "devices-of-a-user-namespace",
                    MAPPED,
                    "dev /dev/(full|null|random|tty|urandom|zero)",
                    "(.*) 0:0 (.*)",
                    "\\1 65534:65534 \\2"),
            of("devices-of-a-user-namespace", MAPPED, "mount /dev/.*", NONE, "rw,relatime devtmpfs .*"),
            of(
                    "devices-of-a-user-namespace",
                    MAPPED,
                    "mount /proc/.*",
                    "rw,nosuid tmpfs .* /null",
                    "rw,relatime devtmpfs .* /null"),
            of("shared-memory-owner", MAPPED, "(dev|directory) /dev/shm", "(.* )?0:0( .*)?", "\\1?65534:65534\\2?"),
            of("shared-memory-owner", MAPPED, "mount /dev/shm", "(.*),uid=\\d+,gid=\\d+ /", "\\1 /"),
            of("message-queues-owner", MAPPED, "(dev|directory) /dev/mqueue", "(.* )?0:0( .*)?", ".*0:65534.*"),
            of(
                    "files-of-the-runtime",
                    MAPPED,
                    "mount /etc/(hosts|hostname|resolv\\.conf)",
                    "(r[ow],relatime) (.*)",
                    "\\1,idmapped \\2"),
            of(
                    "files-of-the-runtime",
                    "user namespace, volumes that the image declares",
                    "mount /(real|volume-.*)",
                    "(rw,relatime) (.*)",
                    "\\1,idmapped \\2"),
            of("session-keyring", MAPPED, "path /proc/keys", "empty unwritable", "readable unwritable"),
            of(
                    "network-of-the-host-with-a-user-namespace",
                    "user namespace, network of the host",
                    "refused",
                    NONE,
                    ".*failed to pin user namespace.*"),
            of("few-ids", "a user namespace of one id", "refused", NONE, ".*devpts.*"),
            // files and environment
            of("home", "volumes of files, by links, and absent ones", "env HOME", "/root", "|/"),
            of("hard-links", ANY, "image /stack/kept", "regular file 644 (.*)", "regular file 755 \\1"),
            // limits and signals
            of("open-files", ANY, "limit Max open files *", "1024 (\\d+) files", "\\1 \\1 files"),
            of("signal-32", ANY, "status SigIgn", "0{8}0(.*)", "0{8}8\\1"),
            of("stop-signal", "a stop signal", "signal", "USR2", "TERM"),
            // processes
            of("pause", POD_PROCESSES, "process 1", "portafilter-pod.*", "/bin/sleep 1000000"),
            of(
                    "pause-is-shielded",
                    POD_PROCESSES,
                    "try enter the network of process 1",
                    "1 .*Permission denied",
                    "1 .*Operation not permitted"));

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
