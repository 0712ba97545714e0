package io.portafilter.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What the Pod Security Standards say of a pod, as the admission of Kubernetes 1.37 has them: each control that the pod
 * violates, by the field that does. Pure, of the manifest as it is written; init and ephemeral containers count.
 *
 * @param violations of controls
 * @param relaxed sentences on what is allowed for the pod's user namespace alone
 * @see <a href="https://kubernetes.io/docs/concepts/security/pod-security-standards/">Pod Security Standards</a>
 */
record PodStandards(List<Violation> violations, List<String> relaxed) {

    /** Of the standards. */
    static final String VERSION = "v1.37";

    /** A policy; each has all that those before it ask for. */
    enum Level {
        BASELINE,
        RESTRICTED
    }

    /**
     * A control that is violated.
     *
     * @param level the lowest policy that has it
     * @param control as the standards name it
     * @param field the field to change, with its path
     * @param found what it says
     * @param wanted what would satisfy the control
     */
    record Violation(Level level, String control, String field, String found, String wanted) {}

    private static final Set<String> BASELINE_CAPABILITIES = Set.of(
            "AUDIT_WRITE",
            "CHOWN",
            "DAC_OVERRIDE",
            "FOWNER",
            "FSETID",
            "KILL",
            "MKNOD",
            "NET_BIND_SERVICE",
            "SETFCAP",
            "SETGID",
            "SETPCAP",
            "SETUID",
            "SYS_CHROOT");
    private static final String RESTRICTED_CAPABILITY = "NET_BIND_SERVICE";
    private static final Set<String> SELINUX_TYPES =
            Set.of("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t");

    /** Sysctls that concern the pod alone. */
    static final Set<String> SAFE_SYSCTLS = Set.of(
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.ip_local_reserved_ports",
            "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.ping_group_range",
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
            "net.ipv4.tcp_keepalive_time",
            "net.ipv4.tcp_notsent_lowat",
            "net.ipv4.tcp_rmem",
            "net.ipv4.tcp_slow_start_after_idle",
            "net.ipv4.tcp_syncookies",
            "net.ipv4.tcp_wmem");

    private static final Set<String> RESTRICTED_VOLUMES = Set.of(
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "image",
            "persistentVolumeClaim",
            "projected",
            "secret");
    private static final String APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/";
    private static final String ZERO = "[-+]?0[xob]?0*";
    private static final String UNSET = "not set";

    PodStandards {
        violations = List.copyOf(violations);
        relaxed = List.copyOf(relaxed);
    }

    /** The verdict on a manifest. */
    static PodStandards of(ManifestTree manifest) {
        return manifest.get("spec")
                .map(spec -> new Judge(manifest, spec).judged())
                .orElse(new PodStandards(List.of(), List.of()));
    }

    /** Whether a namespace that enforces this level would admit the pod. */
    boolean allows(Level level) {
        return against(level).isEmpty();
    }

    /** What this level objects to. */
    List<Violation> against(Level level) {
        return violations.stream()
                .filter(violation -> violation.level().compareTo(level) <= 0)
                .toList();
    }

    private static final class Judge {
        private final ManifestTree manifest;
        private final ManifestTree spec;
        private final Optional<ManifestTree> podSecurity;
        private final List<ManifestTree> containers;

        /** In a user namespace of its own a pod's root is nobody on the host (KEP-127). */
        private final boolean ownUsers;

        private final List<Violation> violations = new ArrayList<>();
        private final List<Violation> relaxed = new ArrayList<>();

        Judge(ManifestTree manifest, ManifestTree spec) {
            this.manifest = manifest;
            this.spec = spec;
            this.podSecurity = spec.get("securityContext");
            this.containers = Stream.of("initContainers", "containers", "ephemeralContainers")
                    .flatMap(kind -> spec.items(kind).stream())
                    .toList();
            this.ownUsers = spec.get("hostUsers").filter(ManifestTree::isFalse).isPresent();
        }

        PodStandards judged() {
            hostNamespaces();
            hostProcess();
            privileged();
            capabilities();
            volumes();
            hostPorts();
            hostsOfProbes();
            appArmor();
            seLinux();
            procMount();
            seccomp();
            sysctls();
            privilegeEscalation();
            nonRootControls();
            return new PodStandards(
                    violations,
                    relaxed.stream()
                            .map(violation -> violation.level().name().toLowerCase(Locale.ROOT) + ", "
                                    + violation.control() + ": " + violation.field() + " is " + violation.found()
                                    + ", which only hostUsers: false allows")
                            .toList());
        }

        private void baseline(String control, ManifestTree field, String wanted) {
            violations.add(new Violation(Level.BASELINE, control, field.path(), field.text(), wanted));
        }

        private void restricted(String control, ManifestTree field, String wanted) {
            violations.add(new Violation(Level.RESTRICTED, control, field.path(), field.text(), wanted));
        }

        private void unset(String control, ManifestTree container, String field, String wanted) {
            violations.add(
                    new Violation(Level.RESTRICTED, control, container.at("securityContext." + field), UNSET, wanted));
        }

        /** The security contexts of the pod and of its containers, as far as they are there. */
        private List<ManifestTree> contexts() {
            return Stream.concat(
                            podSecurity.stream(),
                            containers.stream().flatMap(container -> container.get("securityContext").stream()))
                    .toList();
        }

        private void hostNamespaces() {
            for (String name : List.of("hostNetwork", "hostPID", "hostIPC")) {
                spec.get(name)
                        .filter(ManifestTree::isTrue)
                        .ifPresent(field -> baseline("Host Namespaces", field, "false, or leave it out"));
            }
        }

        private void hostProcess() {
            for (ManifestTree context : contexts()) {
                context.get("windowsOptions", "hostProcess")
                        .filter(ManifestTree::isTrue)
                        .ifPresent(field -> baseline("HostProcess", field, "false, or leave it out"));
            }
        }

        private void privileged() {
            for (ManifestTree container : containers) {
                container
                        .get("securityContext", "privileged")
                        .filter(ManifestTree::isTrue)
                        .ifPresent(field -> baseline("Privileged Containers", field, "false, or leave it out"));
            }
        }

        private void capabilities() {
            for (ManifestTree container : containers) {
                List<ManifestTree> added = container
                        .get("securityContext", "capabilities", "add")
                        .map(ManifestTree::items)
                        .orElse(List.of());
                for (ManifestTree name : added) {
                    if (!BASELINE_CAPABILITIES.contains(name.text())) {
                        baseline("Capabilities", name, "leave it out: only capabilities of the default set");
                    } else if (!name.text().equals(RESTRICTED_CAPABILITY)) {
                        restricted("Capabilities", name, "leave it out: only " + RESTRICTED_CAPABILITY);
                    }
                }
                boolean dropsAll = container.get("securityContext", "capabilities", "drop").stream()
                        .flatMap(list -> list.items().stream())
                        .anyMatch(name -> name.text().equals("ALL"));
                if (!dropsAll) {
                    violations.add(new Violation(
                            Level.RESTRICTED,
                            "Capabilities",
                            container.at("securityContext.capabilities.drop"),
                            "without ALL",
                            "[\"ALL\"]"));
                }
            }
        }

        private void volumes() {
            for (ManifestTree volume : spec.items("volumes")) {
                for (String kind : volume.names()) {
                    if (kind.equals("hostPath")) {
                        violations.add(new Violation(
                                Level.BASELINE,
                                "HostPath Volumes",
                                volume.at(kind),
                                volume.get(kind)
                                        .map(source -> source.text("path"))
                                        .orElse(""),
                                "another kind of volume"));
                    } else if (!kind.equals("name") && !RESTRICTED_VOLUMES.contains(kind)) {
                        violations.add(new Violation(
                                Level.RESTRICTED,
                                "Volume Types",
                                volume.at(kind),
                                kind,
                                "one of "
                                        + String.join(
                                                ", ",
                                                RESTRICTED_VOLUMES.stream()
                                                        .sorted()
                                                        .toList())));
                    }
                }
            }
        }

        /** In the host's network the API server fills in hostPort from containerPort. */
        private void hostPorts() {
            boolean hostNetwork =
                    spec.get("hostNetwork").filter(ManifestTree::isTrue).isPresent();
            for (ManifestTree container : containers) {
                for (ManifestTree port : container.items("ports")) {
                    Optional<ManifestTree> hostPort = port.get("hostPort")
                            .filter(Judge::isNotZero)
                            .or(() -> hostNetwork ? port.get("containerPort") : Optional.empty());
                    hostPort.filter(Judge::isNotZero)
                            .ifPresent(field -> baseline("Host Ports", field, "leave out hostPort"));
                }
            }
        }

        private static boolean isNotZero(ManifestTree number) {
            return !number.text().matches(ZERO);
        }

        private void hostsOfProbes() {
            for (ManifestTree container : containers) {
                Stream<Optional<ManifestTree>> handlers = Stream.concat(
                        Stream.of("livenessProbe", "readinessProbe", "startupProbe")
                                .map(container::get),
                        Stream.of("postStart", "preStop").map(name -> container.get("lifecycle", name)));
                handlers.flatMap(Optional::stream).forEach(handler -> {
                    for (String kind : List.of("httpGet", "tcpSocket")) {
                        handler.get(kind, "host")
                                .filter(host -> !host.text().isEmpty())
                                .ifPresent(host -> baseline("Host Probes / Lifecycle Hooks", host, "leave it out"));
                    }
                });
            }
        }

        private void appArmor() {
            for (ManifestTree context : contexts()) {
                context.get("appArmorProfile", "type")
                        .filter(type -> !Set.of("RuntimeDefault", "Localhost").contains(type.text()))
                        .ifPresent(type -> baseline("AppArmor", type, "RuntimeDefault or Localhost"));
            }
            manifest.get("metadata", "annotations").ifPresent(annotations -> {
                for (String name : annotations.names()) {
                    String value = annotations.text(name);
                    boolean allowed =
                            value.isEmpty() || value.equals("runtime/default") || value.startsWith("localhost/");
                    if (name.startsWith(APPARMOR_ANNOTATION) && !allowed) {
                        violations.add(new Violation(
                                Level.BASELINE,
                                "AppArmor",
                                annotations.path() + "['" + name + "']",
                                value,
                                "runtime/default or localhost/NAME"));
                    }
                }
            });
        }

        private void seLinux() {
            for (ManifestTree context : contexts()) {
                context.get("seLinuxOptions").ifPresent(options -> {
                    options.get("type")
                            .filter(type -> !SELINUX_TYPES.contains(type.text()))
                            .ifPresent(type -> baseline(
                                    "SELinux", type, "leave it out, or one of the container_*_t of the standards"));
                    for (String part : List.of("user", "role")) {
                        options.get(part)
                                .filter(value -> !value.text().isEmpty())
                                .ifPresent(value -> baseline("SELinux", value, "leave it out"));
                    }
                });
            }
        }

        private void procMount() {
            for (ManifestTree container : containers) {
                container
                        .get("securityContext", "procMount")
                        .filter(mount -> !mount.text().equals("Default"))
                        .ifPresent(mount -> {
                            if (ownUsers) {
                                Violation without = new Violation(
                                        Level.BASELINE, "/proc Mount Type", mount.path(), mount.text(), "Default");
                                relaxed.add(without);
                                restricted("/proc Mount Type", mount, "Default, or leave it out");
                            } else {
                                baseline("/proc Mount Type", mount, "Default, or leave it out");
                            }
                        });
            }
        }

        private void seccomp() {
            for (ManifestTree context : contexts()) {
                seccompType(context)
                        .filter(type -> !isFilter(type))
                        .ifPresent(type -> baseline("Seccomp", type, "RuntimeDefault or Localhost"));
            }
            if (podSecurity.flatMap(Judge::seccompType).isEmpty()) {
                for (ManifestTree container : containers) {
                    if (container
                            .get("securityContext")
                            .flatMap(Judge::seccompType)
                            .isEmpty()) {
                        unset(
                                "Seccomp",
                                container,
                                "seccompProfile.type",
                                "RuntimeDefault or Localhost, here or in spec.securityContext");
                    }
                }
            }
        }

        private static Optional<ManifestTree> seccompType(ManifestTree context) {
            return context.get("seccompProfile", "type");
        }

        private static boolean isFilter(ManifestTree type) {
            return Set.of("RuntimeDefault", "Localhost").contains(type.text());
        }

        private void sysctls() {
            podSecurity.map(context -> context.items("sysctls")).orElse(List.of()).stream()
                    .flatMap(sysctl -> sysctl.get("name").stream())
                    .filter(name -> !SAFE_SYSCTLS.contains(name.text()))
                    .forEach(name -> baseline("Sysctls", name, "leave it out: only those that concern the pod alone"));
        }

        private void privilegeEscalation() {
            for (ManifestTree container : containers) {
                Optional<ManifestTree> field = container.get("securityContext", "allowPrivilegeEscalation");
                if (field.isEmpty()) {
                    unset("Privilege Escalation", container, "allowPrivilegeEscalation", "false");
                } else if (!field.get().isFalse()) {
                    restricted("Privilege Escalation", field.get(), "false");
                }
            }
        }

        /** In a user namespace of its own these are no violations. */
        private void nonRootControls() {
            int before = violations.size();
            nonRoot();
            nonRootUser();
            if (ownUsers) {
                List<Violation> allowed = violations.subList(before, violations.size());
                relaxed.addAll(allowed);
                allowed.clear();
            }
        }

        private void nonRoot() {
            for (ManifestTree context : contexts()) {
                context.get("runAsNonRoot")
                        .filter(field -> !field.isTrue())
                        .ifPresent(field -> restricted("Running as Non-root", field, "true"));
            }
            if (podSecurity.flatMap(context -> context.get("runAsNonRoot")).isEmpty()) {
                for (ManifestTree container : containers) {
                    if (container.get("securityContext", "runAsNonRoot").isEmpty()) {
                        unset(
                                "Running as Non-root",
                                container,
                                "runAsNonRoot",
                                "true, here or in spec.securityContext");
                    }
                }
            }
        }

        private void nonRootUser() {
            for (ManifestTree context : contexts()) {
                context.get("runAsUser")
                        .filter(uid -> uid.text().matches(ZERO))
                        .ifPresent(
                                uid -> restricted("Running as Non-root user", uid, "another number, or leave it out"));
            }
        }
    }
}
