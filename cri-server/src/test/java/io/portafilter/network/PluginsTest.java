package io.portafilter.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Plugins that are shell scripts. */
class PluginsTest {
    private static final String VERSIONS =
            "[ \"$CNI_COMMAND\" = VERSION ] && echo '{\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}' && exit 0\n";

    @TempDir
    Path directory;

    private Path configurations;
    private Plugins plugins;

    @BeforeEach
    void make() throws IOException {
        configurations = Files.createDirectory(directory.resolve("net.d"));
        plugins = new Plugins(
                List.of(directory.resolve("nowhere"), directory), "/the/root", "instance", Duration.ofSeconds(2));
    }

    private void script(String name, String body) throws IOException {
        Path file = Files.writeString(directory.resolve(name), "#!/bin/sh\n" + body);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Map<String, Object> call(String verb) {
        return plugins.call(
                new NetworkConfig.Plugin("p", Map.of()),
                new Plugins.Call(verb, Map.of("CNI_IFNAME", "eth0")),
                "{\"input\":1}".getBytes(StandardCharsets.UTF_8),
                Duration.ofMinutes(1));
    }

    private ConfigDirectory.Found find() {
        return new ConfigDirectory(configurations, plugins).find();
    }

    @Test
    void aPluginReadsItsRequestAndHasABareEnvironment() throws IOException {
        script("p", "printf '{\"in\":%s,\"env\":\"%s\"}' \"$(cat)\" \"$(env | cut -d= -f1 | sort | tr '\\n' ' ')\"\n");

        Map<String, Object> answer = call("ADD");

        assertThat(CniJson.text(java.util.Objects.requireNonNull(answer.get("in"))))
                .isEqualTo("{\"input\":1}");
        assertThat(List.of(CniJson.textAt(answer, "env").split(" ")))
                // PWD and the like are the shell's
                .filteredOn(name -> !List.of("PWD", "OLDPWD", "SHLVL", "_").contains(name))
                .containsExactly(
                        "CNI_COMMAND", "CNI_IFNAME", "CNI_PATH", "PATH", "PORTAFILTER_INSTANCE", "PORTAFILTER_ROOT");
    }

    @Test
    void aPluginsOwnWordsAreTold() throws IOException {
        script("p", "echo noise >&2; echo '{\"code\":7,\"msg\":\"no such bridge\",\"details\":\"br9\"}'; exit 1\n");

        assertThatThrownBy(() -> call("ADD"))
                .isInstanceOf(NetworkException.class)
                .hasMessageContaining("plugin p ADD: no such bridge; br9 (code 7, exit status 1)");
    }

    @Test
    void aPluginThatSaysTryAgainLaterIsPassing() throws IOException {
        script("p", "echo '{\"code\":11,\"msg\":\"later\"}'; exit 1\n");

        assertThatThrownBy(() -> call("DEL"))
                .isInstanceOfSatisfying(
                        NetworkException.class, e -> assertThat(e.kind()).isEqualTo(NetworkException.Kind.FOR_NOW));
    }

    @Test
    void withoutAnErrorObjectTheEndOfStderrIsTold() throws IOException {
        script("p", "echo first >&2; echo 'panic: what' >&2; exit 3\n");

        assertThatThrownBy(() -> call("ADD"))
                .hasMessageContaining("exit status 3")
                .hasMessageContaining("first panic: what");
    }

    @Test
    void aKilledPluginIsToldBySignal() throws IOException {
        script("p", "kill -SEGV $$\n");

        assertThatThrownBy(() -> call("ADD")).hasMessageContaining("killed by signal 11");
    }

    @Test
    void anAnswerThatIsNoneFailsAddAndNotDel() throws IOException {
        script("p", "[ $CNI_COMMAND = DEL ] || echo nonsense\n");

        assertThatThrownBy(() -> call("ADD")).hasMessageContaining("is no JSON");
        assertThat(call("DEL")).isEmpty();
        script("p", "exit 0\n");
        assertThatThrownBy(() -> call("ADD")).hasMessageContaining("without an answer");
    }

    @Test
    void aPluginThatHangsIsKilledWithAllThatItStarted() throws IOException {
        Path pid = directory.resolve("pid");
        script("p", "sleep 1000 & echo $! > " + pid + "; echo stuck >&2; wait\n");

        assertThatThrownBy(() -> call("ADD"))
                .isInstanceOf(NetworkException.class)
                .hasMessageContaining("did not end within 2.0 s and was killed; it wrote: stuck");
        long sleeper = Long.parseLong(Files.readString(pid).strip());
        long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (isAlive(sleeper) && System.nanoTime() < deadline) {
            java.util.concurrent.locks.LockSupport.parkNanos(20_000_000);
        }
        assertThat(isAlive(sleeper)).isFalse();
    }

    private static boolean isAlive(long pid) throws IOException {
        Path stat = Path.of("/proc/" + pid + "/stat");
        return Files.exists(stat) && !Files.readString(stat).contains(") Z ");
    }

    @Test
    void aDescendantThatOutlivesItsPluginKeepsNobodyWaiting() throws IOException {
        script("p", "sleep 30 &\necho '{}'\n");

        assertThat(call("ADD")).isEmpty();
    }

    @Test
    void theFirstFileByNameIsUsed() throws IOException {
        script("p", VERSIONS);
        Files.writeString(
                configurations.resolve("20.conf"), "{\"cniVersion\":\"1.0.0\",\"name\":\"b\",\"type\":\"p\"}");
        Files.writeString(
                configurations.resolve("10.conflist"),
                "{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"plugins\":[{\"type\":\"p\"}]}");
        Files.writeString(configurations.resolve("00.txt"), "not looked at");

        assertThat(find())
                .isInstanceOfSatisfying(
                        ConfigDirectory.Found.Usable.class,
                        usable -> assertThat(usable.config().name()).isEqualTo("a"));
    }

    @Test
    void aWrongFileIsNotPassedOver() throws IOException {
        script("p", VERSIONS);
        Files.writeString(configurations.resolve("10.json"), "{\n\"cniVersion\": oops");
        Files.writeString(
                configurations.resolve("20.conf"), "{\"cniVersion\":\"1.0.0\",\"name\":\"b\",\"type\":\"p\"}");

        assertThat(find()).isInstanceOfSatisfying(ConfigDirectory.Found.Wrong.class, wrong -> {
            assertThat(wrong.file()).isEqualTo(configurations.resolve("10.json"));
            assertThat(wrong.why()).contains("is no JSON").contains("line 2");
        });
    }

    @Test
    void aPluginThatIsNotThereOrSpeaksAnotherVersionIsNamed() throws IOException {
        Files.writeString(
                configurations.resolve("10.conf"), "{\"cniVersion\":\"1.1.0\",\"name\":\"b\",\"type\":\"p\"}");
        assertThat(find())
                .isInstanceOfSatisfying(
                        ConfigDirectory.Found.Wrong.class,
                        wrong -> assertThat(wrong.why()).contains("plugin p is not there"));

        script("p", VERSIONS);

        assertThat(find())
                .isInstanceOfSatisfying(
                        ConfigDirectory.Found.Wrong.class,
                        wrong -> assertThat(wrong.why()).contains("does not speak CNI 1.1.0, but 0.4.0, 1.0.0"));
    }

    @Test
    void withoutFilesThereIsNothing() throws IOException {
        assertThat(find()).isInstanceOf(ConfigDirectory.Found.Nothing.class);
        Files.delete(configurations);
        assertThat(find()).isInstanceOf(ConfigDirectory.Found.Nothing.class);
    }
}
