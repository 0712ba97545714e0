package io.portafilter.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.network.CniJson.Malformed;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class CniResultTest {

    private static List<String> addresses(String text) throws Malformed {
        return CniResult.of(CniJson.object(text.replace('\'', '"').getBytes(StandardCharsets.UTF_8)), CniVersion.V0_4)
                .addresses("eth0");
    }

    private static final String INTERFACES =
            "'interfaces':[{'name':'br0'},{'name':'eth0','sandbox':'/n'},{'name':'eth1','sandbox':'/n'},{'name':'eth0'}]";

    @Test
    void theFirstAddressForIpv4ComesFirst() throws Malformed {
        assertThat(addresses("{'ips':[{'address':'fd00::2/64'},{'address':'10.0.0.2/24'},{'address':'10.0.0.3/24'}]}"))
                .containsExactly("10.0.0.2", "fd00::2", "10.0.0.3");
        assertThat(addresses("{'ips':[{'address':'fd00::2/64'},{'address':'fd00::3/64'}]}"))
                .containsExactly("fd00::2", "fd00::3");
    }

    @Test
    void addressesOfOtherInterfacesAndOfTheHostAreNotThePods() throws Malformed {
        assertThat(addresses("{" + INTERFACES
                        + ",'ips':[{'interface':0,'address':'10.0.0.1/24'},{'interface':1,'address':'10.0.0.2/24'},"
                        + "{'interface':2,'address':'10.0.0.3/24'},{'interface':3,'address':'10.0.0.4/24'},"
                        + "{'interface':99,'address':'10.0.0.5/24'}]}"))
                .containsExactly("10.0.0.2");
    }

    @Test
    void aResultWithoutAVersionHasTheOneThatWasAskedFor() {
        assertThat(CniResult.of(java.util.Map.of(), CniVersion.V1_1).fields()).containsEntry("cniVersion", "1.1.0");
    }

    @Test
    void aResultWithoutAddressesHasNone() throws Malformed {
        assertThat(addresses("{}")).isEmpty();
        assertThat(addresses("{'ips':null}")).isEmpty();
        assertThat(addresses("{'ips':[{}, 'x']}")).isEmpty();
    }
}
