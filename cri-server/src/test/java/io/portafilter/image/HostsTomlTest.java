package io.portafilter.image;

import static io.portafilter.image.StoreFixture.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HostsTomlTest {
    @TempDir
    Path directory;

    private HostsToml parse(String text) {
        return HostsToml.parse(text, directory.resolve("hosts.toml"), "registry.example");
    }

    private void write(String host, String text) throws IOException {
        Path file = directory.resolve(host).resolve("hosts.toml");
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    @Test
    void readsMirrorsInTheirOrderAndAllTheirKeys() {
        HostsToml hosts = parse("""
                server = "https://upstream.example"
                ca = "top.pem"

                [host."https://zz.example"]
                  capabilities = ["pull"]
                  ca = ["a.pem", "/abs/b.pem"]
                  skip_verify = true
                  client = [["c.cert", "c.key"], ["d.cert", "d.key"]]
                  [host."https://zz.example".header]
                    x-one = "1"
                    x-two = ["2", "3"]

                [host."http://aa.example:5000/proxy/v2"]
                  override_path = true

                [host."bb.example/prefix"]
                """);

        assertThat(hosts.mirrors())
                .extracting(RegistryHost::api)
                .containsExactly(
                        URI.create("https://zz.example/v2"),
                        URI.create("http://aa.example:5000/proxy/v2"),
                        URI.create("https://bb.example/prefix/v2"));
        RegistryHost first = hosts.mirrors().getFirst();
        assertThat(first.pulls()).isTrue();
        assertThat(first.resolves()).isFalse();
        assertThat(first.skipVerify()).isTrue();
        assertThat(first.authorities()).containsExactly(directory.resolve("a.pem"), Path.of("/abs/b.pem"));
        assertThat(first.clientKeys())
                .containsExactly(
                        new RegistryHost.ClientKey(directory.resolve("c.cert"), directory.resolve("c.key")),
                        new RegistryHost.ClientKey(directory.resolve("d.cert"), directory.resolve("d.key")));
        assertThat(first.headers()).containsEntry("x-one", List.of("1")).containsEntry("x-two", List.of("2", "3"));
        assertThat(first.upstream()).isFalse();
        assertThat(hosts.upstream().api()).isEqualTo(URI.create("https://upstream.example/v2"));
        assertThat(hosts.upstream().authorities()).containsExactly(directory.resolve("top.pem"));
    }

    @ParameterizedTest
    @CsvSource({
        "registry.example, https://registry.example/v2",
        "registry.example:5000, https://registry.example:5000/v2",
        "docker.io, https://registry-1.docker.io/v2",
        "localhost, http://localhost/v2",
        "localhost:5000, http://localhost:5000/v2",
        "127.0.0.5:80, http://127.0.0.5:80/v2",
        "[::1]:5000, http://[::1]:5000/v2",
        "10.0.0.1:5000, https://10.0.0.1:5000/v2",
        "localhost.evil.example, https://localhost.evil.example/v2",
    })
    void withoutAFileLoopbackIsPlainAndAnyOtherByTls(String registry, String api) {
        assertThat(HostsToml.find(List.of(directory), registry).inOrder())
                .extracting(RegistryHost::api)
                .containsExactly(URI.create(api));
    }

    @Test
    void findsTheHostsDirectoryByEachOfItsSpellingsThenTheDefault() throws IOException {
        write("_default", "server = \"https://default.example\"");
        write("one.example_5000_", "server = \"https://one-up.example\"");
        write("two.example:5000", "server = \"https://two-up.example\"");

        assertThat(upstream("one.example:5000")).isEqualTo("one-up.example");
        assertThat(upstream("two.example:5000")).isEqualTo("two-up.example");
        assertThat(upstream("three.example")).isEqualTo("default.example");
    }

    private String upstream(String registry) {
        return HostsToml.find(List.of(directory), registry).upstream().authority();
    }

    @Test
    void aDirectoryOfCertificatesIsReadAsDockersAre() throws IOException {
        Path host = Files.createDirectories(directory.resolve("localhost:5000"));
        for (String name : List.of("ca.crt", "client.cert", "client.key")) {
            Files.writeString(host.resolve(name), "");
        }

        RegistryHost upstream =
                HostsToml.find(List.of(directory), "localhost:5000").upstream();

        assertThat(upstream.api()).isEqualTo(URI.create("https://localhost:5000/v2"));
        assertThat(upstream.authorities()).containsExactly(host.resolve("ca.crt"));
        assertThat(upstream.clientKeys())
                .containsExactly(new RegistryHost.ClientKey(host.resolve("client.cert"), host.resolve("client.key")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "server = 5 | server is to be a string",
                "serfer = 'x' | unknown key \"serfer\"",
                "server = 'ftp://x' | is to be http",
                "server = 'https://u:p@x' | is to be http",
                "[host.'https://a'] \\nskip_verify = 'yes' | skip_verify is to be true or false",
                "[host.'https://a'] \\nca = [1] | ca is to be a string or a list",
                "[host.'https://a'] \\nrewrite = 'x' | unknown key \"rewrite\"",
                "host = 'x' | host is to be a table",
                "server = | line 1",
            })
    void refusesAWrongFileNamingTheLine(String text, String why) {
        ImageException failure = failureOf(() -> parse(text.replace("\\n", "\n")));

        assertThat(failure).hasMessageContaining("hosts.toml line ").hasMessageContaining(why);
    }
}
