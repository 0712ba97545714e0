package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.cri.v1.Metric;
import io.portafilter.cri.v1.MetricDescriptor;
import io.portafilter.cri.v1.NetworkInterfaceUsage;
import io.portafilter.linux.InterfaceCounters;
import io.portafilter.linux.KernelText;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What of statistics and metrics can be told without a kernel; the rest is in the live tests. */
class StatisticsTest {
    private static final long SECOND = 1_000_000_000L;

    private static String line(String name, long received) {
        return name + ": " + received + " 1 0 0 0 0 0 0 2 3 0 0 0 0 0 0\n";
    }

    @Test
    void aRateIsKnownFromTheSecondLookOnAndIsThatOfTheTimeBetween() {
        CpuRate rate = new CpuRate();
        assertThat(rate.at(5 * SECOND, 100 * SECOND)).isEmpty();
        assertThat(rate.at(6 * SECOND, 102 * SECOND)).hasValue(SECOND / 2);
    }

    @Test
    void whoeverAsksOftenDoesNotMakeTheRateOneOfAMoment() {
        CpuRate rate = new CpuRate();
        assertThat(rate.at(0, 0)).isEmpty();
        assertThat(rate.at(SECOND / 2, SECOND / 2)).isEmpty();
        assertThat(rate.at(SECOND, SECOND)).hasValue(SECOND);
        // another asks at once: the same answer, and the next second is measured as a whole
        assertThat(rate.at(SECOND + 7, SECOND + 10)).hasValue(SECOND);
        assertThat(rate.at(SECOND, 2 * SECOND)).hasValue(0);
    }

    @Test
    void aCounterThatBeganAnewGivesNoRate() {
        CpuRate rate = new CpuRate();
        assertThat(rate.at(5 * SECOND, 0)).isEmpty();
        assertThat(rate.at(SECOND, 10 * SECOND)).isEmpty();
        assertThat(rate.at(2 * SECOND, 11 * SECOND)).hasValue(SECOND);
    }

    @Test
    void theDefaultInterfaceIsFirstAndLoopbackIsNone() {
        assertThat(PodInterfaces.of(line("lo", 1) + line("net1", 2) + line("eth0", 3) + line("net2", 4)))
                .extracting(InterfaceCounters::name)
                .containsExactly("eth0", "net1", "net2");
        assertThat(PodInterfaces.of(line("lo", 1))).isEmpty();
        assertThat(PodInterfaces.of(line("lo", 1) + line("net1", 2)))
                .extracting(InterfaceCounters::name)
                .containsExactly("net1");
    }

    @Test
    void namesOfInterfacesThatAreNoTextDoNotBreakTheMessage() {
        byte[] name = {'b', (byte) 0xff, (byte) 0xc3, 1, 'd'};
        String bad = KernelText.decode(name, 0, name.length);
        List<InterfaceCounters> found = PodInterfaces.of(line(bad, 1) + line("é\u2028\u200e", 2));
        assertThat(found.getFirst().name()).isEqualTo("b???d");
        assertThat(NetworkInterfaceUsage.newBuilder()
                        .setName(found.getLast().name())
                        .build()
                        .toByteString()
                        .isValidUtf8())
                .isTrue();
    }

    @Test
    void aPodThatMakesThousandsOfInterfacesIsToldOfByItsFirst() {
        String text = IntStream.range(0, 5000).mapToObj(i -> line("d" + i, i)).collect(Collectors.joining())
                + line("eth0", 7);
        assertThat(PodInterfaces.of(text))
                .hasSize(64)
                .first()
                .satisfies(first -> assertThat(first.name()).isEqualTo("eth0"));
    }

    @Test
    void everyFamilyOfMetricsIsDescribedOnceWithHelpAndLabels() {
        assertThat(Metrics.descriptors())
                .hasSize(MetricFamily.values().length)
                .allSatisfy(descriptor -> {
                    assertThat(descriptor.getName()).matches("container_[a-z_]+");
                    assertThat(descriptor.getHelp()).endsWith(".");
                    assertThat(descriptor.getLabelKeysList())
                            .startsWith("pod", "namespace", "container", "id", "image")
                            .doesNotHaveDuplicates();
                })
                .extracting(MetricDescriptor::getName)
                .doesNotHaveDuplicates();
    }

    @Test
    void aMetricHasAValueForEachOfItsLabels() {
        MetricSamples samples = new MetricSamples(List.of("pod", "namespace", "container", "id", "image"));
        samples.add(MetricFamily.HUGE_PAGES, 4, "2MB");
        samples.addNanos(MetricFamily.CPU_USAGE, 2 * SECOND + 999_999_999);
        assertThat(samples.all())
                .extracting(metric -> metric.getValue().getValue())
                .containsExactly(4L, 2L);
        assertThat(samples.all().getFirst())
                .extracting(Metric::getLabelValuesList)
                .isEqualTo(List.of("pod", "namespace", "container", "id", "image", "2MB"));
        assertThatThrownBy(() -> samples.add(MetricFamily.HUGE_PAGES, 4)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> samples.add(MetricFamily.CPU_USAGE, 4, "more"))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
