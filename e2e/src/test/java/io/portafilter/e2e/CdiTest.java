package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.CDIDevice;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.StatusRequest;
import io.portafilter.cri.v1.UpdateContainerResourcesRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Devices of the Container Device Interface: what they change of a container, and what is refused. */
class CdiTest {
    private static final Path BASE = temporary();
    private static final Path STATIC = BASE.resolve("static");
    private static final Path GENERATED = BASE.resolve("generated");
    private static final String OPENS_TO_WRITE = "if (: > $1) 2>/dev/null; then echo writable; else echo refused; fi";

    @RegisterExtension
    static final Live live = Live.server("cdi_spec_dirs = [\"" + STATIC + "\", \"" + GENERATED + "\"]\n");

    private static Path temporary() {
        try {
            return Files.createTempDirectory("portafilter-cdi");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void empty(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    @AfterAll
    static void remove() throws IOException {
        empty(BASE);
    }

    @BeforeEach
    void noSpecifications() throws IOException {
        empty(BASE);
        Files.createDirectories(STATIC);
        Files.createDirectories(GENERATED);
    }

    /** A specification of the device vendor.com/card=NAME. */
    private static String card(String name, String edits) {
        return "{\"cdiVersion\": \"0.7.0\", \"kind\": \"vendor.com/card\", \"devices\": [{\"name\": \"" + name
                + "\", \"containerEdits\": {" + edits.replace('\'', '"') + "}}]}";
    }

    private static ContainerFixture with(ContainerFixture container, String... names) {
        return container.configure(c -> List.of(names)
                .forEach(name -> c.addCDIDevices(CDIDevice.newBuilder().setName(name))));
    }

    private static ContainerFixture idle() {
        return live.pod().run().container(live.busybox()).idle();
    }

    private static String write(Container container, String path) {
        return container.shell(OPENS_TO_WRITE.replace("$1", path));
    }

    private static Path node(String name, String numbers) {
        Path path = BASE.resolve(name);
        var _ = Commands.run(("mknod -m 0604 " + path + " " + numbers).split(" "))
                .orFail();
        return path;
    }

    // ---- what a device changes

    @Test
    void aDeviceBringsItsNodesEnvironmentMountsAndGroups() throws IOException {
        Path library = Files.writeString(BASE.resolve("libcard.so"), "code");
        Files.writeString(STATIC.resolve("card.yaml"), """
                cdiVersion: "0.7.0"
                kind: vendor.com/card
                containerEdits:
                  env: ["DRIVER=7", "PLAIN=card"]
                  mounts:
                  - hostPath: %s
                    containerPath: /usr/lib/card/libcard.so
                    options: [ro, nosuid, nodev, bind]
                  additionalGids: [4444]
                devices:
                - name: "0"
                  containerEdits:
                    env: ["CARD=0"]
                    deviceNodes:
                    - path: /dev/cards/card0
                      hostPath: %s
                      permissions: rw
                """.formatted(library, node("card0", "c 1 11")));
        Container container =
                with(idle().env("PLAIN", "plain"), "vendor.com/card=0").start();

        assertThat(container.shell("stat -c '%F %t:%T %a %u:%g' /dev/cards/card0"))
                .isEqualTo("character special file 1:b 604 0:0");
        assertThat(write(container, "/dev/cards/card0")).isEqualTo("writable");
        assertThat(container.shell("echo $DRIVER $PLAIN $CARD")).isEqualTo("7 card 0");
        assertThat(container.process().read("environ").split("\0")).contains("CARD=0", "PLAIN=card");
        assertThat(container.shell("cat /usr/lib/card/libcard.so")).isEqualTo("code");
        assertThat(container.shell("grep ' /usr/lib/card/libcard.so ' /proc/self/mountinfo"))
                .contains("ro,nosuid,nodev");
        assertThat(container.shell("id -G")).isEqualTo("0 4444");
        // CRI's status tells of the request's volumes alone
        assertThat(container.status().getMountsList()).isEmpty();
        assertThat(container.status().getUser().getLinux().getSupplementalGroupsList())
                .contains(4444L);
    }

    @Test
    void annotationsAskForDevicesToo() throws IOException {
        Files.writeString(STATIC.resolve("a.json"), card("a", "'env': ['A=1']"));
        Files.writeString(STATIC.resolve("b.json"), card("b", "'env': ['B=2', 'A=3']"));
        ContainerFixture asking = with(idle(), "vendor.com/card=a")
                .configure(c -> c.putAnnotations("cdi.k8s.io/plugin_x", "vendor.com/card=b,vendor.com/card=a")
                        .putAnnotations("example.com/other", "vendor.com/card=none"));

        assertThat(asking.start().shell("echo $A $B")).isEqualTo("3 2");
    }

    @Test
    void withoutPermissionsTheNodeIsThereAndDoesNotOpen() throws IOException {
        Path host = node("log", "c 1 11");
        Files.writeString(
                STATIC.resolve("card.json"),
                card(
                        "x",
                        "'deviceNodes': [{'path': '/dev/log0', 'hostPath': '" + host + "', 'permissions': 'none'},"
                                + "{'path': '/dev/null'}]"));

        assertThat(write(with(idle(), "vendor.com/card=x").start(), "/dev/log0"))
                .isEqualTo("refused");
    }

    @Test
    void whatTheSpecificationSaysOfANodeGoesBeforeTheHosts() throws IOException {
        Files.writeString(
                STATIC.resolve("card.json"),
                card(
                        "x",
                        "'deviceNodes': [{'path': '/dev/made', 'hostPath': '/dev/is-not-there', 'type': 'c', 'major': 1,"
                                + "'minor': 11, 'fileMode': 416, 'uid': 5, 'gid': 6}]"));

        Container container = with(idle(), "vendor.com/card=x").start();
        assertThat(container.shell("stat -c '%F %t:%T %a %u:%g' /dev/made"))
                .isEqualTo("character special file 1:b 640 5:6");
        assertThat(write(container, "/dev/made")).isEqualTo("writable");
    }

    @Test
    void aNodeBelongsToTheUserThatTheProgramRunsAs() throws IOException {
        Path host = node("log", "c 1 11");
        Files.writeString(
                STATIC.resolve("card.json"),
                card("x", "'deviceNodes': [{'path': '/dev/log0', 'hostPath': '" + host + "', 'fileMode': 384}]"));

        Container container = with(idle().runAsUser(1000).runAsGroup(1001), "vendor.com/card=x")
                .start();
        assertThat(container.shell("stat -c '%a %u:%g' /dev/log0")).isEqualTo("600 1000:1001");
        assertThat(write(container, "/dev/log0")).isEqualTo("writable");

        Pod pod = live.pod().userNamespace(300_000).run();
        Container mapped = with(
                        pod.container(live.busybox()).idle().runAsUser(1000).runAsGroup(1001), "vendor.com/card=x")
                .start();
        assertThat(mapped.shell("stat -c '%a %u:%g' /dev/log0")).isEqualTo("600 1000:1001");
        assertThat(write(mapped, "/dev/log0")).isEqualTo("writable");
    }

    @Test
    void inAUserNamespaceMountsBelongToItsOwnRoot() throws IOException {
        Path directory = Files.createDirectory(BASE.resolve("share"));
        Files.writeString(directory.resolve("file"), "x");
        Files.writeString(
                STATIC.resolve("card.json"),
                card(
                        "x",
                        "'mounts': [{'hostPath': '" + directory + "', 'containerPath': '/share',"
                                + "'options': ['ro', 'rbind']}]"));
        Pod pod = live.pod().userNamespace(300_000).run();

        Container container =
                with(pod.container(live.busybox()).idle(), "vendor.com/card=x").start();
        assertThat(container.shell("stat -c '%u:%g' /share/file")).isEqualTo("0:0");
    }

    @Test
    void aMountTakesThePlaceOfAVolumeAndOfTheRuntimesOwn() throws IOException {
        Path hosts = Files.writeString(BASE.resolve("hosts"), "from the card");
        Path volume = live.directory("volume");
        Files.writeString(
                STATIC.resolve("card.json"),
                card(
                        "x",
                        "'mounts': [{'hostPath': '" + hosts + "', 'containerPath': '/etc/hosts', 'options': ['bind']},"
                                + "{'hostPath': '" + hosts + "', 'containerPath': '/data', 'options': ['bind']}]"));

        Container container =
                with(idle().mount(volume, "/data"), "vendor.com/card=x").start();
        assertThat(container.shell("cat /etc/hosts /data")).isEqualTo("from the cardfrom the card");
    }

    @Test
    void mountsBelowComeAlongOnlyWithRbind() throws IOException {
        Path outer = Files.createDirectory(BASE.resolve("outer"));
        Path inner = Files.createDirectory(outer.resolve("inner"));
        var _ = Commands.run("mount", "-t", "tmpfs", "portafilter-cdi", inner.toString())
                .orFail();
        try {
            Files.writeString(inner.resolve("file"), "below");
            String mount = "'mounts': [{'hostPath': '" + outer + "', 'containerPath': '/outer', 'options': ['HOW']}]";
            Files.writeString(STATIC.resolve("alone.json"), card("alone", mount.replace("HOW", "bind")));
            Files.writeString(STATIC.resolve("all.json"), card("all", mount.replace("HOW", "rbind")));

            assertThat(with(idle(), "vendor.com/card=alone").start().shell("ls /outer/inner"))
                    .isEmpty();
            assertThat(with(idle(), "vendor.com/card=all").start().shell("cat /outer/inner/file"))
                    .isEqualTo("below");
        } finally {
            live.cri().pods().forEach(pod -> live.cri().removePod(pod.getId()));
            var _ = Commands.run("umount", inner.toString()).orFail();
        }
    }

    // ---- which specification counts, and for how long

    @Test
    void specificationsAreReadAnewAndTheGeneratedOnesGoBefore() throws IOException {
        Files.writeString(STATIC.resolve("card.json"), card("x", "'env': ['FROM=static']"));
        assertThat(with(idle(), "vendor.com/card=x").start().shell("echo $FROM"))
                .isEqualTo("static");

        Files.writeString(GENERATED.resolve("card.json"), card("x", "'env': ['FROM=generated']"));
        assertThat(with(idle(), "vendor.com/card=x").start().shell("echo $FROM"))
                .isEqualTo("generated");
    }

    @Test
    void whatAContainerWasCreatedWithHoldsForItsLife() throws IOException {
        Path host = node("log", "c 1 11");
        Files.writeString(
                STATIC.resolve("card.json"),
                card(
                        "x",
                        "'env': ['CARD=1'], 'additionalGids': [4444],"
                                + "'deviceNodes': [{'path': '/dev/log0', 'hostPath': '" + host + "'}]"));
        Container running = with(idle(), "vendor.com/card=x").start();
        Container created = with(idle(), "vendor.com/card=x").create();
        Files.delete(STATIC.resolve("card.json"));
        live.portafilter().kill();
        var _ = live.portafilter().start();

        assertThat(running.shell("echo $CARD; id -G")).isEqualTo("1\n0 4444");
        assertThat(running.status().getUser().getLinux().getSupplementalGroupsList())
                .contains(4444L);
        var _ = live.cri()
                .runtime()
                .updateContainerResources(UpdateContainerResourcesRequest.newBuilder()
                        .setContainerId(running.id())
                        .setLinux(LinuxContainerResources.newBuilder().setMemoryLimitInBytes(64 << 20))
                        .build());
        assertThat(write(running, "/dev/log0")).isEqualTo("writable");
        // its process went with the server; it is prepared anew, as it was asked for
        created.start();
        assertThat(created.shell("echo $CARD")).isEqualTo("1");
        assertThat(write(created, "/dev/log0")).isEqualTo("writable");
    }

    @Test
    void statusTellsTheDirectories() {
        assertThat(live.cri()
                        .runtime()
                        .status(StatusRequest.newBuilder().setVerbose(true).build())
                        .getInfoMap()
                        .get("config"))
                .contains("cdiSpecDirs")
                .contains(STATIC.toString())
                .contains(GENERATED.toString());
    }

    // ---- what is refused

    private static Refusal refused(Status.Code code, ContainerFixture container) {
        Refusal refusal = Refusal.of(container::create);
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(code);
        assertThat(live.cri().containers()).isEmpty();
        return refusal;
    }

    @Test
    void aDeviceThatNobodyDescribesIsNamedWithTheDirectoriesAndTheBrokenFiles() throws IOException {
        Files.writeString(STATIC.resolve("card.json"), card("x", "'env': ['A=b']"));
        Files.writeString(GENERATED.resolve("broken.json"), "{");
        Refusal refusal = refused(Status.Code.INVALID_ARGUMENT, with(idle(), "vendor.com/card=y"));

        assertThat(refusal.message())
                .contains("vendor.com/card=y")
                .contains(STATIC.toString())
                .contains(GENERATED.resolve("broken.json").toString())
                .contains("vendor.com/card=x");
        // the broken file is no matter for devices of others
        assertThat(with(idle(), "vendor.com/card=x").start().shell("echo $A")).isEqualTo("b");
    }

    @Test
    void namesThatAreNoneAreRefusedByTheirField() {
        for (String name : List.of("", "card", "/dev/null", "vendor.com/card=", "../x/y=z", "a/b=c,d/e=f")) {
            assertThat(refused(Status.Code.INVALID_ARGUMENT, with(idle(), name)).message())
                    .contains("config.CDI_devices[0].name");
        }
        assertThat(refused(
                                Status.Code.INVALID_ARGUMENT,
                                idle().configure(c -> c.putAnnotations("cdi.k8s.io/x", "vendor.com/card=a,,")))
                        .message())
                .contains("config.annotations[cdi.k8s.io/x]");
    }

    @Test
    void hooksNetworkDevicesAndIntelRdtAreRefusedNotLeftOut() throws IOException {
        Files.writeString(
                STATIC.resolve("a.json"),
                card("hooks", "'env': ['A=b'], 'hooks': [{'hookName': 'createContainer', 'path': '/usr/bin/ldc'}]"));
        Files.writeString(STATIC.resolve("b.json"), card("rdt", "'intelRdt': {'closID': 'x'}"));
        Files.writeString(
                STATIC.resolve("c.json"),
                card("net", "'netDevices': [{'hostInterfaceName': 'eth7', 'name': 'net1'}]")
                        .replace("0.7.0", "1.1.0"));

        assertThat(refused(Status.Code.UNIMPLEMENTED, with(idle(), "vendor.com/card=hooks"))
                        .message())
                .contains("the createContainer hook /usr/bin/ldc")
                .contains(STATIC.resolve("a.json").toString());
        assertThat(refused(Status.Code.UNIMPLEMENTED, with(idle(), "vendor.com/card=rdt"))
                        .message())
                .contains("intelRdt");
        assertThat(refused(Status.Code.UNIMPLEMENTED, with(idle(), "vendor.com/card=net"))
                        .message())
                .contains("eth7");
    }

    @Test
    void whatASpecificationNamesMustBeThere() throws IOException {
        Path missing = BASE.resolve("missing");
        Files.writeString(STATIC.resolve("a.json"), card("node", "'deviceNodes': [{'path': '" + missing + "'}]"));
        Files.writeString(
                STATIC.resolve("b.json"),
                card(
                        "mount",
                        "'mounts': [{'hostPath': '" + missing + "', 'containerPath': '/x', 'options': ['bind']}]"));
        Files.writeString(
                STATIC.resolve("c.json"),
                card("file", "'deviceNodes': [{'path': '/dev/x', 'hostPath': '" + STATIC + "/a.json'}]"));

        for (String name : List.of("node", "mount")) {
            assertThat(refused(Status.Code.INVALID_ARGUMENT, with(idle(), "vendor.com/card=" + name))
                            .message())
                    .contains(missing.toString())
                    .contains("ENOENT");
        }
        assertThat(missing).doesNotExist();
        assertThat(refused(Status.Code.INVALID_ARGUMENT, with(idle(), "vendor.com/card=file"))
                        .message())
                .contains("no device");
    }

    @Test
    void noDeviceReachesOutOfTheContainerOrOverItsOwnFiles() throws IOException {
        Path host = node("log", "c 1 11");
        int i = 0;
        for (String edits : List.of(
                "'deviceNodes': [{'path': '/dev/null', 'hostPath': '" + host + "'}]",
                "'deviceNodes': [{'path': '/proc/x', 'hostPath': '" + host + "'}]",
                "'deviceNodes': [{'path': '/dev/../../x', 'hostPath': '" + host + "'}]",
                "'deviceNodes': [{'path': 'dev/x', 'hostPath': '" + host + "'}]",
                "'mounts': [{'hostPath': '/etc', 'containerPath': '/', 'options': ['bind']}]",
                "'mounts': [{'hostPath': '/etc', 'containerPath': '/../x', 'options': ['bind']}]",
                "'mounts': [{'hostPath': '/etc', 'containerPath': '/proc', 'options': ['bind']}]",
                "'mounts': [{'hostPath': '/etc', 'containerPath': '/proc/self', 'options': ['bind']}]")) {
            Files.writeString(STATIC.resolve(i + ".json"), card("d" + i, edits));
            var _ = refused(Status.Code.INVALID_ARGUMENT, with(idle(), "vendor.com/card=d" + i));
            i++;
        }
        for (String edits : List.of(
                "'mounts': [{'hostPath': 'tmpfs', 'containerPath': '/x', 'type': 'tmpfs'}]",
                "'mounts': [{'hostPath': '/etc', 'containerPath': '/x', 'options': ['bind', 'context=x']}]")) {
            Files.writeString(STATIC.resolve(i + ".json"), card("d" + i, edits));
            var _ = refused(Status.Code.UNIMPLEMENTED, with(idle(), "vendor.com/card=d" + i));
            i++;
        }
    }
}
