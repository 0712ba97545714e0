package io.portafilter.cli;

import java.util.List;
import java.util.Optional;

/**
 * What a pod is told that is not in its manifest.
 *
 * @param uid of this run of the pod
 * @param nodeName the machine's host name
 * @param hostIps the machine's addresses, the first is its main one
 * @param podIps the pod's addresses; empty before the sandbox runs
 * @param logDirectory where the containers' logs go
 * @param hostsFile a file to mount at /etc/hosts of every container
 * @param firstHostId the host id that user and group 0 of the pod are, for {@code hostUsers: false}
 * @param cpus the machine's processors
 * @param memoryBytes the machine's memory
 * @param hostDns the machine's resolver configuration
 * @param recursiveReadOnly whether the server can make mounts read-only with all below them
 */
record RunFacts(
        String uid,
        String nodeName,
        List<String> hostIps,
        List<String> podIps,
        String logDirectory,
        Optional<String> hostsFile,
        Optional<Long> firstHostId,
        int cpus,
        long memoryBytes,
        Pod.Dns hostDns,
        boolean recursiveReadOnly) {
    RunFacts {
        hostIps = List.copyOf(hostIps);
        podIps = List.copyOf(podIps);
    }

    RunFacts withPodIps(List<String> addresses) {
        return new RunFacts(
                uid,
                nodeName,
                hostIps,
                addresses,
                logDirectory,
                hostsFile,
                firstHostId,
                cpus,
                memoryBytes,
                hostDns,
                recursiveReadOnly);
    }

    RunFacts withFirstHostId(long first) {
        return new RunFacts(
                uid,
                nodeName,
                hostIps,
                podIps,
                logDirectory,
                hostsFile,
                Optional.of(first),
                cpus,
                memoryBytes,
                hostDns,
                recursiveReadOnly);
    }

    RunFacts withHostsFile(String file) {
        return new RunFacts(
                uid,
                nodeName,
                hostIps,
                podIps,
                logDirectory,
                Optional.of(file),
                firstHostId,
                cpus,
                memoryBytes,
                hostDns,
                recursiveReadOnly);
    }

    /**
     * What an image says of its user.
     *
     * @param reference what CreateContainer is given as the image
     * @param userSpecified what the manifest says
     * @param uid the numeric user, if the image has one
     * @param username the user's name if it is not numeric, else empty
     */
    record Image(String reference, String userSpecified, Optional<Long> uid, String username) {}
}
