package io.portafilter.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CapabilityArgsTest {

    private static String told(Map<String, String> annotations, List<PodAsked.HostPort> ports, String podCidr) {
        return CniJson.text(CapabilityArgs.of(new PodAsked(
                "id",
                "ns",
                "name",
                "uid",
                annotations,
                ports,
                Optional.of(new PodAsked.Dns(List.of("10.0.0.10"), List.of("cluster.local"), List.of("ndots:5"))),
                "/kubepods/pod1",
                podCidr)));
    }

    @Test
    void aPodsPortsNamesAndRangesAreInTheWordsOfTheConventions() {
        assertThat(told(
                        Map.of("a", "b"),
                        List.of(new PodAsked.HostPort(8080, 80, "tcp", "127.0.0.1")),
                        "10.1.0.0/24,fd00::/64"))
                .contains("\"portMappings\":[{\"hostPort\":8080,\"containerPort\":80,\"protocol\":\"tcp\","
                        + "\"hostIP\":\"127.0.0.1\"}]")
                .contains("\"dns\":{\"servers\":[\"10.0.0.10\"],\"searches\":[\"cluster.local\"],"
                        + "\"options\":[\"ndots:5\"]}")
                .contains("\"ipRanges\":[[{\"subnet\":\"10.1.0.0/24\"}],[{\"subnet\":\"fd00::/64\"}]]")
                .contains("\"cgroupPath\":\"/kubepods/pod1\"")
                .contains("\"io.kubernetes.cri.pod-annotations\":{\"a\":\"b\"}")
                .doesNotContain("bandwidth");
    }

    @Test
    void whatIsNotAskedForIsNotTold() {
        assertThat(told(Map.of(), List.of(), "")).doesNotContain("portMappings").doesNotContain("ipRanges");
    }

    @ParameterizedTest
    @CsvSource({
        "1k,1000,200000",
        "1500500m,1501,300200",
        "2000,2000,400000",
        "1Mi,1048576,4194304",
        "10M,10000000,10000000",
        "1.5G,1500000000,1500000000",
        "1P,1000000000000000,2147483647"
    })
    void bandwidthIsBitsInASecondAndABurstOfAboutASecond(String quantity, String bits, String burst) {
        assertThat(told(Map.of("kubernetes.io/ingress-bandwidth", quantity), List.of(), ""))
                .contains("\"bandwidth\":{\"ingressRate\":" + bits + ",\"ingressBurst\":" + burst + "}");
        assertThat(told(Map.of("kubernetes.io/egress-bandwidth", quantity), List.of(), ""))
                .contains("\"bandwidth\":{\"egressRate\":" + bits + ",\"egressBurst\":" + burst + "}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "fast", "-1M", "999", "2P", "1.2.3M", "1Mb", "1 M"})
    void bandwidthThatCannotBeIsRefused(String quantity) {
        assertThatThrownBy(() -> told(Map.of("kubernetes.io/egress-bandwidth", quantity), List.of(), ""))
                .isInstanceOf(NetworkException.class)
                .hasMessageContaining("kubernetes.io/egress-bandwidth");
    }
}
