package io.portafilter.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.network.CniJson.Malformed;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NetworkConfigTest {

    private static byte[] bytes(String text) {
        return text.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
    }

    private static NetworkConfig list(String text) throws Malformed {
        return NetworkConfig.of(CniJson.object(bytes(text)));
    }

    private static NetworkConfig single(String text) throws Malformed {
        return NetworkConfig.single(CniJson.object(bytes(text)));
    }

    @Test
    void aListHasItsPluginsInOrder() throws Malformed {
        NetworkConfig network = list("{'cniVersion':'1.0.0','name':'n','plugins':[{'type':'a'},{'type':'b'}]}");

        assertThat(network.name()).isEqualTo("n");
        assertThat(network.plugins()).extracting(NetworkConfig.Plugin::type).containsExactly("a", "b");
        assertThat(network.checks()).isTrue();
        assertThat(network.collects()).isTrue();
    }

    @Test
    void aSinglePluginIsAListOfOne() throws Malformed {
        NetworkConfig network = single("{'cniVersion':'0.4.0','name':'n','type':'a','x':1}");

        assertThat(network.version()).isEqualTo(CniVersion.V0_4);
        assertThat(network.plugins().getFirst().fields()).containsKey("x");
    }

    @Test
    void theNewestOfferedVersionIsSpoken() throws Malformed {
        NetworkConfig network = list("{'cniVersion':'1.0.0','cniVersions':['1.1.0','0.4.0','9.9.9'],"
                + "'name':'n','disableCheck':true,'disableGC':true,'plugins':[{'type':'a'}]}");

        assertThat(network.version()).isEqualTo(CniVersion.V1_1);
        assertThat(network.checks()).isFalse();
        assertThat(network.collects()).isFalse();
    }

    @Test
    void aPluginIsToldOfWhatItDeclaresAlone() throws Malformed {
        NetworkConfig network = list("{'cniVersion':'1.0.0','name':'n','plugins':["
                + "{'type':'a','capabilities':{'portMappings':true,'dns':false},'mtu':1.50},{'type':'b'}]}");
        Map<String, Object> told = Map.of("portMappings", java.util.List.of(), "dns", Map.of());

        assertThat(new String(
                        network.request(network.plugins().getFirst(), told, Map.of("prevResult", Map.of())),
                        StandardCharsets.UTF_8))
                .contains("\"runtimeConfig\":{\"portMappings\":[]}")
                .contains("\"prevResult\":{}")
                .contains("\"name\":\"n\",\"cniVersion\":\"1.0.0\"")
                // as it was written
                .contains("\"mtu\":1.50");
        assertThat(new String(network.request(network.plugins().getLast(), told, Map.of()), StandardCharsets.UTF_8))
                .doesNotContain("runtimeConfig")
                .doesNotContain("prevResult");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "|is empty",
                "{|is no JSON",
                "[]|is no JSON object",
                "{'name':'n','cniVersion':'1.0.0','plugins':[{'type':'a'}]} x|",
                "{'cniVersion':'1.0.0','plugins':[{'type':'a'}]}|has no name",
                "{'name':'../n','cniVersion':'1.0.0','plugins':[{'type':'a'}]}|which no network can have",
                "{'name':'n','plugins':[{'type':'a'}]}|has no cniVersion",
                "{'name':'n','cniVersion':'0.2.0','plugins':[{'type':'a'}]}|has cniVersion 0.2.0",
                "{'name':'n','cniVersion':'1.0.0','plugins':[]}|has no plugins",
                "{'name':'n','cniVersion':'1.0.0','plugins':[{}]}|without a type",
                "{'name':'n','cniVersion':'1.0.0','plugins':['a']}|that is no object",
                "{'name':'n','cniVersion':'1.0.0','plugins':[{'type':'../../bin/sh'}]}|a type is a name, not a path"
            })
    void saysWhatIsWrong(String text, String why) {
        assertThatThrownBy(() -> list(text == null ? "" : text))
                .isInstanceOf(Malformed.class)
                .hasMessageContaining(why == null ? "" : why);
    }

    @Test
    void aListInAFileForOnePluginIsToldFromOne() {
        assertThatThrownBy(() -> single("{'cniVersion':'1.0.0','name':'n','plugins':[{'type':'a'}]}"))
                .hasMessageContaining(".conflist");
    }
}
