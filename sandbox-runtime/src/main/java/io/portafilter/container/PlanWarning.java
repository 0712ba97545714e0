package io.portafilter.container;

import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.security.CapabilityRequest;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.SecurityPlan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Where a plan does not do what whoever asked for it may think. Pure; nothing is refused for it.
 *
 * @param name of the plan's line ({@link io.portafilter.security.PlanLine}) that it is about
 * @param subject of that line
 * @param sentence what is so, and what to do
 */
public record PlanWarning(String name, String subject, String sentence) {

    private static final CapabilitySet NEARLY_ROOT = CapabilitySet.of(
            Capability.CAP_SYS_ADMIN,
            Capability.CAP_SYS_MODULE,
            Capability.CAP_SYS_RAWIO,
            Capability.CAP_DAC_READ_SEARCH);

    /** Directories of which each part decides what the host runs. */
    private static final Pattern OF_HOST =
            Pattern.compile("/(etc|root|boot|dev|proc|sys|usr|lib[^/]*|bin|sbin|var/lib/kubelet)(/.*)?");

    /** Those of a container; {@code runtimePaths} are the runtime's own: its socket, its records. */
    public static List<PlanWarning> of(ContainerRequest asked, ContainerPlan plan, List<Path> runtimePaths) {
        Search search = new Search(asked, plan, runtimePaths);
        search.capabilities();
        search.user();
        search.seccomp();
        search.readOnly();
        search.hostPids();
        search.masks();
        search.volumes();
        return List.copyOf(search.found);
    }

    private static final class Search {
        private final ContainerRequest asked;
        private final ContainerPlan plan;
        private final SecurityPlan security;
        private final CapabilitySet usable;
        private final List<Path> runtimePaths;
        private final List<PlanWarning> found = new ArrayList<>();

        Search(ContainerRequest asked, ContainerPlan plan, List<Path> runtimePaths) {
            this.asked = asked;
            this.plan = plan;
            this.security = plan.security();
            this.usable = security.capabilities().permitted();
            this.runtimePaths = runtimePaths;
        }

        private void add(String name, String sentence) {
            found.add(new PlanWarning(name, "", sentence));
        }

        private boolean onHost() {
            return security.ids().isEmpty();
        }

        private void capabilities() {
            CapabilityRequest request = asked.security().capabilities();
            CapabilitySet added = named(request.add()).plus(named(request.addAmbient()));
            CapabilitySet dropped = named(request.drop());
            boolean all = request.add().stream().anyMatch("ALL"::equalsIgnoreCase);
            List<String> prefixed = new ArrayList<>(request.add());
            prefixed.addAll(request.drop());
            prefixed.removeIf(name -> !name.toUpperCase(Locale.ROOT).startsWith("CAP_"));
            if (!prefixed.isEmpty()) {
                add(
                        "bounding",
                        String.join(", ", prefixed) + ": Kubernetes names capabilities without CAP_; policies and other"
                                + " runtimes may not know these");
            }
            CapabilitySet both = added.intersect(dropped);
            if (!both.isEmpty()) {
                add("bounding", both + ": added and dropped; the drop holds");
            }
            CapabilitySet idle = dropped.minus(CapabilitySets.DEFAULT).minus(added);
            if (!all && !security.privileged() && !idle.isEmpty()) {
                add("bounding", "to drop " + idle + " takes nothing away: no container has it unless it is added");
            }
            if (security.privileged() && !request.drop().isEmpty()) {
                add("bounding", "privileged: what is dropped is not, all capabilities are there");
            }
            CapabilitySet strong = usable.intersect(NEARLY_ROOT);
            if (onHost() && !security.privileged() && !strong.isEmpty()) {
                add(
                        "effective",
                        strong
                                + " of the host's user namespace is nearly root on the host; hostUsers: false confines it"
                                + " to the pod");
            }
            if (usable.contains(Capability.CAP_NET_RAW)
                    && !added.contains(Capability.CAP_NET_RAW)
                    && !security.privileged()) {
                add(
                        "effective",
                        "NET_RAW, of the default set, forges packets in the "
                                + (asked.hostNetwork() ? "host's" : "pod's") + " network; "
                                + (pingsWithout()
                                        ? "ping works without: drop it, or ALL"
                                        : "drop it, or ALL, unless it pings"));
            }
        }

        /** The groups that may ping are set in a network of the pod's own whose user namespace has all groups. */
        private boolean pingsWithout() {
            return !asked.hostNetwork() && onHost();
        }

        private static CapabilitySet named(List<String> names) {
            CapabilitySet set = CapabilitySet.EMPTY;
            for (String name : names) {
                Optional<Capability> known = Capability.parse(name);
                if (known.isPresent()) {
                    set = set.plus(known.get());
                }
            }
            return set;
        }

        private void user() {
            boolean root = security.user().isRoot();
            if (!root && security.user().groups().contains(0L)) {
                boolean isOwn = security.user().gid() == 0;
                add(
                        isOwn ? "group" : "groups",
                        "user " + security.user().uid() + " is in the group 0, root's: "
                                + (isOwn ? "give runAsGroup too" : "leave it out unless an image needs it"));
            }
            CapabilitySet gained = security.capabilities().bounding().minus(usable);
            if (!root && !security.noNewPrivileges() && !gained.isEmpty() && !security.privileged()) {
                add(
                        "no_new_privs",
                        "a set-user-ID program of the image makes user "
                                + security.user().uid()
                                + " root, with the bounding set: allowPrivilegeEscalation: false keeps it from that");
            }
        }

        private void seccomp() {
            if (security.seccomp().isEmpty() && !security.privileged()) {
                add(
                        "seccomp",
                        "every system call of the kernel is open; seccompProfile type RuntimeDefault closes those that"
                                + " containers do not need");
            }
        }

        /** Mounts are not locked for who may mount (mount_namespaces(7)), in a user namespace of its own neither. */
        private void readOnly() {
            if (!usable.contains(Capability.CAP_SYS_ADMIN)) {
                return;
            }
            if (security.readOnlyRootfs()) {
                add("root filesystem", "SYS_ADMIN can make it writable again (mount -o remount,rw /): drop SYS_ADMIN");
            }
            for (MountRequest mount : plan.prepared()) {
                if (mount.readOnly() && asked.mounts().contains(mount)) {
                    found.add(new PlanWarning(
                            "mount",
                            mount.containerPath(),
                            "SYS_ADMIN can make it writable again, or unmount it: drop SYS_ADMIN"));
                }
            }
            if (!security.maskedPaths().isEmpty() || !security.readOnlyPaths().isEmpty()) {
                add("masked paths", "SYS_ADMIN can unmount what hides them, and mount another /proc: drop SYS_ADMIN");
            }
        }

        private void hostPids() {
            if (plan.pidMode() == PidMode.NODE && onHost()) {
                add(
                        "pids",
                        usable.contains(Capability.CAP_SYS_PTRACE)
                                ? "with SYS_PTRACE and the host's processes in sight it is root on the host: leave out one"
                                        + " of them"
                                : "it sees the host's processes and their arguments, and signals those of its user");
            }
        }

        private void masks() {
            if (!security.privileged() && onHost() && security.maskedPaths().isEmpty()) {
                add("masked paths", "nothing of the host's /proc and /sys is hidden from it");
            }
        }

        private void volumes() {
            for (MountRequest mount : asked.mounts()) {
                if (mount.source() instanceof MountRequest.Source.HostPath(Path path)) {
                    danger(path.normalize(), mount.readOnly())
                            .ifPresent(
                                    sentence -> found.add(new PlanWarning("mount", mount.containerPath(), sentence)));
                }
            }
        }

        private Optional<String> danger(Path path, boolean readOnly) {
            if (path.equals(Path.of("/"))) {
                return Optional.of(
                        "the whole host" + (readOnly ? ", its secrets too" : ": who writes there is root on it"));
            }
            // a connection is no write to the file system
            if (path.toString().endsWith(".sock")) {
                return Optional.of("whoever serves this socket serves the container, read-only or not; of a container"
                        + " runtime that is root on the host");
            }
            if (runtimePaths.stream().anyMatch(own -> own.startsWith(path))
                    || path.equals(Path.of("/run"))
                    || path.equals(Path.of("/var/run"))) {
                return Optional.of(
                        "the socket and records of the container runtime lie there: that is root on the host");
            }
            if (!readOnly && OF_HOST.matcher(path.toString()).matches()) {
                return Optional.of("who writes to the host's " + path + " is root on it");
            }
            return Optional.empty();
        }
    }

    /** For people: the line, then the sentence. */
    public String text() {
        return name + (subject.isEmpty() ? "" : " " + subject) + ": " + sentence;
    }
}
