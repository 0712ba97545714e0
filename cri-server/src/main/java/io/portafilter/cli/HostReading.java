package io.portafilter.cli;

import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Reads of this machine what a pod is told. */
final class HostReading {
    private HostReading() {}

    /** The facts for a run of a pod. */
    static RunFacts facts(String uid, String logDirectory, Optional<Long> firstHostId, boolean recursiveReadOnly)
            throws IOException {
        return new RunFacts(
                uid,
                Files.readString(Path.of("/proc/sys/kernel/hostname")).strip(),
                addresses(),
                List.of(),
                logDirectory,
                Optional.empty(),
                firstHostId,
                Runtime.getRuntime().availableProcessors(),
                memoryBytes(),
                dns(Path.of("/etc/resolv.conf")),
                recursiveReadOnly);
    }

    /** IPv4 before IPv6, neither loopback nor link-local. */
    private static List<String> addresses() {
        try {
            return NetworkInterface.networkInterfaces()
                    .flatMap(NetworkInterface::inetAddresses)
                    .filter(address -> !address.isLoopbackAddress() && !address.isLinkLocalAddress())
                    .sorted(Comparator.comparing(address -> !(address instanceof Inet4Address)))
                    .map(InetAddress::getHostAddress)
                    .map(address -> address.replaceAll("%.*", ""))
                    .distinct()
                    .toList();
        } catch (SocketException none) {
            return List.of();
        }
    }

    private static long memoryBytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/meminfo")).stream()
                .filter(line -> line.startsWith("MemTotal:"))
                .map(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
                .findFirst()
                .orElse(Runtime.getRuntime().maxMemory());
    }

    /** What resolv.conf(5) says; nothing if the file does not exist. */
    static Pod.Dns dns(Path file) throws IOException {
        List<String> servers = new ArrayList<>();
        List<String> searches = new ArrayList<>();
        List<String> options = new ArrayList<>();
        if (Files.exists(file)) {
            for (String line : Files.readAllLines(file)) {
                List<String> words = List.of(line.strip().split("\\s+"));
                List<String> rest = words.subList(1, words.size());
                switch (words.getFirst()) {
                    case "nameserver" -> servers.addAll(rest.stream().limit(1).toList());
                    case "search" -> {
                        // the last line holds
                        searches.clear();
                        searches.addAll(rest);
                    }
                    case "options" -> options.addAll(rest);
                    default -> {
                        // a comment, or sortlist, which CRI cannot say
                    }
                }
            }
        }
        return new Pod.Dns(Optional.empty(), servers, searches, options);
    }
}
