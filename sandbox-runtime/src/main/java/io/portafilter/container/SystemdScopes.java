package io.portafilter.container;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.cgroup.CgroupHierarchy;
import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.OomCount;
import io.portafilter.cgroup.ScopeFiles;
import io.portafilter.cgroup.ScopeProperties;
import io.portafilter.launch.Launcher;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.ProcFile;
import io.portafilter.systemd.Property;
import io.portafilter.systemd.Slice;
import io.portafilter.systemd.Systemd;
import java.util.List;
import java.util.Optional;

/**
 * Cgroups that systemd makes: a transient scope for each container, in the slice that kubelet made for its pod.
 *
 * <p>For cgroup version 2 alone. On version 1 systemd writes {@code devices.allow} of its scopes anew when it reloads
 * its configuration, and would open all devices to containers whose rules it does not know.
 */
final class SystemdScopes {
    private final Systemd systemd;
    private final CgroupHierarchy.V2 hierarchy;
    private final Launcher launcher;

    SystemdScopes(Systemd systemd, CgroupHierarchy.V2 hierarchy, Launcher launcher) {
        this.systemd = systemd;
        this.hierarchy = hierarchy;
        this.launcher = launcher;
    }

    /** Starts the scope whose cgroup has this path, {@code .../SLICE/UNIT}, and sets its limits. */
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    Host.MadeCgroup make(String path, CgroupLimits limits) {
        Placeholder placeholder = Placeholder.start(launcher);
        try {
            systemd.startScope(
                    unit(path),
                    slice(path),
                    placeholder.pid(),
                    ScopeProperties.killTogether(limits),
                    ScopeProperties.of(limits, systemd.version()));
            requireInside(placeholder.pid(), path);
            return new Host.MadeCgroup(Cgroup.adopt(hierarchy, path, limits), Optional.of(placeholder));
        } catch (RuntimeException e) {
            placeholder.close(); // an empty scope goes by itself
            throw e;
        }
    }

    /** A systemd that manages another part of the tree would put the container where nobody looks for it. */
    private void requireInside(int pid, String path) {
        String expected = "0::" + Cgroup.at(hierarchy, path).expectedProcLines().get("");
        String lines = ProcFile.read("/proc/" + pid + "/cgroup");
        if (lines.lines().noneMatch(expected::equals)) {
            throw new IllegalStateException(
                    "systemd started " + unit(path) + " as " + lines.strip() + ", where " + expected + " was expected");
        }
    }

    /**
     * Makes limits known that are written already.
     *
     * @param commit what has to succeed as well: when it throws, systemd is told what it knew before
     */
    void update(String path, CgroupLimits limits, Runnable commit) {
        List<Property> after = ScopeProperties.of(limits, systemd.version());
        List<Property> before = systemd.properties(unit(path), after);
        ScopeFiles files = ScopeFiles.read(hierarchy, path);
        try {
            systemd.setProperties(unit(path), after);
            files.restore();
            commit.run();
        } catch (RuntimeException e) {
            try {
                systemd.setProperties(unit(path), before);
                files.restore(); // the caller takes back what it wrote
            } catch (RuntimeException failed) {
                e.addSuppressed(failed);
            }
            throw e;
        }
    }

    /** {@link OomCount#watch}. */
    Optional<OomCount> watchOom(String path, EventLoop loop) {
        return OomCount.watch(hierarchy, path, loop);
    }

    private static String unit(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    private static Slice slice(String path) {
        String parent = path.substring(0, path.lastIndexOf('/'));
        return Slice.parse(parent)
                .orElseThrow(() -> new IllegalArgumentException("\"" + parent + "\" is no path of a slice"));
    }
}
