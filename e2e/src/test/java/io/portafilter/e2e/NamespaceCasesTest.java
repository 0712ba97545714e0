package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.UserNamespace;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Whose namespaces a container lives in, by the numbers that the kernel gives them, for every mode of pod and container. */
class NamespaceCasesTest {
    private static final int FIRST_HOST_ID = 2_162_688;
    private static final int UNKNOWN = 9;
    private static final List<String> KINDS = List.of("net", "uts", "ipc", "pid", "user", "mnt", "cgroup");

    @RegisterExtension
    static final Live live = Live.server();

    /** Whose it is: the pod's is that of its first process. */
    private enum Whose {
        POD,
        HOST,
        OWN
    }

    /** Options of pod and container, and whose net (and UTS), IPC, PID and user namespace the container then has. */
    private record Case(
            String name,
            Consumer<NamespaceOption.Builder> pod,
            Consumer<NamespaceOption.Builder> container,
            Whose network,
            Whose ipc,
            Whose pid,
            Whose user) {}

    private record Refused(String name, Consumer<NamespaceOption.Builder> asked, String says) {}

    private static Consumer<NamespaceOption.Builder> modes(
            NamespaceMode network, NamespaceMode ipc, NamespaceMode pid) {
        return options -> options.setNetwork(network).setIpc(ipc).setPid(pid);
    }

    private static Consumer<NamespaceOption.Builder> pid(NamespaceMode mode) {
        return options -> options.setPid(mode);
    }

    private static Consumer<NamespaceOption.Builder> users(UserNamespace.Builder users) {
        return options -> options.setUsernsOptions(users);
    }

    private static void nothing(NamespaceOption.Builder options) {
        // as it is
    }

    private static UserNamespace.Builder mapped(IDMapping uids, IDMapping gids) {
        return UserNamespace.newBuilder()
                .setMode(NamespaceMode.POD)
                .addUids(uids)
                .addGids(gids);
    }

    private static UserNamespace.Builder mapped() {
        return mapped(line(0, FIRST_HOST_ID, 65536), line(0, FIRST_HOST_ID, 65536));
    }

    private static UserNamespace.Builder mode(NamespaceMode mode) {
        return UserNamespace.newBuilder().setMode(mode);
    }

    private static IDMapping line(int container, int host, int length) {
        return IDMapping.newBuilder()
                .setContainerId(container)
                .setHostId(host)
                .setLength(length)
                .build();
    }

    private static Pod pod(Consumer<NamespaceOption.Builder> options) {
        return live.pod()
                .namespaces(n -> options.accept(n.clear()))
                .configure(config -> config.clearHostname())
                .run();
    }

    private static ContainerFixture idle(Pod pod, Consumer<NamespaceOption.Builder> options) {
        return pod.container(live.busybox()).command("/bin/sleep", "1000").security(security -> {
            NamespaceOption.Builder own = NamespaceOption.newBuilder();
            options.accept(own);
            security.setNamespaceOptions(own);
        });
    }

    private static Map<String, String> namespaces(Proc process) {
        return KINDS.stream()
                .collect(Collectors.toMap(kind -> kind, process::namespace, (a, _) -> a, LinkedHashMap::new));
    }

    private static Whose whose(String kind, Map<String, String> container, Map<String, String> pause) {
        String own = Proc.required(container, kind);
        String ofTheHost = Proc.self().namespace(kind);
        return own.equals(ofTheHost) ? Whose.HOST : own.equals(pause.get(kind)) ? Whose.POD : Whose.OWN;
    }

    /** On version 1 cgroup namespaces hide nothing that a container's own mounts do not hide already. */
    private static Whose ownCgroups() {
        return Files.exists(Path.of("/sys/fs/cgroup/cgroup.controllers")) ? Whose.OWN : Whose.HOST;
    }

    private static void sameForAnExec(Container container) {
        Map<String, String> first = namespaces(container.process());
        assertThat(Arrays.asList(container
                        .shell("for n in " + String.join(" ", KINDS) + "; do readlink /proc/self/ns/$n; done")
                        .split("\n")))
                .as("namespaces of an exec")
                .isEqualTo(List.copyOf(first.values()));
    }

    private static List<Case> cases() {
        Whose pods = Whose.POD;
        Whose host = Whose.HOST;
        Whose own = Whose.OWN;
        NamespaceMode inPod = NamespaceMode.POD;
        NamespaceMode inNode = NamespaceMode.NODE;
        NamespaceMode inContainer = NamespaceMode.CONTAINER;
        return List.of(
                new Case(
                        "zero is the pod's",
                        NamespaceCasesTest::nothing,
                        NamespaceCasesTest::nothing,
                        pods,
                        pods,
                        pods,
                        host),
                new Case("as kubelet asks", pid(inContainer), pid(inContainer), pods, pods, own, host),
                new Case(
                        "a container's own network and IPC are the pod's",
                        modes(inContainer, inContainer, inContainer),
                        modes(inContainer, inContainer, inContainer),
                        pods,
                        pods,
                        own,
                        host),
                new Case(
                        "network of the host, and its name",
                        modes(inNode, inPod, inContainer),
                        modes(inNode, inPod, inContainer),
                        host,
                        pods,
                        own,
                        host),
                new Case(
                        "IPC of the host",
                        modes(inPod, inNode, inContainer),
                        modes(inPod, inNode, inContainer),
                        pods,
                        host,
                        own,
                        host),
                new Case("processes of the host", pid(inNode), pid(inNode), pods, pods, host, host),
                new Case(
                        "all of the host",
                        modes(inNode, inNode, inNode),
                        modes(inNode, inNode, inNode),
                        host,
                        host,
                        host,
                        host),
                new Case(
                        "the pod's, which is the host's",
                        modes(inNode, inNode, inNode),
                        modes(inPod, inPod, inPod),
                        host,
                        host,
                        host,
                        host),
                new Case(
                        "own processes in a pod of the host's",
                        modes(inNode, inNode, inNode),
                        pid(inContainer),
                        host,
                        host,
                        own,
                        host),
                new Case(
                        "own processes in a pod that shares them", pid(inPod), pid(inContainer), pods, pods, own, host),
                new Case("shared processes in a pod of own ones", pid(inContainer), pid(inPod), pods, pods, pods, host),
                new Case("users of the host by name", users(mode(inNode)), users(mode(inNode)), pods, pods, pods, host),
                new Case("users of the pod", users(mapped()), users(mapped()), pods, pods, pods, pods),
                new Case("users of the pod, not said again", users(mapped()), pid(inContainer), pods, pods, own, pods),
                new Case(
                        "users of the pod in the host's network",
                        users(mapped()).andThen(options -> options.setNetwork(inNode)),
                        users(mapped()).andThen(options -> options.setNetwork(inNode)),
                        host,
                        pods,
                        pods,
                        pods));
    }

    @TestFactory
    Stream<DynamicTest> everyNamespaceIsWhoseItWasAskedToBe() {
        return cases().stream()
                .map(one -> DynamicTest.dynamicTest(one.name(), () -> {
                    Pod pod = pod(one.pod());
                    Map<String, String> pause = namespaces(pod.pause());
                    Container container = idle(pod, one.container()).start();
                    Map<String, String> seen = namespaces(container.process());
                    assertThat(whose("net", seen, pause)).as("net").isEqualTo(one.network());
                    assertThat(whose("uts", seen, pause)).as("uts").isEqualTo(one.network());
                    assertThat(whose("ipc", seen, pause)).as("ipc").isEqualTo(one.ipc());
                    assertThat(whose("pid", seen, pause)).as("pid").isEqualTo(one.pid());
                    assertThat(whose("user", seen, pause)).as("user").isEqualTo(one.user());
                    assertThat(whose("mnt", seen, pause)).as("mnt").isEqualTo(Whose.OWN);
                    assertThat(whose("cgroup", seen, pause)).as("cgroup").isEqualTo(ownCgroups());
                    sameForAnExec(container);

                    Container second = idle(pod, one.container()).start();
                    Map<String, String> beside = namespaces(second.process());
                    for (String kind : List.of("net", "uts", "ipc", "user")) {
                        assertThat(beside.get(kind)).as("%s of both", kind).isEqualTo(seen.get(kind));
                    }
                    assertThat(beside.get("mnt")).as("mnt of both").isNotEqualTo(seen.get("mnt"));
                    assertThat(Proc.required(beside, "pid").equals(seen.get("pid")))
                            .as("same pid")
                            .isEqualTo(one.pid() != Whose.OWN);
                    pod.remove();
                }));
    }

    @Test
    void noTwoPodsShareANamespaceOfTheirOwn() {
        Map<String, String> one =
                namespaces(idle(pod(users(mapped())), users(mapped())).start().process());
        Map<String, String> other =
                namespaces(idle(pod(users(mapped())), users(mapped())).start().process());
        for (String kind : List.of("net", "uts", "ipc", "pid", "user", "mnt")) {
            assertThat(one.get(kind)).as(kind).isNotEqualTo(other.get(kind));
        }
    }

    @Test
    void aPrivilegedContainerSeesTheHostsCgroupsAndHasNoOtherNamespaceOfTheHost() {
        Pod pod = live.pod().privileged().run();
        Container container = pod.container(live.busybox())
                .command("/bin/sleep", "1000")
                .privileged()
                .start();
        Map<String, String> pause = namespaces(pod.pause());
        Map<String, String> seen = namespaces(container.process());
        assertThat(whose("cgroup", seen, pause)).isEqualTo(Whose.HOST);
        assertThat(whose("net", seen, pause)).isEqualTo(Whose.POD);
        assertThat(whose("uts", seen, pause)).isEqualTo(Whose.POD);
        assertThat(whose("ipc", seen, pause)).isEqualTo(Whose.POD);
        assertThat(whose("pid", seen, pause)).isEqualTo(Whose.OWN);
        assertThat(whose("mnt", seen, pause)).isEqualTo(Whose.OWN);
        sameForAnExec(container);
    }

    private static void isRefused(Runnable call, String says) {
        Refusal refusal = Refusal.of(call);
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains(says);
    }

    @TestFactory
    Stream<DynamicTest> whatAPodCannotHaveIsRefused() {
        NamespaceMode target = NamespaceMode.TARGET;
        return Stream.concat(
                        wrongUserNamespaces(),
                        Stream.of(
                                new Refused("network of a target", options -> options.setNetwork(target), "network"),
                                new Refused("IPC of a target", options -> options.setIpc(target), "ipc"),
                                new Refused("processes of a target", options -> options.setPid(target), "pid"),
                                new Refused("unknown network", options -> options.setNetworkValue(UNKNOWN), "network"),
                                new Refused("unknown IPC", options -> options.setIpcValue(UNKNOWN), "ipc"),
                                new Refused("unknown processes", options -> options.setPidValue(UNKNOWN), "pid"),
                                new Refused(
                                        "own users with the host's processes",
                                        users(mapped()).andThen(options -> options.setPid(NamespaceMode.NODE)),
                                        "PID namespace"),
                                new Refused(
                                        "own users with the host's IPC",
                                        users(mapped()).andThen(options -> options.setIpc(NamespaceMode.NODE)),
                                        "IPC namespace")))
                .map(one -> DynamicTest.dynamicTest(one.name(), () -> {
                    isRefused(() -> pod(one.asked()), one.says());
                    assertThat(live.cri().pods()).isEmpty();
                }));
    }

    private static Stream<Refused> wrongUserNamespaces() {
        IDMapping good = line(0, FIRST_HOST_ID, 65536);
        return Stream.of(
                new Refused("no mappings", users(mode(NamespaceMode.POD)), "uids"),
                new Refused("no group mapping", users(mode(NamespaceMode.POD).addUids(good)), "gids"),
                new Refused("no user mapping", users(mode(NamespaceMode.POD).addGids(good)), "uids"),
                new Refused(
                        "two user mappings",
                        users(mapped(line(0, FIRST_HOST_ID, 1000), good).addUids(line(1000, FIRST_HOST_ID + 1000, 5))),
                        "uids"),
                new Refused(
                        "two group mappings",
                        users(mapped(good, line(0, FIRST_HOST_ID, 1000)).addGids(line(1000, FIRST_HOST_ID + 1000, 5))),
                        "gids"),
                new Refused("no user", users(mapped(line(0, FIRST_HOST_ID, 0), good)), "0 ids"),
                new Refused("no group", users(mapped(good, line(0, FIRST_HOST_ID, 0))), "0 ids"),
                new Refused("no user 0", users(mapped(line(1, FIRST_HOST_ID, 65536), good)), "uids"),
                new Refused("no group 0", users(mapped(good, line(1, FIRST_HOST_ID, 65536))), "gids"),
                new Refused("beyond the last id", users(mapped(line(0, -2, 2), good)), "host_id"),
                new Refused("as many as there are", users(mapped(line(0, 0, -1), line(0, 1, -1))), "host_id"),
                new Refused(
                        "mappings of the host", users(mode(NamespaceMode.NODE).addUids(good)), "NODE"),
                new Refused("of a container", users(mode(NamespaceMode.CONTAINER)), "mode"),
                new Refused("of a container, mapped", users(mapped().setMode(NamespaceMode.CONTAINER)), "mode"),
                new Refused("of a target", users(mode(NamespaceMode.TARGET)), "mode"),
                new Refused("unknown users", users(UserNamespace.newBuilder().setModeValue(UNKNOWN)), "mode"));
    }

    @TestFactory
    Stream<DynamicTest> whatAContainerCannotHaveIsRefused() {
        Pod own = pod(pid(NamespaceMode.CONTAINER));
        NamespaceMode target = NamespaceMode.TARGET;
        Stream<DynamicTest> inAPodOfItsOwn = Stream.of(
                        new Refused(
                                "network of the host", options -> options.setNetwork(NamespaceMode.NODE), "network"),
                        new Refused("IPC of the host", options -> options.setIpc(NamespaceMode.NODE), "ipc"),
                        new Refused("processes of the host", options -> options.setPid(NamespaceMode.NODE), "pid"),
                        new Refused("network of a target", options -> options.setNetwork(target), "network"),
                        new Refused("IPC of a target", options -> options.setIpc(target), "ipc"),
                        new Refused("unknown network", options -> options.setNetworkValue(UNKNOWN), "network"),
                        new Refused("unknown IPC", options -> options.setIpcValue(UNKNOWN), "ipc"),
                        new Refused("unknown processes", options -> options.setPidValue(UNKNOWN), "pid"),
                        new Refused("users of its own", users(mapped()), "userns_options"),
                        new Refused("of a container", users(mode(NamespaceMode.CONTAINER)), "userns_options"),
                        new Refused("a target without a name", options -> options.setPid(target), "target_id"),
                        new Refused(
                                "a target that is not there",
                                options -> options.setPid(target).setTargetId("f".repeat(64)),
                                "target_id"))
                .map(one -> DynamicTest.dynamicTest(one.name(), () -> refuses(own, one)));
        Pod mapped = pod(users(mapped()));
        Stream<DynamicTest> inAUserNamespace = Stream.of(
                        new Refused("users of the host", users(mode(NamespaceMode.NODE)), "userns_options"),
                        new Refused(
                                "other users",
                                users(mapped(line(0, FIRST_HOST_ID + 65536, 65536), line(0, FIRST_HOST_ID, 65536))),
                                "userns_options"),
                        new Refused(
                                "other groups",
                                users(mapped(line(0, FIRST_HOST_ID, 65536), line(0, FIRST_HOST_ID + 1, 65536))),
                                "userns_options"),
                        new Refused(
                                "fewer users",
                                users(mapped(line(0, FIRST_HOST_ID, 65535), line(0, FIRST_HOST_ID, 65536))),
                                "userns_options"))
                .map(one -> DynamicTest.dynamicTest(one.name(), () -> refuses(mapped, one)));
        return Stream.concat(inAPodOfItsOwn, inAUserNamespace);
    }

    private static void refuses(Pod pod, Refused one) {
        isRefused(() -> idle(pod, one.asked()).create(), one.says());
        assertThat(live.cri()
                        .runtime()
                        .listContainers(ListContainersRequest.getDefaultInstance())
                        .getContainersList())
                .isEmpty();
    }

    private static Consumer<NamespaceOption.Builder> target(String id) {
        return options -> options.setPid(NamespaceMode.TARGET).setTargetId(id);
    }

    @TestFactory
    Stream<DynamicTest> aTargetIsARunningContainerOfTheSamePodByItsWholeId() {
        Pod pod = pod(pid(NamespaceMode.CONTAINER));
        Container running = idle(pod, pid(NamespaceMode.CONTAINER)).start();
        Container created = idle(pod, pid(NamespaceMode.CONTAINER)).create();
        Container stopped = idle(pod, pid(NamespaceMode.CONTAINER)).start();
        stopped.stop(Duration.ZERO);
        Container foreign = idle(pod(pid(NamespaceMode.CONTAINER)), pid(NamespaceMode.CONTAINER))
                .start();
        return Stream.of(
                DynamicTest.dynamicTest("running", () -> {
                    Container beside = idle(pod, target(running.id())).start();
                    Map<String, String> seen = namespaces(beside.process());
                    Map<String, String> targets = namespaces(running.process());
                    assertThat(seen.get("pid")).isEqualTo(targets.get("pid"));
                    assertThat(seen.get("mnt")).isNotEqualTo(targets.get("mnt"));
                    assertThat(seen.get("net")).isEqualTo(targets.get("net"));
                    sameForAnExec(beside);
                }),
                DynamicTest.dynamicTest(
                        "created",
                        () -> isRefused(() -> idle(pod, target(created.id())).create(), "not running")),
                DynamicTest.dynamicTest(
                        "stopped",
                        () -> isRefused(() -> idle(pod, target(stopped.id())).create(), "not running")),
                DynamicTest.dynamicTest(
                        "of another pod",
                        () -> isRefused(() -> idle(pod, target(foreign.id())).create(), "this pod")),
                DynamicTest.dynamicTest(
                        "the pod itself",
                        () -> isRefused(() -> idle(pod, target(pod.id())).create(), "this pod")));
    }

    @TestFactory
    Stream<DynamicTest> theMapsAreTheTwoLinesThatWereAskedFor() {
        record Maps(String name, IDMapping uids, IDMapping gids) {}
        return Stream.of(
                        new Maps("65536 of each", line(0, FIRST_HOST_ID, 65536), line(0, FIRST_HOST_ID, 65536)),
                        new Maps("users and groups apart", line(0, 3_000_000, 65536), line(0, 4_000_000, 65536)),
                        new Maps(
                                "more users than groups",
                                line(0, FIRST_HOST_ID, 200_000),
                                line(0, FIRST_HOST_ID, 2000)),
                        new Maps("the host's highest ids", line(0, -65537, 65536), line(0, -65537, 65536)),
                        new Maps("the host's own ids", line(0, 0, 65536), line(0, 0, 65536)))
                .map(maps -> DynamicTest.dynamicTest(maps.name(), () -> {
                    Consumer<NamespaceOption.Builder> users = users(mapped(maps.uids(), maps.gids()));
                    Pod pod = pod(users);
                    Container container = idle(pod, users).start();
                    for (Proc process : List.of(container.process(), pod.pause())) {
                        assertThat(process.read("uid_map").strip().split("\\s+"))
                                .containsExactly(numbers(maps.uids()));
                        assertThat(process.read("gid_map").strip().split("\\s+"))
                                .containsExactly(numbers(maps.gids()));
                    }
                    assertThat(container
                                    .shell("cat /proc/self/uid_map /proc/self/gid_map")
                                    .split("\\s+"))
                            .filteredOn(word -> !word.isEmpty())
                            .containsExactlyElementsOf(Stream.of(maps.uids(), maps.gids())
                                    .flatMap(line -> Arrays.stream(numbers(line)))
                                    .toList());
                    assertThat(container.shell("stat -c %u:%g /bin/busybox /etc/passwd"))
                            .isEqualTo("0:0\n0:0");
                    pod.remove();
                }));
    }

    private static String[] numbers(IDMapping line) {
        return new String[] {
            Integer.toUnsignedString(line.getContainerId()),
            Integer.toUnsignedString(line.getHostId()),
            Integer.toUnsignedString(line.getLength())
        };
    }
}
