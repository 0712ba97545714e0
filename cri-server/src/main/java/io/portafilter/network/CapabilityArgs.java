package io.portafilter.network;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** What plugins can be told of a pod, in the words of the conventions of CNI ({@code CONVENTIONS.md}). */
final class CapabilityArgs {

    static final String PORT_MAPPINGS = "portMappings";
    private static final String INGRESS = "kubernetes.io/ingress-bandwidth";
    private static final String EGRESS = "kubernetes.io/egress-bandwidth";

    /** What Kubernetes takes for reasonable: 1 kbit/s to 1 Pbit/s. */
    private static final BigDecimal SLOWEST = new BigDecimal(1000);

    private static final BigDecimal FASTEST = new BigDecimal("1000000000000000");

    /** The plugin wants a burst, in bits too, and the annotation has none: what goes through in a second. */
    private static final long BURST_SECONDS = 1;

    /** A burst that is less than a few of the large packets that interfaces hand over lets nothing through. */
    private static final long SMALLEST_BURST = 4 << 20;

    /**
     * The kernel counts a burst as the time that it takes, in 32 bits of 64 ns ({@code PSCHED_SHIFT} of
     * net/pkt_sched.h): one of 275 seconds would be none.
     */
    private static final long LONGEST_BURST_SECONDS = 200;

    /** The largest that plugins take. */
    private static final long LARGEST_BURST = Integer.MAX_VALUE;

    private static final Map<String, BigDecimal> UNITS = Map.ofEntries(
            Map.entry("", BigDecimal.ONE),
            Map.entry("m", new BigDecimal("0.001")),
            Map.entry("k", new BigDecimal("1e3")),
            Map.entry("M", new BigDecimal("1e6")),
            Map.entry("G", new BigDecimal("1e9")),
            Map.entry("T", new BigDecimal("1e12")),
            Map.entry("P", new BigDecimal("1e15")),
            Map.entry("E", new BigDecimal("1e18")),
            Map.entry("Ki", BigDecimal.valueOf(1L << 10)),
            Map.entry("Mi", BigDecimal.valueOf(1L << 20)),
            Map.entry("Gi", BigDecimal.valueOf(1L << 30)),
            Map.entry("Ti", BigDecimal.valueOf(1L << 40)),
            Map.entry("Pi", BigDecimal.valueOf(1L << 50)),
            Map.entry("Ei", BigDecimal.valueOf(1L << 60)));

    private CapabilityArgs() {}

    static Map<String, Object> of(PodAsked pod) {
        Map<String, Object> told = new LinkedHashMap<>();
        if (!pod.ports().isEmpty()) {
            told.put(
                    PORT_MAPPINGS,
                    pod.ports().stream().map(CapabilityArgs::port).toList());
        }
        bandwidth(pod.annotations()).ifPresent(limits -> told.put("bandwidth", limits));
        pod.dns().ifPresent(dns -> {
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("servers", dns.servers());
            fields.put("searches", dns.searches());
            fields.put("options", dns.options());
            told.put("dns", fields);
        });
        List<Object> ranges = ranges(pod.podCidr());
        if (!ranges.isEmpty()) {
            told.put("ipRanges", ranges);
        }
        if (!pod.cgroupParent().isEmpty()) {
            told.put("cgroupPath", pod.cgroupParent());
        }
        // the name that plugins know from containerd
        told.put("io.kubernetes.cri.pod-annotations", new TreeMap<>(pod.annotations()));
        return told;
    }

    private static Map<String, Object> port(PodAsked.HostPort port) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("hostPort", port.hostPort());
        fields.put("containerPort", port.containerPort());
        fields.put("protocol", port.protocol());
        fields.put("hostIP", port.hostIp());
        return fields;
    }

    /** One set of one range for each family. */
    private static List<Object> ranges(String podCidr) {
        return Arrays.stream(podCidr.split(","))
                .map(String::strip)
                .filter(subnet -> !subnet.isEmpty())
                .<Object>map(subnet -> List.of(Map.of("subnet", subnet)))
                .toList();
    }

    private static Optional<Map<String, Object>> bandwidth(Map<String, String> annotations) {
        Map<String, Object> limits = new LinkedHashMap<>();
        List<String> names = new ArrayList<>(List.of(INGRESS, EGRESS));
        for (String name : names) {
            String value = annotations.get(name);
            if (value != null) {
                String direction = name.equals(INGRESS) ? "ingress" : "egress";
                long rate = bitsPerSecond(name, value);
                limits.put(direction + "Rate", rate);
                limits.put(direction + "Burst", burst(rate));
            }
        }
        return limits.isEmpty() ? Optional.empty() : Optional.of(limits);
    }

    private static long burst(long rate) {
        long least = Math.min(SMALLEST_BURST, rate * LONGEST_BURST_SECONDS);
        return Math.min(Math.max(rate * BURST_SECONDS, least), LARGEST_BURST);
    }

    private static long bitsPerSecond(String annotation, String quantity) {
        String text = quantity.strip();
        int end = 0;
        while (end < text.length() && "0123456789.+".indexOf(text.charAt(end)) >= 0) {
            end++;
        }
        BigDecimal unit = UNITS.get(text.substring(end));
        try {
            if (unit != null && end > 0) {
                BigDecimal bits = new BigDecimal(text.substring(0, end)).multiply(unit);
                if (bits.compareTo(SLOWEST) >= 0 && bits.compareTo(FASTEST) <= 0) {
                    return bits.setScale(0, java.math.RoundingMode.CEILING).longValueExact();
                }
            }
        } catch (NumberFormatException e) {
            throw refused(annotation, quantity);
        }
        throw refused(annotation, quantity);
    }

    private static NetworkException refused(String annotation, String quantity) {
        return NetworkException.asked("the annotation " + annotation + " is \"" + quantity
                + "\", which is no quantity from 1k to 1P (bits in a second)");
    }
}
