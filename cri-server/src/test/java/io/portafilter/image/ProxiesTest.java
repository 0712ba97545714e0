package io.portafilter.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProxiesTest {
    private static final Map<String, String> ENVIRONMENT = Map.of(
            "HTTPS_PROXY", "http://joe:s%40cret@proxy.example:3128",
            "http_proxy", "plain.example",
            "NO_PROXY", "10.0.0.0/8, .inner.example,outer.example,port.example:5000,192.168.1.7,[fd00::1]");

    @ParameterizedTest
    @CsvSource({
        "https://registry.example/v2, proxy.example:3128",
        "http://registry.example/v2, plain.example:80",
        "https://localhost/v2, none",
        "http://127.3.2.1:5000/v2, none",
        "http://[::1]:5000/v2, none",
        "https://10.200.3.4/v2, none",
        "https://11.0.0.1/v2, proxy.example:3128",
        "https://a.inner.example/v2, none",
        "https://inner.example/v2, proxy.example:3128",
        "https://outer.example/v2, none",
        "https://a.outer.example/v2, none",
        "https://notouter.example/v2, proxy.example:3128",
        "https://port.example:5000/v2, none",
        "https://port.example/v2, proxy.example:3128",
        "https://192.168.1.7/v2, none",
        "https://[fd00::1]/v2, none",
    })
    void goesThroughTheProxyUnlessExempt(String uri, String proxy) {
        assertThat(Proxies.of(ENVIRONMENT)
                        .proxyFor(URI.create(uri))
                        .map(Proxies.HttpProxy::toString)
                        .orElse("none"))
                .isEqualTo(proxy);
    }

    @Test
    void aStarExemptsAll() {
        assertThat(Proxies.of(Map.of("HTTPS_PROXY", "http://p:1", "NO_PROXY", "*"))
                        .proxyFor(URI.create("https://registry.example/")))
                .isEmpty();
    }

    @Test
    void refusesAProxyThatItCannotUseWithoutShowingItsPassword() {
        assertThatThrownBy(() -> Proxies.of(Map.of("HTTPS_PROXY", "socks5://joe:secret@p:1")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("socks5")
                .hasMessageNotContaining("secret");
        assertThatThrownBy(() -> Proxies.of(Map.of("HTTPS_PROXY", "http://joe:sec ret@p:1")))
                .hasMessageNotContaining("sec ret");
    }
}
