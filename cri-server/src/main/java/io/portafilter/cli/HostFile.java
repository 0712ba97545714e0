package io.portafilter.cli;

import io.portafilter.cgroup.CgroupHierarchy;
import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.container.LaunchFacts;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcStatus;
import io.portafilter.lsm.AppArmor;
import io.portafilter.lsm.Selinux;
import io.portafilter.security.HostFacts;
import io.portafilter.security.KernelVersion;
import io.portafilter.security.SecurityModules;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.tomlj.Toml;
import org.tomlj.TomlInvalidTypeException;
import org.tomlj.TomlParseResult;

/**
 * What {@code explain} takes for the host's facts. Without root a kernel's features cannot be tried: then they are
 * concluded from its version. {@code --host FILE} gives them as TOML, with the keys that {@link #text} prints.
 */
final class HostFile {
    private static final KernelVersion LOWERDIR_PLUS = new KernelVersion(6, 7);
    private static final KernelVersion PROC_PIDNS = new KernelVersion(6, 17);
    private static final Set<String> KEYS = new TreeSet<>(Set.of(
            "kernel",
            "architecture",
            "capabilities",
            "last_capability",
            "cgroup_hierarchies",
            "lowest_oom_score_adj",
            "open_files",
            "apparmor",
            "selinux"));

    private static final List<String> HIERARCHIES = List.of("cpu", "cpuacct", "memory", "pids", "devices", "freezer");

    private HostFile() {}

    /** This host, as a server of root would be on it. */
    static LaunchFacts ofThisHost() {
        ProcStatus self = ProcStatus.parse(ProcFile.read("/proc/self/status"));
        List<String> hierarchies = CgroupHierarchy.detect().joined(CgroupLimits.NONE);
        return facts(
                KernelVersion.parse(ProcFile.read("/proc/sys/kernel/osrelease").strip()),
                Architecture.current(),
                self.bounding(),
                ProcFile.lastCapability(),
                hierarchies,
                self.bounding().contains(Capability.CAP_SYS_RESOURCE) ? -1000 : 0,
                ProcFile.readNumber("/proc/sys/fs/nr_open"),
                new SecurityModules(AppArmor.ofThisHost().state(), Selinux.isOn()));
    }

    private static LaunchFacts facts(
            KernelVersion kernel,
            Architecture architecture,
            CapabilitySet capabilities,
            int lastCapability,
            List<String> hierarchies,
            int lowestOomScoreAdj,
            long openFiles,
            SecurityModules modules) {
        HostFacts host = new HostFacts(
                capabilities,
                lastCapability,
                kernel,
                architecture,
                hierarchies.isEmpty(),
                kernel.atLeast(PROC_PIDNS.major(), PROC_PIDNS.minor()),
                kernel.atLeast(LOWERDIR_PLUS.major(), LOWERDIR_PLUS.minor()),
                modules);
        return new LaunchFacts(host, hierarchies, lowestOomScoreAdj, openFiles);
    }

    /** The facts that a file has; what it leaves out is as on a common host with cgroup version 2. */
    static LaunchFacts read(Path file) throws CommandException, IOException {
        if (!Files.isReadable(file)) {
            throw new CommandException(ExitStatus.FAILED, file + " does not exist or cannot be read");
        }
        TomlParseResult toml = Toml.parse(file);
        List<String> problems = new ArrayList<>();
        toml.errors()
                .forEach(error -> problems.add(file + ":" + error.position().line() + ": " + error.getMessage()));
        toml.keySet().stream()
                .filter(key -> !KEYS.contains(key))
                .forEach(key -> problems.add(file + ": unknown key " + key + ": the keys are " + KEYS));
        if (problems.isEmpty()) {
            try {
                return facts(toml);
            } catch (IllegalArgumentException | TomlInvalidTypeException e) {
                problems.add(file + ": " + e.getMessage());
            }
        }
        throw new CommandException(ExitStatus.FAILED, String.join("\n", problems));
    }

    private static LaunchFacts facts(TomlParseResult toml) {
        int last = Math.toIntExact(toml.getLong("last_capability", () -> 40));
        return facts(
                KernelVersion.parse(toml.getString("kernel", () -> "6.12")),
                Architecture.valueOf(
                        toml.getString("architecture", () -> "x86_64").toUpperCase(Locale.ROOT)),
                capabilities(toml.getString("capabilities", () -> "all"), last),
                last,
                hierarchies(toml.getLong("cgroup_hierarchies", () -> 0)),
                Math.toIntExact(toml.getLong("lowest_oom_score_adj", () -> -1000)),
                toml.getLong("open_files", () -> 1 << 20),
                new SecurityModules(
                        toml.getBoolean("apparmor", () -> false)
                                ? new SecurityModules.AppArmor.On()
                                : new SecurityModules.AppArmor.Off(),
                        toml.getBoolean("selinux", () -> false)));
    }

    /** Those that version 1 has for all containers, as many as the file says. */
    private static List<String> hierarchies(long count) {
        if (count < 0 || count > HIERARCHIES.size()) {
            throw new IllegalArgumentException(
                    "cgroup_hierarchies = " + count + ": 0 to " + HIERARCHIES.size() + " were expected");
        }
        return HIERARCHIES.subList(0, (int) count);
    }

    private static CapabilitySet capabilities(String text, int last) {
        CapabilitySet set = CapabilitySet.EMPTY;
        if (text.equals("all")) {
            return CapabilitySet.upTo(last);
        }
        for (String name : text.split(",")) {
            set = set.plus(Capability.parse(name.strip())
                    .orElseThrow(() -> new IllegalArgumentException("capabilities: " + name + " is none")));
        }
        return set;
    }

    /** The facts for people; each name is a key of the file. */
    static String text(LaunchFacts facts) {
        HostFacts host = facts.host();
        boolean all = host.ownCapabilities().equals(CapabilitySet.upTo(host.lastCapability()));
        return "kernel = \"" + host.kernel() + "\"\narchitecture = \""
                + host.architecture().name().toLowerCase(Locale.ROOT) + "\"\ncapabilities = \""
                + (all ? "all" : host.ownCapabilities()) + "\"\nlast_capability = " + host.lastCapability()
                + "\ncgroup_hierarchies = " + facts.cgroupHierarchies().size() + (host.cgroupV2() ? " # version 2" : "")
                + "\nlowest_oom_score_adj = " + facts.lowestOomScoreAdj() + "\nopen_files = "
                + facts.highestOpenFiles() + "\napparmor = "
                + !(host.modules().appArmor() instanceof SecurityModules.AppArmor.Off) + "\nselinux = "
                + host.modules().selinux() + "\n";
    }
}
