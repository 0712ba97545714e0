package io.portafilter.cri;

import com.google.protobuf.ByteString;
import io.portafilter.cri.v1.Metric;
import io.portafilter.cri.v1.UInt64Value;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/** The metrics of one container or pod, while they are collected. */
final class MetricSamples {

    private static final long NANOS_OF_A_SECOND = 1_000_000_000L;

    /** What all have in common, from which each is made. */
    private final Metric common;

    private final List<Metric> metrics = new ArrayList<>();

    /**
     * None yet.
     *
     * @param commonLabels the values of the labels that each of them has
     */
    MetricSamples(List<String> commonLabels) {
        Metric.Builder builder = Metric.newBuilder();
        // as bytes: each of some seventy metrics of a container would encode them again
        commonLabels.forEach(label -> builder.addLabelValuesBytes(ByteString.copyFromUtf8(label)));
        this.common = builder.build();
    }

    /** Without a time of its own: kubelet takes it for one of now. */
    void add(MetricFamily family, long value, String... moreLabels) {
        Metric.Builder metric = common.toBuilder()
                .setNameBytes(family.nameBytes())
                .setMetricType(family.type())
                .setValue(UInt64Value.newBuilder().setValue(value));
        for (String label : moreLabels) {
            metric.addLabelValues(label);
        }
        if (metric.getLabelValuesCount() != family.labels().size()) {
            throw new IllegalArgumentException(
                    family + " has the labels " + family.labels() + ", not " + metric.getLabelValuesList());
        }
        metrics.add(metric.build());
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
