package io.portafilter.cri;

import io.portafilter.cri.v1.Metric;
import io.portafilter.cri.v1.UInt64Value;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/** The metrics of one container or pod, while they are collected. */
final class MetricSamples {

    private static final long NANOS_OF_A_SECOND = 1_000_000_000L;

    private final List<String> commonLabels;
    private final List<Metric> metrics = new ArrayList<>();

    /**
     * None yet.
     *
     * @param commonLabels the values of the labels that each of them has
     */
    MetricSamples(List<String> commonLabels) {
        this.commonLabels = List.copyOf(commonLabels);
    }

    /** Without a time of its own: kubelet takes it for one of now. */
    void add(MetricFamily family, long value, String... moreLabels) {
        List<String> labels = new ArrayList<>(commonLabels);
        labels.addAll(List.of(moreLabels));
        if (labels.size() != family.labels().size()) {
            throw new IllegalArgumentException(family + " has the labels " + family.labels() + ", not " + labels);
        }
        metrics.add(Metric.newBuilder()
                .setName(family.metricName())
                .setMetricType(family.type())
                .addAllLabelValues(labels)
                .setValue(UInt64Value.newBuilder().setValue(value))
                .build());
    }

    /** What is not known is left out. */
    void add(MetricFamily family, OptionalLong value) {
        value.ifPresent(known -> add(family, known));
    }

    /** In whole seconds. */
    void addNanos(MetricFamily family, long nanos) {
        add(family, nanos / NANOS_OF_A_SECOND);
    }

    List<Metric> all() {
        return List.copyOf(metrics);
    }
}
