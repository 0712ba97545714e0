package io.portafilter.cdi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What specifications of CDI devices say, which of them count, and what becomes of wrong ones. */
class CatalogueTest {
    private static final String GPU = """
            cdiVersion: "0.5.0"
            kind: vendor.com/gpu
            containerEdits:
              env: [DRIVER=1]
            devices:
              - name: "0"
                containerEdits:
                  env: [GPU=0]
              - name: "1"
                containerEdits:
                  env: [GPU=1]
            """;

    @TempDir
    Path directory;

    private Path etc = Path.of("/");
    private Path run = Path.of("/");

    @BeforeEach
    void directories() throws IOException {
        etc = Files.createDirectory(directory.resolve("etc"));
        run = Files.createDirectory(directory.resolve("run"));
    }

    private Catalogue catalogue() {
        return Catalogue.read(List.of(etc, run));
    }

    private static ContainerEdits edits(Catalogue catalogue, String... names) {
        return catalogue
                .injection(Arrays.stream(names).map(DeviceName::parse).toList())
                .edits();
    }

    /** A specification of one device, c.com/d=x, whose edits are these. */
    private String one(String version, String edits) throws IOException {
        Files.writeString(
                etc.resolve("one.json"),
                "{\"cdiVersion\": \"" + version + "\", \"kind\": \"c.com/d\", \"devices\": [{\"name\": \"x\","
                        + "\"containerEdits\": {" + edits.replace('\'', '"') + "}}]}");
        return "c.com/d=x";
    }

    private String problem() {
        return String.join("\n", catalogue().problems());
    }

    // ---- what a file says

    @Test
    void editsOfTheFileComeOnceAndBeforeThoseOfItsDevices() throws IOException {
        Files.writeString(etc.resolve("gpu.yaml"), GPU);

        assertThat(edits(catalogue(), "vendor.com/gpu=1", "vendor.com/gpu=0").environment())
                .containsExactly("DRIVER=1", "GPU=1", "GPU=0");
    }

    @Test
    void everyFieldIsRead() throws IOException {
        String name = one("1.1.0", """
                'env': ['A=b=c'],
                'deviceNodes': [
                    {'path': '/dev/a'},
                    {'path': '/dev/b', 'hostPath': '/dev/real', 'type': 'u', 'major': 10, 'minor': 200,
                     'fileMode': 8624, 'permissions': 'wr', 'uid': 5, 'gid': 6},
                    {'path': '/dev/c', 'type': 'b', 'permissions': 'none'}],
                'mounts': [{'hostPath': '/lib/x', 'containerPath': '/usr/lib/x', 'type': 'bind', 'options': ['ro', 'rbind']},
                           {'hostPath': '/a', 'containerPath': '/b'}],
                'additionalGids': [44, 0, 45],
                'hooks': [{'hookName': 'createContainer', 'path': '/usr/bin/hook', 'args': ['hook', 'x'], 'env': ['A=b'], 'timeout': 3}],
                'intelRdt': {'closID': 'gold', 'schemata': ['L3:0=f'], 'enableMonitoring': true},
                'netDevices': [{'hostInterfaceName': 'eth7', 'name': 'net1'}]
                """);
        ContainerEdits edits = edits(catalogue(), name);

        assertThat(edits.environment()).containsExactly("A=b=c");
        assertThat(edits.deviceNodes())
                .containsExactly(
                        new ContainerEdits.Node(
                                "/dev/a",
                                "/dev/a",
                                Optional.empty(),
                                0,
                                0,
                                Optional.empty(),
                                "rwm",
                                OptionalLong.empty(),
                                OptionalLong.empty()),
                        new ContainerEdits.Node(
                                "/dev/b",
                                "/dev/real",
                                Optional.of('c'),
                                10,
                                200,
                                Optional.of(0660),
                                "rw",
                                OptionalLong.of(5),
                                OptionalLong.of(6)),
                        new ContainerEdits.Node(
                                "/dev/c",
                                "/dev/c",
                                Optional.of('b'),
                                0,
                                0,
                                Optional.empty(),
                                "",
                                OptionalLong.empty(),
                                OptionalLong.empty()));
        assertThat(edits.mounts())
                .containsExactly(
                        new ContainerEdits.Mount("/lib/x", "/usr/lib/x", "bind", List.of("ro", "rbind")),
                        new ContainerEdits.Mount("/a", "/b", "", List.of()));
        assertThat(edits.additionalGroups()).containsExactly(44L, 45L);
        assertThat(edits.notDone())
                .containsExactly(
                        "the createContainer hook /usr/bin/hook", "intelRdt", "the network device eth7 as net1");
    }

    @Test
    void jsonWithTabsAndYamlWithOctalModesAreUnderstood() throws IOException {
        Files.writeString(etc.resolve("a.json"), """
                {
                \t"cdiVersion": "0.3.0",
                \t"kind": "c.com/d",
                \t"devices": [{
                \t\t"name": "x",
                \t\t"containerEdits":\t{ "env": ["A=\\u0062"] }
                \t}]
                }
                """);
        Files.writeString(etc.resolve("b.yaml"), """
                ---
                cdiVersion: v0.5.0
                kind: c.com/e
                devices:
                - name: x
                  containerEdits:
                    deviceNodes:
                    - path: /dev/x
                      fileMode: 0640
                """);

        assertThat(edits(catalogue(), "c.com/d=x").environment()).containsExactly("A=b");
        assertThat(edits(catalogue(), "c.com/e=x").deviceNodes().getFirst().mode())
                .contains(0640);
    }

    // ---- which files count

    @Test
    void aLaterDirectoryGoesBefore() throws IOException {
        Files.writeString(etc.resolve("gpu.yaml"), GPU);
        Files.writeString(
                run.resolve("gpu.yaml"), GPU.replace("GPU=0", "GPU=new").replace("\"1\"", "\"2\""));

        assertThat(edits(catalogue(), "vendor.com/gpu=0").environment()).containsExactly("DRIVER=1", "GPU=new");
        assertThat(edits(catalogue(), "vendor.com/gpu=1").environment()).containsExactly("DRIVER=1", "GPU=1");
        assertThat(catalogue().problems()).isEmpty();
    }

    @Test
    void aDeviceThatTwoFilesOfADirectoryDescribeIsNobodysAndTheOthersAreStillThere() throws IOException {
        Files.writeString(etc.resolve("a.yaml"), GPU);
        Files.writeString(etc.resolve("b.yaml"), GPU.replace("\"1\"", "\"2\""));

        assertThatThrownBy(() -> edits(catalogue(), "vendor.com/gpu=0"))
                .hasMessageContaining("vendor.com/gpu=0")
                .hasMessageContaining(etc.resolve("a.yaml").toString())
                .hasMessageContaining(etc.resolve("b.yaml").toString());
        assertThat(edits(catalogue(), "vendor.com/gpu=1", "vendor.com/gpu=2").environment())
                .containsExactly("DRIVER=1", "GPU=1", "DRIVER=1", "GPU=1");

        Files.writeString(run.resolve("c.yaml"), GPU.replace("GPU=0", "GPU=run"));
        assertThat(edits(catalogue(), "vendor.com/gpu=0").environment()).contains("GPU=run");
    }

    @Test
    void otherFilesAndMissingDirectoriesAreNoProblem() throws IOException {
        Files.writeString(etc.resolve("gpu.yaml.bak"), "no specification");
        Files.writeString(etc.resolve("README"), "no specification");
        Catalogue catalogue = Catalogue.read(List.of(directory.resolve("missing"), etc));

        assertThat(catalogue.names()).isEmpty();
        assertThat(catalogue.problems()).isEmpty();
    }

    @Test
    void aFileThatCannotBeUsedTakesNothingFromOthersAndIsNamedWhereADeviceIsMissed() throws IOException {
        Files.writeString(etc.resolve("gpu.yaml"), GPU);
        Files.writeString(etc.resolve("bad.json"), "{\"cdiVersion\": \"0.5.0\",\n \"kind\": ]}");
        Files.createDirectory(etc.resolve("sub.yaml"));

        assertThat(edits(catalogue(), "vendor.com/gpu=0").environment()).contains("GPU=0");
        assertThatThrownBy(() -> edits(catalogue(), "vendor.com/gpu=0", "vendor.com/gpu=7", "other.com/nic=a"))
                .isInstanceOf(CdiException.class)
                .hasMessageContaining(
                        "vendor.com/gpu=7, other.com/nic=a are described in no file of " + etc + ", " + run)
                .hasMessageContaining("vendor.com/gpu=1")
                .hasMessageContaining(etc.resolve("bad.json") + ": line 2")
                .hasMessageContaining(etc.resolve("sub.yaml") + ": is no regular file");
    }

    @Test
    void aFifoDoesNotBlock() throws IOException, InterruptedException {
        assertThat(new ProcessBuilder("mkfifo", etc.resolve("fifo.json").toString())
                        .start()
                        .waitFor())
                .isZero();

        assertThat(problem()).contains("fifo.json: is no regular file");
    }

    // ---- wrong files

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            'surprise': 1                                       | devices[0].containerEdits.surprise is no field
            'deviceNodes': [{'path': '/dev/x', 'own': 1}]       | deviceNodes[0].own is no field
            'env': ['novalue']                                  | env[0] is not NAME=VALUE
            'env': ['=x']                                       | env[0] is not NAME=VALUE
            'env': [1]                                          | env[0] is no text
            'env': 'A=b'                                        | env is no list
            'env': ['A=\\u0000']                                | NUL
            'deviceNodes': [{}]                                 | deviceNodes[0].path is missing
            'deviceNodes': [{'path': '/dev/x', 'type': 'p'}]    | type "p" is neither b nor c
            'deviceNodes': [{'path': '/dev/x', 'permissions': 'x'}]   | permissions "x"
            'deviceNodes': [{'path': '/dev/x', 'fileMode': 2048}]     | other bits than permissions
            'deviceNodes': [{'path': '/dev/x', 'major': -1}]    | major is -1
            'deviceNodes': [{'path': '/dev/x', 'uid': 4294967296}]    | uid is 4294967296
            'deviceNodes': [{'path': '/dev/x', 'uid': 1.5}]     | uid is no whole number
            'mounts': [{'hostPath': '/a'}]                      | mounts[0].containerPath is missing
            'mounts': ['/a']                                    | mounts[0] is no object
            'hooks': [{'hookName': 'later', 'path': '/a'}]      | "later" is no hook
            'additionalGids': [-1]                              | additionalGids[0] is -1
            'additionalGids': [2147483648]                      | additionalGids[0] is 2147483648
            'netDevices': [{'name': 'a'}]                       | hostInterfaceName is missing
            'intelRdt': {'enableMonitoring': 'yes'}             | neither true nor false
            'env': []                                           | containerEdits is missing or empty
            """)
    void whatIsWrongIsSaidWithItsPlace(String edits, String said) throws IOException {
        var _ = one("1.1.0", edits);

        assertThat(problem()).contains("one.json: ").contains(said);
        assertThat(catalogue().names()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            0.3.0 | 0.4.0 | 'mounts': [{'hostPath': '/a', 'containerPath': '/b', 'type': 'bind'}]
            0.4.0 | 0.5.0 | 'deviceNodes': [{'path': '/dev/x', 'hostPath': '/dev/y'}]
            0.6.0 | 0.7.0 | 'additionalGids': [1]
            0.6.0 | 0.7.0 | 'intelRdt': {'closID': 'x'}
            1.0.0 | 1.1.0 | 'netDevices': [{'hostInterfaceName': 'a', 'name': 'b'}]
            """)
    void aFieldThatIsNewerThanTheFileSaysMakesItUnusable(String old, String needed, String edits) throws IOException {
        var _ = one(old, edits);
        assertThat(problem()).contains("cdiVersion is " + old).contains("needs " + needed);

        assertThat(edits(catalogue(one(needed, edits)), "c.com/d=x")).isNotEqualTo(ContainerEdits.NONE);
    }

    private Catalogue catalogue(String named) {
        assertThat(named).isNotEmpty();
        return catalogue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.2.0", "1.2.0", "9", ""})
    void otherVersionsAreNotUnderstood(String version) throws IOException {
        var _ = one(version, "'env': ['A=b']");

        assertThat(problem()).contains("cdiVersion");
        assertThat(catalogue().names()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "---\n",
                "[]",
                "text",
                "cdiVersion: \"0.5.0\"\nkind: a/b\n",
                "cdiVersion: \"0.5.0\"\nkind: a\ndevices: [{name: x, containerEdits: {env: [A=b]}}]",
                "cdiVersion: \"0.5.0\"\nkind: a/b/c\ndevices: [{name: x, containerEdits: {env: [A=b]}}]",
                "cdiVersion: \"0.5.0\"\nkind: a/b.c\ndevices: [{name: x, containerEdits: {env: [A=b]}}]",
                "cdiVersion: \"0.5.0\"\nkind: a/b\ndevices: [{name: -x, containerEdits: {env: [A=b]}}]",
                "cdiVersion: \"0.4.0\"\nkind: a/b\ndevices: [{name: \"0\", containerEdits: {env: [A=b]}}]",
                "cdiVersion: \"0.5.0\"\nkind: a/b\ndevices: [{name: x, annotations: {a: b}, containerEdits: {env: [A=b]}}]",
                "cdiVersion: \"0.5.0\"\nkind: a/b\nkind: a/b\ndevices: [{name: x, containerEdits: {env: [A=b]}}]",
                "cdiVersion: \"0.5.0\"\nkind: a/b\ndevices: [{name: x, containerEdits: {env: [A=b]}}, {name: x, containerEdits: {env: [A=b]}}]",
                "cdiVersion: \"0.5.0\"\nkind: a/b\ndevices: [{name: x, containerEdits: &e {env: [A=b], hooks: [*e]}}]",
                "cdiVersion: !!java.io.File x\nkind: a/b\n",
                "a: 1\n---\nb: 2\n"
            })
    void aFileThatIsNoSpecificationIsAProblem(String text) throws IOException {
        Files.writeString(etc.resolve("wrong.yaml"), text);

        assertThat(problem()).contains("wrong.yaml: ");
        assertThat(catalogue().names()).isEmpty();
    }

    // ---- names

    @ParameterizedTest
    @ValueSource(strings = {"vendor.com/gpu=0", "a/b=c", "v-1.x/c_d=9a:b.c-d_e", "V/C=all"})
    void aQualifiedNameIsVendorClassAndName(String name) {
        assertThat(DeviceName.parse(name)).hasToString(name);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "gpu",
                "vendor.com/gpu",
                "vendor.com=0",
                "/gpu=0",
                "vendor.com/=0",
                "vendor.com/gpu=",
                "1vendor/gpu=0",
                "vendor/1gpu=0",
                "vendor/gpu=-0",
                "vendor/gpu=0-",
                "vendor/gpu=a/b",
                "a/b/c=d",
                "vendor/gpu=a=b",
                "vendor/gpu= 0",
                "vendor/gpu=0\n",
                "../etc/x=0",
                "vendor./gpu=0"
            })
    void anythingElseIsNone(String name) {
        assertThatThrownBy(() -> DeviceName.parse(name)).isInstanceOf(CdiException.class);
    }

    // ---- copies

    @Test
    void whatIsKeptSaysTheSameWhateverBecomesOfTheFiles() throws IOException {
        Files.writeString(etc.resolve("gpu.yaml"), GPU);
        Files.writeString(
                run.resolve("gpu.yaml"), GPU.replace("GPU=0", "GPU=run").replace("\"1\"", "\"2\""));
        List<DeviceName> names = List.of(DeviceName.parse("vendor.com/gpu=1"), DeviceName.parse("vendor.com/gpu=0"));
        Injection injection = catalogue().injection(names);
        Path copies = directory.resolve("copies");
        injection.keep(copies);
        Files.delete(etc.resolve("gpu.yaml"));
        Files.writeString(run.resolve("gpu.yaml"), "gone");

        assertThat(injection.paths()).containsExactly(etc.resolve("gpu.yaml"), run.resolve("gpu.yaml"));
        assertThat(Catalogue.kept(copies).injection(names).edits()).isEqualTo(injection.edits());
        assertThat(Catalogue.kept(directory.resolve("never")).names()).isEmpty();
    }
}
