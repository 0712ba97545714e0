package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.cri.v1.DNSConfig;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.LinuxPodSandboxConfig;
import io.portafilter.cri.v1.LinuxSandboxSecurityContext;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxMetadata;
import io.portafilter.cri.v1.PortMapping;
import io.portafilter.cri.v1.Protocol;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import io.portafilter.cri.v1.UserNamespace;
import io.portafilter.security.IdMapping;
import io.portafilter.security.IdMappings;
import io.portafilter.systemd.Slice;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** RunPodSandboxRequest to {@link PodSpec}: every field is used, known to be harmless, or refused. */
final class PodRequests {

    private static final String SECURITY = "config.linux.security_context";

    /** The names of the one handler that there is: that of the default, and its own, for a RuntimeClass. */
    static final List<String> RUNTIME_HANDLERS = List.of("", "portafilter");

    /** The kernel's HOST_NAME_MAX, in bytes (gethostname(2)). */
    private static final int HOST_NAME_MAX = 64;

    /** The kernel's NAME_MAX, in bytes. */
    private static final int NAME_MAX = 255;

    /** With the pod's and the container's ids a path that the kernel takes below any mount point. */
    private static final int CGROUP_PARENT_MAX = 1800;

    private PodRequests() {}

    static PodSpec check(RunPodSandboxRequest request) {
        if (!request.hasConfig()) {
            throw invalid("config", "is missing", "describe the pod sandbox");
        }
        PodSandboxConfig config = request.getConfig();
        Identity.Pod identity = identity(config);
        runtimeHandler(request.getRuntimeHandler());
        if (config.hasWindows()) {
            throw invalid("config.windows", "is set", "this is a Linux node: leave it out");
        }
        LinuxPodSandboxConfig linux = config.getLinux();
        LinuxSandboxSecurityContext security = linux.getSecurityContext();
        NamespaceOption namespaces = security.getNamespaceOptions();
        boolean hostNetwork = isHost(SECURITY + ".namespace_options.network", namespaces.getNetwork());
        boolean hostIpc = isHost(SECURITY + ".namespace_options.ipc", namespaces.getIpc());
        boolean hostPid = isHost(SECURITY + ".namespace_options.pid", namespaces.getPid());
        Optional<IdMappings> ids = ids(SECURITY + ".namespace_options.userns_options", namespaces);
        if (ids.isPresent() && (hostPid || hostIpc)) {
            throw invalid(
                    SECURITY + ".namespace_options." + (hostPid ? "pid" : "ipc"),
                    "a user namespace together with the host's " + (hostPid ? "PID" : "IPC") + " namespace",
                    "use the host's user namespace, or the pod's own " + (hostPid ? "PID" : "IPC") + " namespace");
        }
        security(security);
        portMappings(config, hostNetwork);
        return new PodSpec(
                identity,
                config,
                hostNetwork ? "" : hostname(config.getHostname()),
                config.getLogDirectory().isEmpty()
                        ? ""
                        : Fields.absolutePath("config.log_directory", config.getLogDirectory()),
                config.hasDnsConfig() ? Optional.of(dns(config.getDnsConfig())) : Optional.empty(),
                cgroupParent(linux.getCgroupParent()),
                hostNetwork,
                hostIpc,
                hostPid,
                ids,
                Sysctls.check(linux.getSysctlsMap(), hostNetwork, hostIpc, ids.isPresent()),
                security.getPrivileged(),
                SecurityProfiles.selinux(SECURITY, security.getSelinuxOptions()));
    }

    /** Name, namespace, uid and attempt, all of which kubelet needs back. */
    static Identity.Pod identity(PodSandboxConfig config) {
        if (!config.hasMetadata()) {
            throw invalid("config.metadata", "is missing", "give name, namespace and uid");
        }
        PodSandboxMetadata metadata = config.getMetadata();
        return new Identity.Pod(
                Fields.required("config.metadata.name", metadata.getName()),
                Fields.required("config.metadata.namespace", metadata.getNamespace()),
                Fields.required("config.metadata.uid", metadata.getUid()),
                metadata.getAttempt());
    }

    /** There is one runtime handler, the default. */
    static void runtimeHandler(String handler) {
        if (!RUNTIME_HANDLERS.contains(handler)) {
            throw invalid(
                    "runtime_handler",
                    shown(handler) + " is not known here",
                    "leave it empty or say " + RUNTIME_HANDLERS.getLast() + ": there is no other");
        }
    }

    private static boolean isHost(String field, NamespaceMode mode) {
        return switch (mode) {
            case POD, CONTAINER -> false;
            case NODE -> true;
            case TARGET -> throw invalid(field, "TARGET means another container", "give POD or NODE for a pod sandbox");
            case UNRECOGNIZED -> throw invalid(field, "holds an unknown mode", "give POD or NODE");
        };
    }

    /** The user namespace that the options ask for; absent for the host's. */
    static Optional<IdMappings> ids(String field, NamespaceOption namespaces) {
        if (!namespaces.hasUsernsOptions()) {
            return Optional.empty();
        }
        UserNamespace userns = namespaces.getUsernsOptions();
        return switch (userns.getMode()) {
            case NODE -> {
                if (userns.getUidsCount() + userns.getGidsCount() > 0) {
                    throw invalid(field, "mode NODE with mappings", "leave uids and gids empty, or give mode POD");
                }
                yield Optional.empty();
            }
            case POD -> {
                IdMappings ids = new IdMappings(mappings(userns.getUidsList()), mappings(userns.getGidsList()));
                ids.requireRootMapped();
                yield Optional.of(ids);
            }
            case CONTAINER, TARGET, UNRECOGNIZED ->
                throw invalid(field + ".mode", userns.getModeValue() + " is no mode here", "give POD or NODE");
        };
    }

    static List<IdMapping> mappings(List<IDMapping> lines) {
        return lines.stream()
                .map(line -> new IdMapping(
                        Integer.toUnsignedLong(line.getContainerId()),
                        Integer.toUnsignedLong(line.getHostId()),
                        Integer.toUnsignedLong(line.getLength())))
                .toList();
    }

    /** The sandbox's own process has no use for user, groups and filter; what is wrong about them is refused all the same. */
    private static void security(LinuxSandboxSecurityContext security) {
        if (security.hasRunAsUser()) {
            Fields.id(SECURITY + ".run_as_user", security.getRunAsUser().getValue());
        }
        if (security.hasRunAsGroup()) {
            Fields.id(SECURITY + ".run_as_group", security.getRunAsGroup().getValue());
            if (!security.hasRunAsUser()) {
                throw invalid(SECURITY + ".run_as_group", "a group without a user", "give run_as_user too");
            }
        }
        for (long group : security.getSupplementalGroupsList()) {
            Fields.id(SECURITY + ".supplemental_groups", group);
        }
        Fields.known(
                SECURITY + ".supplemental_groups_policy",
                security.getSupplementalGroupsPolicy() != SupplementalGroupsPolicy.UNRECOGNIZED,
                security.getSupplementalGroupsPolicyValue());
        SecurityProfiles.checkSeccomp(SECURITY, security.hasSeccomp(), security.getSeccomp(), seccompPath(security));
        var _ = SecurityProfiles.appArmor(SECURITY, security.hasApparmor(), security.getApparmor(), "");
    }

    @SuppressWarnings("deprecation") // an older kubelet still sends it
    private static String seccompPath(LinuxSandboxSecurityContext security) {
        return security.getSeccompProfilePath();
    }

    private static void portMappings(PodSandboxConfig config, boolean hostNetwork) {
        for (PortMapping mapping : config.getPortMappingsList()) {
            boolean mapped = mapping.getHostPort() > 0 && !hostNetwork;
            Fields.inRange("config.port_mappings.container_port", mapping.getContainerPort(), mapped ? 1 : 0, 65535);
            Fields.inRange("config.port_mappings.host_port", mapping.getHostPort(), 0, 65535);
            Fields.known(
                    "config.port_mappings.protocol",
                    mapping.getProtocol() != Protocol.UNRECOGNIZED,
                    mapping.getProtocolValue());
            if (!mapping.getHostIp().matches("[0-9a-fA-F:.]{0,45}")) {
                throw invalid(
                        "config.port_mappings.host_ip",
                        shown(mapping.getHostIp()) + " is no address",
                        "give one of the node's, or nothing for all of them");
            }
        }
    }

    private static int bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }

    private static String hostname(String hostname) {
        Fields.plain("config.hostname", hostname);
        int bytes = bytes(hostname);
        if (bytes > HOST_NAME_MAX) {
            throw invalid(
                    "config.hostname",
                    shown(hostname) + " has " + bytes + " bytes",
                    "give at most " + HOST_NAME_MAX + ", the kernel's limit");
        }
        return hostname;
    }

    private static DNSConfig dns(DNSConfig dns) {
        dns.getServersList().forEach(server -> Fields.required("config.dns_config.servers", server));
        dns.getSearchesList().forEach(search -> Fields.required("config.dns_config.searches", search));
        dns.getOptionsList().forEach(option -> Fields.required("config.dns_config.options", option));
        return dns;
    }

    /** A cgroup parent: a path, or the bare name of a slice. Which of them fits is the driver's ({@link Places}). */
    static String cgroupParent(String parent) {
        if (parent.isEmpty()) {
            return "";
        }
        Fields.plain("config.linux.cgroup_parent", parent);
        if (Slice.isMeant(parent) && !parent.contains("/")) {
            return parent;
        }
        String path = Fields.absolutePath("config.linux.cgroup_parent", parent);
        if (path.equals("/")) {
            throw invalid(
                    "config.linux.cgroup_parent", "is the root of the hierarchy", "give a path below it, or nothing");
        }
        if (bytes(path) > CGROUP_PARENT_MAX
                || Arrays.stream(path.split("/")).anyMatch(name -> bytes(name) > NAME_MAX)) {
            throw invalid(
                    "config.linux.cgroup_parent",
                    shown(parent) + " is longer than " + CGROUP_PARENT_MAX + " bytes, or one of its names than "
                            + NAME_MAX,
                    "give a shorter one");
        }
        return path;
    }

    /**
     * Which sysctls a pod may set: those of its own namespaces (sysctl names of the kernel's Documentation/admin-guide).
     * In a network of its own any user may bind low ports and send pings, unless the pod says otherwise: neither needs
     * NET_BIND_SERVICE or NET_RAW then, and no port of the host is within reach.
     */
    private static final class Sysctls {

        private static final List<String> IPC = List.of(
                "kernel.msgmax",
                "kernel.msgmnb",
                "kernel.msgmni",
                "kernel.sem",
                "kernel.shmall",
                "kernel.shmmax",
                "kernel.shmmni",
                "kernel.shm_rmid_forced");

        static Map<String, String> check(
                Map<String, String> asked, boolean hostNetwork, boolean hostIpc, boolean ownUsers) {
            Map<String, String> checked = new TreeMap<>();
            for (Map.Entry<String, String> sysctl : asked.entrySet()) {
                String name = name(sysctl.getKey());
                String field = "config.linux.sysctls[" + name + "]";
                requireOwn(field, name, hostNetwork, hostIpc, ownUsers);
                Fields.plain(field, sysctl.getValue().replace('\t', ' '));
                if (checked.put(name, sysctl.getValue()) != null) {
                    throw invalid(field, "is given twice, in both spellings", "give it once");
                }
            }
            if (!hostNetwork) {
                checked.putIfAbsent("net.ipv4.ip_unprivileged_port_start", "0");
            }
            if (!hostNetwork && !ownUsers) {
                // the groups must exist in the user namespace that owns the network
                checked.putIfAbsent("net.ipv4.ping_group_range", "0 2147483647");
            }
            return checked;
        }

        /** The dotted name; with slashes as separators a dot is part of an interface's name (sysctl(8)). */
        private static String name(String written) {
            String field = "config.linux.sysctls";
            Fields.required(field, written);
            int dot = written.indexOf('.');
            int slash = written.indexOf('/');
            boolean slashes = slash >= 0 && (dot < 0 || slash < dot);
            String name = written;
            if (slashes) {
                StringBuilder swapped = new StringBuilder(written);
                for (int i = 0; i < written.length(); i++) {
                    char c = written.charAt(i);
                    swapped.setCharAt(i, c == '/' ? '.' : c == '.' ? '/' : c);
                }
                name = swapped.toString();
            }
            for (String part : name.split("\\.", -1)) {
                if (part.isEmpty() || part.startsWith("/") || part.endsWith("/") || part.contains("//")) {
                    throw invalid(
                            field, shown(written) + " is no name of a sysctl", "give one such as net.ipv4.ip_forward");
                }
            }
            return name;
        }

        private static void requireOwn(
                String field, String name, boolean hostNetwork, boolean hostIpc, boolean ownUsers) {
            if (IPC.contains(name) || name.startsWith("fs.mqueue.")) {
                require(field, !hostIpc, "belongs to the IPC namespace, which is the host's", "use the pod's own");
            } else if (name.startsWith("net.")) {
                require(
                        field,
                        !hostNetwork,
                        "belongs to the network namespace, which is the host's",
                        "use the pod's own");
            } else if (name.equals("kernel.domainname")) {
                require(
                        field,
                        !hostNetwork,
                        "belongs to the UTS namespace, which is the host's",
                        "use the pod's own network");
            } else if (name.startsWith("user.")) {
                require(field, ownUsers, "belongs to the user namespace, which is the host's", "give the pod its own");
            } else {
                throw invalid(
                        field,
                        "is not a sysctl of a namespace: it would change the whole node",
                        name.equals("kernel.hostname") ? "set config.hostname" : "set it on the node");
            }
        }

        private static void require(String field, boolean own, String wrong, String cure) {
            if (!own) {
                throw invalid(field, wrong, cure);
            }
        }
    }
}
