package io.portafilter.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConfigFileTest {
    @TempDir
    Path directory = Path.of("");

    private Path write(String name, String text) throws IOException {
        Path file = directory.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, text);
    }

    private List<String> problems(Path file) {
        return catchThrowableOfType(ConfigException.class, () -> ConfigFile.load(file)).problems().stream()
                .map(problem -> problem.toString().replace(directory + "/", ""))
                .toList();
    }

    @Test
    void everythingHasADefault() throws Exception {
        assertThat(ConfigFile.load(write("config.toml", "# nothing\n"))).isEqualTo(Config.defaults());
    }

    @Test
    void theExampleShowsEveryKeyWithItsDefault() throws Exception {
        Path example = Path.of("..", "deploy", "config.toml");
        String uncommented = Files.readString(example).replaceAll("(?m)^#([a-z_]+ = )", "$1");
        assertThat(ConfigFile.load(write("config.toml", uncommented))).isEqualTo(Config.defaults());
        assertThat(uncommented.lines().filter(line -> line.matches("[a-z_]+ = .*")))
                .hasSize(Config.class.getRecordComponents().length);
    }

    @Test
    void aSwitchIsOn() throws Exception {
        assertThat(ConfigFile.load(write("config.toml", "device_ownership_from_security_context = true\n"))
                        .deviceOwnershipFromSecurityContext())
                .isTrue();
    }

    @Test
    void dropInsWinByName() throws Exception {
        Path main = write("config.toml", "root = \"/a\"\nstate = \"/s\"\n");
        write("conf.d/20.toml", "root = \"/c\"");
        write("conf.d/10.toml", "root = \"/b\"");
        write("conf.d/ignored.txt", "root = \"/d\"");
        Config config = ConfigFile.load(main);
        assertThat(config.root()).isEqualTo(Path.of("/c"));
        assertThat(config.state()).isEqualTo(Path.of("/s"));
    }

    @Test
    void theSocketFollowsTheStateDirectory() throws Exception {
        assertThat(ConfigFile.load(write("config.toml", "state = \"/elsewhere\""))
                        .listen())
                .isEqualTo(Path.of("/elsewhere/portafilter.sock"));
    }

    @Test
    void tellsAllProblemsAtOnceWithFileAndLine() throws Exception {
        Path main = write("config.toml", "\nrot = \"/a\"\nuserns_range = \"5:7\"\n");
        write("conf.d/10.toml", "cgroup_driver = \"openrc\"\nlog_level = 3\n");
        assertThat(problems(main))
                .hasSize(4)
                .anySatisfy(
                        line -> assertThat(line).startsWith("config.toml:2: ").contains("rot", "did you mean root?"))
                .anySatisfy(
                        line -> assertThat(line).startsWith("config.toml:3: ").contains("userns_range", "65536"))
                .anySatisfy(line ->
                        assertThat(line).startsWith("conf.d/10.toml:1: ").contains("systemd", "cgroupfs"))
                .anySatisfy(line ->
                        assertThat(line).startsWith("conf.d/10.toml:2: ").contains("a string is needed"));
    }

    @Test
    void namesTheLineOfASyntaxError() throws Exception {
        assertThat(problems(write("config.toml", "root = \"/a\"\nstate = = 3\n"))
                        .getFirst())
                .startsWith("config.toml:2: ");
    }

    @Test
    void aSectionIsAnUnknownKey() throws Exception {
        assertThat(problems(write("config.toml", "[plugins]\nroot = \"/a\"\n")).getFirst())
                .contains("unknown key plugins");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    root = "relative"                         | absolute
                    root = ["/a"]                             | a string is needed
                    listen = "tcp://127.0.0.1:1"              | unix socket
                    cgroup_parent = "/a/../b"                 | cgroup path
                    cgroup_parent = "a"                       | cgroup path
                    stream_address = "127.0.0.1"              | HOST:PORT
                    stream_address = "127.0.0.1:70000"        | at most 65535
                    cni_bin_dirs = "/opt"                     | list of strings
                    cni_bin_dirs = ["opt"]                    | absolute
                    cdi_spec_dirs = ["etc/cdi"]               | absolute
                    cdi_spec_dirs = true                      | list of strings
                    device_ownership_from_security_context = "true" | true or false, without quotes
                    userns_range = "1073741824"               | FIRST:LENGTH
                    userns_range = "0:65536"                  | multiples
                    userns_range = "2147418112:131072"        | 2147483647
                    """)
    void refusesWrongValues(String line, String hint) throws Exception {
        assertThat(problems(write("config.toml", line)))
                .singleElement()
                .asString()
                .contains(hint);
    }

    @Test
    void refusesASocketPathThatTheKernelCannotTake() {
        assertThatThrownBy(() -> ConfigFile.socket("unix:///" + "a".repeat(107)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("107");
    }

    @Test
    void aFileThatWasAskedForMustExist() {
        assertThat(problems(directory.resolve("absent.toml"))).containsExactly("absent.toml: does not exist");
    }
}
