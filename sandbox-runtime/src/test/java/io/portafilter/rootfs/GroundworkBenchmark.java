package io.portafilter.rootfs;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.cgroup.CgroupHierarchy;
import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.DeviceRule;
import io.portafilter.linux.Fd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What is made for a container before its program starts, piece by piece: microseconds, first decile, median and ninth decile. For
 * root. The class path is that of the tests.
 */
@SuppressWarnings("MustBeClosedChecker") // closed where the clock says so
final class GroundworkBenchmark {
    private static final int WARM_UP = 150;
    private static final int RUNS = 300;
    private static final Duration SOON = Duration.ofSeconds(5);

    private GroundworkBenchmark() {}

    /** One thing made and, after the clock has stopped, removed. */
    private interface Measured {
        long nanos() throws IOException;
    }

    public static void main(String[] arguments) throws IOException {
        Path directory = Files.createTempDirectory("portafilter-bench");
        try (UserNamespaceFixture users = new UserNamespaceFixture()) {
            overlays(directory, users);
            report("/dev", () -> {
                long begin = System.nanoTime();
                try (Fd tree = DeviceTree.create(List.of(), 100_000, 100_000)) {
                    return since(begin, tree);
                }
            });
            volumes(directory);
            cgroups();
        }
        RootfsFixture.run("rm", "-rf", directory.toString());
    }

    private static void overlays(Path directory, UserNamespaceFixture users) throws IOException {
        for (int count : new int[] {1, 5, 40}) {
            Path base = Files.createDirectory(directory.resolve("overlay" + count));
            List<Path> lower = RootfsFixture.layers(base, count);
            report("overlay, layers: " + count, () -> overlay(base, lower, Optional.empty(), true));
            report("  id-mapped", () -> overlay(base, lower, Optional.of(users.descriptor()), true));
            report("  as before Linux 6.7", () -> overlay(base, lower, Optional.empty(), false));
            report("  id-mapped, as before", () -> overlay(base, lower, Optional.of(users.descriptor()), false));
        }
        Path base = Files.createDirectory(directory.resolve("ended"));
        List<Path> lower = RootfsFixture.layers(base, 5);
        report("overlay, end", () -> {
            Fd mount = OverlayMount.of(RootfsFixture.stack(base, lower, 0), Optional.empty());
            long begin = System.nanoTime();
            mount.close();
            return System.nanoTime() - begin;
        });
    }

    /** Each time with directories of its own, as a container has them. */
    private static long overlay(Path base, List<Path> lower, Optional<Fd> users, boolean lowerdirPlus)
            throws IOException {
        RootfsFixture.run("rm", "-rf", base.resolve("writable").toString());
        LayerStack layers = RootfsFixture.stack(base, lower, 0);
        long begin = System.nanoTime();
        try (Fd mount = OverlayMount.of(layers, users, lowerdirPlus)) {
            return since(begin, mount);
        }
    }

    private static void volumes(Path directory) throws IOException {
        Path source = Files.createDirectory(directory.resolve("volume"));
        VolumeOptions readOnly = new VolumeOptions(true, false, Propagation.PRIVATE);
        report("volume, read-only", () -> {
            long begin = System.nanoTime();
            try (VolumeMount volume = VolumeMount.open(source, readOnly, Optional.empty())) {
                return since(begin, volume.mount());
            }
        });
        Path image = Files.createDirectory(directory.resolve("image"));
        report("mount points, /proc /sys /dev and three volumes", () -> {
            try (Fd root = RootfsFixture.open(image);
                    Fd devices = DeviceTree.create(List.of(), 0, 0);
                    VolumeMount volume = VolumeMount.open(source, readOnly, Optional.empty())) {
                long begin = System.nanoTime();
                try (MountPoints points = new MountPoints(root, 0, 0)) {
                    String last = points.addOwn("/sys")
                            + points.addTree("/dev", devices)
                            + points.addVolume("/data", volume)
                            + points.addVolume("/etc/config/app", volume)
                            + points.addVolume("/var/run/secrets/kubernetes.io/serviceaccount", volume);
                    return last.isEmpty() ? 0 : System.nanoTime() - begin;
                }
            }
        });
    }

    private static void cgroups() throws IOException {
        CgroupHierarchy hierarchy = CgroupHierarchy.detect();
        OptionalLong unset = OptionalLong.empty();
        CgroupLimits limits = new CgroupLimits(
                OptionalLong.of(512),
                OptionalLong.of(50_000),
                OptionalLong.of(100_000),
                OptionalLong.of(256 << 20),
                unset,
                unset,
                "",
                "",
                Map.of(),
                Map.of(),
                DeviceRule.DEFAULTS);
        Cgroup parent = Cgroup.ensure(hierarchy, "/portafilter-test-bench");
        try {
            String path = parent.path() + "/container";
            report("cgroup, create with limits and device rules", () -> {
                long begin = System.nanoTime();
                Cgroup made = Cgroup.create(hierarchy, path, limits);
                long nanos = System.nanoTime() - begin;
                made.remove(SOON);
                return nanos;
            });
            report("cgroup, open for joining", () -> {
                Cgroup made = Cgroup.create(hierarchy, path, limits);
                long begin = System.nanoTime();
                List<Fd> opened = made.openForJoin();
                long nanos = System.nanoTime() - begin;
                opened.forEach(Fd::close);
                made.remove(SOON);
                return nanos;
            });
            report("cgroup, kill and remove when empty", () -> {
                Cgroup made = Cgroup.create(hierarchy, path, limits);
                long begin = System.nanoTime();
                made.kill(SOON);
                made.remove(SOON);
                return System.nanoTime() - begin;
            });
        } finally {
            parent.remove(SOON);
        }
    }

    private static long since(long begin, Fd mount) {
        long nanos = System.nanoTime() - begin;
        return mount.isOpen() ? nanos : 0;
    }

    private static void report(String what, Measured measured) throws IOException {
        for (int i = 0; i < WARM_UP; i++) {
            long _ = measured.nanos();
        }
        long[] nanos = new long[RUNS];
        for (int i = 0; i < RUNS; i++) {
            nanos[i] = measured.nanos();
        }
        Arrays.sort(nanos);
        System.out.printf(
                Locale.ROOT,
                "%-50s %7.0f %7.0f %7.0f us%n",
                what,
                nanos[RUNS / 10] / 1e3,
                nanos[RUNS / 2] / 1e3,
                nanos[RUNS * 9 / 10] / 1e3);
    }
}
