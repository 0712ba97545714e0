package io.portafilter.cli;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A Pod manifest, as far as it means something without an API server.
 *
 * @param unused paths of fields that are there and need a cluster
 */
record Pod(
        String name,
        String namespace,
        Map<String, String> labels,
        Map<String, String> annotations,
        Optional<RestartPolicy> restartPolicy,
        long gracePeriodSeconds,
        Optional<String> hostname,
        boolean hostUsers,
        boolean hostNetwork,
        boolean hostPid,
        boolean hostIpc,
        boolean shareProcessNamespace,
        Security security,
        Dns dns,
        List<HostAlias> hostAliases,
        List<Container> initContainers,
        List<Container> containers,
        List<Volume> volumes,
        Set<String> unused) {

    Pod {
        labels = Map.copyOf(labels);
        annotations = Map.copyOf(annotations);
        hostAliases = List.copyOf(hostAliases);
        initContainers = List.copyOf(initContainers);
        containers = List.copyOf(containers);
        volumes = List.copyOf(volumes);
    }

    /** Init containers first, each in the manifest's order. */
    List<Container> allContainers() {
        return java.util.stream.Stream.concat(initContainers.stream(), containers.stream())
                .toList();
    }

    enum RestartPolicy {
        ALWAYS("Always"),
        ON_FAILURE("OnFailure"),
        NEVER("Never");

        final String word;

        RestartPolicy(String word) {
            this.word = word;
        }
    }

    enum PullPolicy {
        ALWAYS("Always"),
        IF_NOT_PRESENT("IfNotPresent"),
        NEVER("Never");

        final String word;

        PullPolicy(String word) {
            this.word = word;
        }
    }

    /** The pod's securityContext; the containers' go before it. */
    record Security(
            Optional<Long> runAsUser,
            Optional<Long> runAsGroup,
            Optional<Boolean> runAsNonRoot,
            Optional<Long> fsGroup,
            boolean fsGroupOnRootMismatch,
            List<Long> supplementalGroups,
            boolean strictGroups,
            Map<String, String> sysctls,
            Optional<Profile> seccomp,
            Optional<Profile> appArmor,
            Optional<SeLinux> seLinux) {
        Security {
            supplementalGroups = List.copyOf(supplementalGroups);
            sysctls = Map.copyOf(sysctls);
        }
    }

    /** A container's securityContext. */
    record ContainerSecurity(
            Optional<Long> runAsUser,
            Optional<Long> runAsGroup,
            Optional<Boolean> runAsNonRoot,
            boolean privileged,
            boolean readOnlyRootFilesystem,
            Optional<Boolean> allowPrivilegeEscalation,
            List<String> addCapabilities,
            List<String> dropCapabilities,
            boolean unmaskedProc,
            Optional<Profile> seccomp,
            Optional<Profile> appArmor,
            Optional<SeLinux> seLinux) {
        ContainerSecurity {
            addCapabilities = List.copyOf(addCapabilities);
            dropCapabilities = List.copyOf(dropCapabilities);
        }
    }

    /** A seccomp or AppArmor profile. */
    sealed interface Profile {
        /** The runtime's own. */
        record RuntimeDefault() implements Profile {}

        /** None. */
        record Unconfined() implements Profile {}

        /** That of this name: a file below kubelet's directory, or a profile that is loaded. */
        record Localhost(String name) implements Profile {}
    }

    record SeLinux(String user, String role, String type, String level) {}

    enum DnsPolicy {
        CLUSTER_FIRST("ClusterFirst"),
        CLUSTER_FIRST_WITH_HOST_NET("ClusterFirstWithHostNet"),
        DEFAULT("Default"),
        NONE("None");

        final String word;

        DnsPolicy(String word) {
            this.word = word;
        }
    }

    record Dns(Optional<DnsPolicy> policy, List<String> servers, List<String> searches, List<String> options) {
        Dns {
            servers = List.copyOf(servers);
            searches = List.copyOf(searches);
            options = List.copyOf(options);
        }
    }

    record HostAlias(String ip, List<String> hostnames) {
        HostAlias {
            hostnames = List.copyOf(hostnames);
        }
    }

    /**
     * One container.
     *
     * @param sidecar an init container with restartPolicy Always: it goes on while the others run (KEP-753)
     */
    record Container(
            String name,
            String image,
            Optional<PullPolicy> pullPolicy,
            List<String> command,
            List<String> args,
            Optional<String> workingDirectory,
            List<Env> env,
            Resources resources,
            List<VolumeMount> mounts,
            ContainerSecurity security,
            boolean stdin,
            boolean stdinOnce,
            boolean tty,
            boolean sidecar,
            List<Port> ports) {
        Container {
            ports = List.copyOf(ports);
            command = List.copyOf(command);
            args = List.copyOf(args);
            env = List.copyOf(env);
            mounts = List.copyOf(mounts);
        }
    }

    /**
     * A port that a container listens on.
     *
     * @param hostPort of the node, which leads to it; 0 for none
     * @param hostIp of the node; empty for all of its addresses
     */
    record Port(int hostPort, int containerPort, PortProtocol protocol, String hostIp) {}

    enum PortProtocol {
        TCP,
        UDP,
        SCTP
    }

    /** One environment variable. */
    sealed interface Env {
        String name();

        /** A value in which {@code $(VAR)} stands for an earlier variable. */
        record Value(String name, String value) implements Env {}

        /** A field of the pod, by its path. */
        record Field(String name, String fieldPath) implements Env {}

        /** An amount from a container's resources, divided and rounded up; empty name: the container itself. */
        record Resource(String name, String container, String resource, Quantity divisor) implements Env {}
    }

    /** Amounts by the resource's name. */
    record Resources(Map<String, Quantity> requests, Map<String, Quantity> limits) {
        Resources {
            requests = Map.copyOf(requests);
            limits = Map.copyOf(limits);
        }

        /** What is asked for, which is the limit where no request is given. */
        Optional<Quantity> request(String name) {
            Quantity request = requests.get(name);
            return Optional.ofNullable(request == null ? limits.get(name) : request);
        }

        Optional<Quantity> limit(String name) {
            return Optional.ofNullable(limits.get(name));
        }
    }

    enum Propagation {
        NONE("None"),
        HOST_TO_CONTAINER("HostToContainer"),
        BIDIRECTIONAL("Bidirectional");

        final String word;

        Propagation(String word) {
            this.word = word;
        }
    }

    enum RecursiveReadOnly {
        DISABLED("Disabled"),
        IF_POSSIBLE("IfPossible"),
        ENABLED("Enabled");

        final String word;

        RecursiveReadOnly(String word) {
            this.word = word;
        }
    }

    /**
     * A volume in a container.
     *
     * @param subPath relative to the volume, empty for the volume itself
     * @param expandSubPath whether {@code $(VAR)} in it stands for a variable (subPathExpr)
     */
    record VolumeMount(
            String volume,
            String path,
            boolean readOnly,
            RecursiveReadOnly recursiveReadOnly,
            Propagation propagation,
            String subPath,
            boolean expandSubPath) {}

    /** One volume. */
    sealed interface Volume {
        String name();

        /** A fresh directory, or a tmpfs, that ends with the pod. */
        record EmptyDir(String name, boolean inMemory, Optional<Quantity> sizeLimit) implements Volume {}

        /** A path of the host. */
        record HostPath(String name, String path, HostPathType type) implements Volume {}
    }

    enum HostPathType {
        UNCHECKED(""),
        DIRECTORY_OR_CREATE("DirectoryOrCreate"),
        DIRECTORY("Directory"),
        FILE_OR_CREATE("FileOrCreate"),
        FILE("File"),
        SOCKET("Socket"),
        CHAR_DEVICE("CharDevice"),
        BLOCK_DEVICE("BlockDevice");

        final String word;

        HostPathType(String word) {
            this.word = word;
        }
    }
}
