package io.portafilter.e2e.bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Measurements of one thing, and of a peer's same thing from the same run.
 *
 * @param name of the benchmark
 * @param unit {@code ms} or {@code KiB}; smaller is better
 * @param peer {@code runc}, {@code crun}, {@code unshare}, {@code containerd} or {@code plugins}
 */
record Series(String name, String unit, List<Double> ours, Optional<Peer> peer) {
    record Peer(String name, List<Double> measured) {}

    Series {
        ours = List.copyOf(ours);
    }

    static Series alone(String name, String unit, List<Double> ours) {
        return new Series(name, unit, ours, Optional.empty());
    }

    /** The smallest value that is not less than this share of all. */
    static double quantile(List<Double> values, double share) {
        List<Double> sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        int index = (int) Math.ceil(share * sorted.size()) - 1;
        return sorted.get(Math.max(0, index));
    }

    private double p50() {
        return quantile(ours, 0.5);
    }

    private Optional<Double> peerP50() {
        return peer.map(p -> quantile(p.measured(), 0.5));
    }

    String text() {
        return String.format(
                Locale.ROOT,
                "%-28s %-4s %5d %9.2f %9.2f %-8s %9s %7s",
                name,
                unit,
                ours.size(),
                p50(),
                quantile(ours, 0.9),
                peer.map(Peer::name).orElse("-"),
                peerP50().map(p -> String.format(Locale.ROOT, "%.2f", p)).orElse("-"),
                peerP50()
                        .map(p -> String.format(Locale.ROOT, "%.1f", p / p50()))
                        .orElse("-"));
    }

    String json() {
        return String.format(
                Locale.ROOT,
                "{\"name\":\"%s\",\"unit\":\"%s\",\"n\":%d,\"p50\":%.3f,\"p90\":%.3f,\"peer\":%s,\"peer_p50\":%s,"
                        + "\"ratio\":%s}",
                name,
                unit,
                ours.size(),
                p50(),
                quantile(ours, 0.9),
                peer.map(p -> "\"" + p.name() + "\"").orElse("null"),
                peerP50().map(p -> String.format(Locale.ROOT, "%.3f", p)).orElse("null"),
                peerP50()
                        .map(p -> String.format(Locale.ROOT, "%.2f", p / p50()))
                        .orElse("null"));
    }
}
