package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.PodIP;
import io.portafilter.cri.v1.PodSandboxNetworkStatus;
import io.portafilter.cri.v1.PortMapping;
import io.portafilter.cri.v1.RuntimeCondition;
import io.portafilter.cri.v1.StatusRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Pods in the network of Debian's CNI plugins, on a bridge of this test's own; and what becomes of it when plugins fail or
 * hang, and when the server is killed.
 */
class PodNetworkTest {
    private static final Path DEBIAN = Path.of("/usr/lib/cni");
    private static final Path PLUGINS = directory();
    private static final long NUMBER = ProcessHandle.current().pid() % 200;
    private static final String NETWORK = "pfnet" + NUMBER;
    private static final String SUBNET = "10.213." + (20 + NUMBER) + ".";
    private static final String SUBNET6 = "fd00:213:" + (20 + NUMBER) + "::";
    private static final int FIRST_HOST_ID = 2_621_440;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @RegisterExtension
    static final Live live = Live.server(
            "cni_bin_dirs = [\"" + PLUGINS + "\", \"" + DEBIAN + "\"]\ncni_timeout = \"10s\"\n",
            PodNetworkTest::missing);

    private static Path directory() {
        try {
            return Files.createTempDirectory("pf-cni-");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String missing() {
        if (!Files.isExecutable(DEBIAN.resolve("bridge"))) {
            return "the package containernetworking-plugins is missing";
        }
        return Stream.of("/usr/sbin/iptables-save", "/sbin/iptables-save")
                        .noneMatch(p -> Files.isExecutable(Path.of(p)))
                ? "the package iptables is missing"
                : "";
    }

    // ---- the network

    private static Path configurations() {
        return live.portafilter().base().resolve("net.d");
    }

    private static Path leases() {
        return live.portafilter().base().resolve("leases");
    }

    private static void configure(String file, String text) {
        try {
            var _ = Files.createDirectories(configurations());
            var _ = Files.writeString(configurations().resolve(file), text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The bridge and the port mappings, and another plugin after them, or none. */
    private static String bridge(String ranges, String more) {
        return """
                {"cniVersion":"1.0.0","name":"%1$s","plugins":[
                {"type":"bridge","bridge":"%1$s","isGateway":true,"ipMasq":true,"hairpinMode":true,
                "ipam":{"type":"host-local","dataDir":"%2$s","ranges":[%3$s],"routes":[{"dst":"0.0.0.0/0"}]}},
                {"type":"portmap","capabilities":{"portMappings":true},"snat":true}%4$s]}
                """.formatted(NETWORK, leases(), ranges, more);
    }

    private static String ipv4() {
        return "[{\"subnet\":\"" + SUBNET + "0/24\"}]";
    }

    private static final String SCRIPT =
            ",{\"type\":\"pfscript\",\"capabilities\":{\"portMappings\":true,\"dns\":true}}";

    /** Fails, hangs and waits as files beside it say, and notes what it is asked; it adds nothing to what it is given. */
    @BeforeAll
    static void makeScript() throws IOException {
        Path script = PLUGINS.resolve("pfscript");
        Files.writeString(script, """
                #!/bin/sh
                cd %s
                [ "$CNI_COMMAND" = VERSION ] && echo '{"supportedVersions":["0.4.0","1.0.0","1.1.0"]}' && exit 0
                cat >"stdin.$CNI_COMMAND"
                echo "$CNI_COMMAND $CNI_CONTAINERID netns=$CNI_NETNS $CNI_IFNAME $CNI_ARGS" >>calls
                if [ -e "hang.$CNI_COMMAND" ]; then sleep 1000; fi
                while [ -e "wait.$CNI_COMMAND" ]; do touch waiting; sleep 0.1; done
                if [ -e "fail.$CNI_COMMAND" ]; then cat "fail.$CNI_COMMAND"; exit 1; fi
                [ "$CNI_COMMAND" = ADD ] || exit 0
                if grep -q prevResult stdin.ADD; then sed 's/.*"prevResult"://; s/}$//' stdin.ADD; else
                echo '{"ips":[{"address":"%s9/24"}]}'; fi
                """.formatted(PLUGINS, SUBNET));
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    @BeforeEach
    void useTheBridge() {
        clear();
        configure("10-test.conflist", bridge(ipv4(), ""));
    }

    @AfterEach
    void clear() {
        try (Stream<Path> files = Files.list(PLUGINS)) {
            files.filter(file -> !file.endsWith("pfscript"))
                    .forEach(file -> assertThat(file.toFile().delete()).isTrue());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        entries(configurations()).forEach(name -> {
            if (!name.equals("10-test.conflist")) {
                assertThat(configurations().resolve(name).toFile().delete()).isTrue();
            }
        });
    }

    @AfterAll
    static void removeBridge() {
        var _ = Commands.run("ip", "link", "delete", NETWORK);
        PortafilterServer.deleteTree(PLUGINS);
    }

    private static void say(String file, String text) throws IOException {
        Files.writeString(PLUGINS.resolve(file), text);
    }

    private static List<String> calls() throws IOException {
        Path calls = PLUGINS.resolve("calls");
        return Files.exists(calls) ? Files.readAllLines(calls) : List.of();
    }

    // ---- what is left

    private static List<String> entries(Path directory) {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> String.valueOf(file.getFileName()))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Rules, interfaces, leases, names of namespaces, kept results and notes that belong to pods. */
    private static List<String> left() {
        List<String> left = new ArrayList<>();
        for (String save : List.of("iptables-save", "ip6tables-save")) {
            Commands.run(save)
                    .orFail()
                    .lines()
                    .filter(line -> line.contains('"' + NETWORK + "\\\"")
                            || line.contains("name: \\\"" + NETWORK)
                            || line.contains(SUBNET)
                            || line.contains(SUBNET6))
                    .forEach(left::add);
        }
        Commands.run("ip", "-o", "link", "show", "master", NETWORK)
                .stdout()
                .lines()
                .forEach(left::add);
        entries(leases().resolve(NETWORK)).stream()
                .filter(name -> !name.startsWith("last_reserved") && !name.equals("lock"))
                .forEach(left::add);
        left.addAll(entries(live.portafilter().state().resolve("netns")));
        left.addAll(entries(live.portafilter().base().resolve("cni/results")));
        left.addAll(entries(live.portafilter().root().resolve("pods")));
        return left;
    }

    private static void awaitNothingLeft() {
        Await.untilEquals("what is left of pods", PATIENCE, List.of(), PodNetworkTest::left);
    }

    private static void removeAllPods() {
        live.cri().pods().forEach(pod -> live.cri().removePod(pod.getId()));
    }

    // ---- what a pod has

    private static String addressOf(Pod pod) {
        return pod.status().getNetwork().getIp();
    }

    private static Pod webServer(PodFixture fixture) {
        Pod pod = fixture.run();
        var _ = pod.container(live.busybox())
                .shell("mkdir /tmp/www; echo served >/tmp/www/index.html; exec httpd -f -p 80 -h /tmp/www")
                .start();
        return pod;
    }

    private static String get(String url) throws IOException {
        URLConnection connection = URI.create(url).toURL().openConnection();
        connection.setConnectTimeout(5000);
        connection.setReadTimeout(20_000);
        return new String(connection.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    private static void awaitServed(String url) {
        Await.until(url + " answers", PATIENCE, () -> {
            try {
                return get(url).equals("served\n");
            } catch (IOException e) {
                return false;
            }
        });
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    private static PodFixture mapping(int hostPort) {
        return live.pod()
                .configure(config -> config.addPortMappings(
                        PortMapping.newBuilder().setHostPort(hostPort).setContainerPort(80)));
    }

    @Test
    void podsReachOneAnotherAndThePortOfTheNodeLeadsToOne() throws IOException {
        int port = freePort();
        Pod server = webServer(mapping(port));
        assertThat(addressOf(server)).startsWith(SUBNET);
        assertThat(server.status().getNetwork().getAdditionalIpsList()).isEmpty();
        Pod client = live.pod().run();

        awaitServed("http://" + addressOf(server) + "/");
        awaitServed("http://127.0.0.1:" + port + "/");
        assertThat(client.container(live.busybox())
                        .shell("wget -qO- http://" + addressOf(server) + "/")
                        .runToEnd()
                        .logged("stdout"))
                .isEqualTo("served\n");
        assertThat(left()).anyMatch(line -> line.contains("MASQUERADE")).anyMatch(line -> line.contains("dport"));

        server.stop();
        assertThat(server.status().getNetwork()).isEqualTo(PodSandboxNetworkStatus.getDefaultInstance());
        server.remove();
        client.remove();
        awaitNothingLeft();
    }

    @Test
    void aPodWithAUserNamespaceOwnsItsNetworkAndReachesOthers() {
        Pod server = webServer(live.pod().userNamespace(FIRST_HOST_ID));
        Pod client = live.pod().userNamespace(FIRST_HOST_ID + 65_536).run();

        awaitServed("http://" + addressOf(server) + "/");
        assertThat(client.container(live.busybox())
                        .shell("ip -o addr show eth0; wget -qO- http://" + addressOf(server) + "/")
                        .runToEnd()
                        .logged("stdout"))
                .contains(addressOf(client))
                .endsWith("served\n");

        server.remove();
        client.remove();
        awaitNothingLeft();
    }

    /** 4 MB at 1 MB in a second, of which the first second's may come at once. */
    @Test
    void aPodGetsAndSendsNoFasterThanItsAnnotationsSay() {
        assumeTrue(shapes(), "the plugin bandwidth, tc, or the kernel's tbf and ifb are missing");
        configure(
                "10-test.conflist", bridge(ipv4(), ",{\"type\":\"bandwidth\",\"capabilities\":{\"bandwidth\":true}}"));
        Pod unbounded = fileServer(live.pod());
        Pod bounded = fileServer(live.pod()
                .configure(config -> config.putAnnotations("kubernetes.io/ingress-bandwidth", "8M")
                        .putAnnotations("kubernetes.io/egress-bandwidth", "8M")));

        assertThat(fetches(bounded, unbounded)).as("what it gets").isGreaterThan(Duration.ofSeconds(2));
        assertThat(fetches(unbounded, bounded)).as("what it sends").isGreaterThan(Duration.ofSeconds(2));

        unbounded.remove();
        bounded.remove();
        awaitNothingLeft();
    }

    private static boolean shapes() {
        return Files.isExecutable(DEBIAN.resolve("bandwidth"))
                && Commands.run(
                                        "unshare",
                                        "--net",
                                        "sh",
                                        "-c",
                                        "ip link add pf-ifb type ifb"
                                                + " && tc qdisc add dev pf-ifb root tbf rate 1mbit burst 32kbit latency 25ms"
                                                + " && tc qdisc add dev pf-ifb ingress")
                                .status()
                        == 0;
    }

    private static Pod fileServer(PodFixture fixture) {
        Pod pod = fixture.run();
        var _ = pod.container(live.busybox())
                .shell(
                        "mkdir /tmp/www; dd if=/dev/zero of=/tmp/www/file bs=1000000 count=4; exec httpd -f -p 80 -h /tmp/www")
                .start();
        return pod;
    }

    private static Duration fetches(Pod client, Pod server) {
        Container container = client.container(live.busybox()).idle().start();
        String url = "http://" + addressOf(server) + "/file";
        Await.until(
                url + " is there",
                PATIENCE,
                () -> container.exec("wget", "-q", "--spider", url).exitCode() == 0);
        long begin = System.nanoTime();
        assertThat(container.shell("wget -qO- " + url + " | wc -c")).isEqualTo("4000000");
        Duration took = Duration.ofNanos(System.nanoTime() - begin);
        container.remove();
        return took;
    }

    @Test
    void bothAddressesOfADualStackAreToldAfterARestartToo() {
        configure("10-test.conflist", bridge(ipv4() + ",[{\"subnet\":\"" + SUBNET6 + "/64\"}]", ""));
        Pod pod = live.pod().run();
        PodSandboxNetworkStatus told = pod.status().getNetwork();

        assertThat(told.getIp()).startsWith(SUBNET);
        assertThat(told.getAdditionalIpsList())
                .extracting(PodIP::getIp)
                .singleElement()
                .asString()
                .startsWith(SUBNET6);
        live.portafilter().killAndStart();
        assertThat(pod.status().getNetwork()).isEqualTo(told);

        pod.remove();
        awaitNothingLeft();
    }

    @Test
    void inTheHostsNetworkThereIsNothingToDo() {
        Pod pod = live.pod().hostNetwork().run();

        assertThat(pod.status().getNetwork()).isEqualTo(PodSandboxNetworkStatus.getDefaultInstance());
        assertThat(entries(live.portafilter().state().resolve("netns"))).isEmpty();
    }

    @Test
    void aSysctlOfTheInterfaceIsSetWhenItIsThere() {
        for (PodFixture fixture : List.of(live.pod(), live.pod().userNamespace(FIRST_HOST_ID))) {
            Pod pod = fixture.configure(
                            config -> config.getLinuxBuilder().putSysctls("net.ipv4.conf.eth0.rp_filter", "2"))
                    .run();

            assertThat(pod.container(live.busybox())
                            .shell("cat /proc/sys/net/ipv4/conf/eth0/rp_filter")
                            .runToEnd()
                            .logged("stdout"))
                    .isEqualTo("2\n");
        }
    }

    @Test
    void twentyPodsAtOnceHaveTwentyAddresses() throws InterruptedException, ExecutionException {
        List<Callable<String>> runs = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            runs.add(() -> addressOf(live.pod().run()));
        }
        HashSet<String> addresses = new HashSet<>();
        try (ExecutorService callers = Executors.newFixedThreadPool(20)) {
            for (Future<String> run : callers.invokeAll(runs)) {
                addresses.add(run.get());
            }
        }

        assertThat(addresses).hasSize(20);
        removeAllPods();
        awaitNothingLeft();
    }

    // ---- what plugins are told

    @Test
    void pluginsAreToldOfThePodAndOfWhatTheyDeclareAlone() throws IOException {
        configure("10-test.conflist", bridge(ipv4(), SCRIPT));
        int port = freePort();
        Pod pod = mapping(port).name("told").run();

        assertThat(calls().getFirst())
                .startsWith("ADD " + pod.id() + " netns="
                        + live.portafilter().state().resolve("netns"))
                .contains(" eth0 IgnoreUnknown=1;K8S_POD_NAMESPACE="
                        + pod.config().getMetadata().getNamespace() + ";K8S_POD_NAME=told;K8S_POD_INFRA_CONTAINER_ID="
                        + pod.id() + ";K8S_POD_UID="
                        + pod.config().getMetadata().getUid());
        assertThat(PLUGINS.resolve("stdin.ADD"))
                .content()
                .contains("\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":" + port)
                .contains("\"prevResult\":{")
                .doesNotContain("cri.pod-annotations");
        assertThat(live.portafilter().base().resolve("cni/results/" + NETWORK + "-" + pod.id() + "-eth0"))
                .content()
                .contains("\"kind\":\"cniCacheV1\"");

        pod.remove();
        assertThat(calls().getLast()).startsWith("DEL " + pod.id());
        assertThat(PLUGINS.resolve("stdin.DEL")).content().contains("\"prevResult\":{");
    }

    /** Also when the file is gone by then: what was set up is undone. */
    @Test
    void pluginsOfADirectoryOfTheNetworksNameComeAfterThoseOfTheList() throws IOException {
        Path further = Files.createDirectory(configurations().resolve(NETWORK));
        try {
            Files.writeString(further.resolve("20-script.conf"), SCRIPT.substring(1));
            Files.writeString(further.resolve("30-other.txt"), "no configuration");
            Pod pod = live.pod().run();
            assertThat(calls()).singleElement().asString().startsWith("ADD " + pod.id());
            assertThat(PLUGINS.resolve("stdin.ADD")).content().contains("\"prevResult\":{");

            Files.delete(further.resolve("20-script.conf"));
            pod.remove();
            assertThat(calls()).last().asString().startsWith("DEL " + pod.id());

            Files.writeString(further.resolve("20-script.conf"), "{");
            assertThat(Refusal.of(() -> live.pod().run()).message()).contains("20-script.conf, which is no JSON");
            configure(
                    "10-test.conflist",
                    bridge(ipv4(), "").replace("\"plugins\":", "\"loadOnlyInlinedPlugins\":true,\"plugins\":"));
            live.pod().run().remove();
            assertThat(calls()).hasSize(2);
        } finally {
            PortafilterServer.deleteTree(further);
        }
    }

    @Test
    void aNameThatWouldBeAnotherArgumentIsRefused() {
        Refusal refusal =
                Refusal.of(() -> live.pod().name("web;K8S_POD_UID=other").run());

        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains("CNI_ARGS");
        awaitNothingLeft();
    }

    @Test
    void verboseStatusTellsWhatCheckFindsWrong() throws IOException {
        configure("10-test.conflist", bridge(ipv4(), SCRIPT));
        Pod pod = live.pod().run();
        assertThat(pod.verbose().getInfoMap().get("info")).doesNotContain("networkDiffers");

        say("fail.CHECK", "{\"code\":100,\"msg\":\"the route is gone\"}");

        assertThat(pod.verbose().getInfoMap().get("info"))
                .contains("networkDiffers")
                .contains("the route is gone");
    }

    // ---- plugins that fail

    @Test
    void aPluginThatFailsIsToldInItsOwnWordsAndAllIsTakenBack() throws IOException {
        configure("10-test.conflist", bridge(ipv4(), SCRIPT));
        say("fail.ADD", "{\"code\":123,\"msg\":\"out of luck\"}");
        for (boolean ownUsers : List.of(false, true)) {
            PodFixture fixture = mapping(freePort());

            Refusal refusal = Refusal.of(() -> (ownUsers ? fixture.userNamespace(FIRST_HOST_ID) : fixture).run());

            assertThat(refusal.code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
            assertThat(refusal.message())
                    .contains("network " + NETWORK + ": plugin pfscript ADD: out of luck (code 123");
            assertThat(calls()).extracting(call -> call.split(" ")[0]).containsExactly("ADD", "DEL");
            Files.delete(PLUGINS.resolve("calls"));
            assertThat(live.cri().pods()).isEmpty();
            awaitNothingLeft();
        }
    }

    /** The launch fails while the pod is being added: what ADD does afterwards is taken back too. */
    @Test
    void aLaunchThatFailsBesideItsPluginsLeavesNothingInTheNetwork() throws IOException {
        for (boolean ownUsers : List.of(false, true)) {
            PodFixture fixture = mapping(freePort())
                    .configure(config -> config.getLinuxBuilder().putSysctls("net.ipv4.ping_group_range", "none"));

            Refusal refusal = Refusal.of(() -> (ownUsers ? fixture.userNamespace(FIRST_HOST_ID) : fixture).run());

            assertThat(refusal.message()).contains("net.ipv4.ping_group_range");
            assertThat(live.cri().pods()).isEmpty();
            awaitNothingLeft();
        }
    }

    private static int freePortUnchecked() {
        try {
            return freePort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aPluginThatHangsIsEndedAndAllIsTakenBack() throws IOException {
        configure("10-test.conflist", bridge(ipv4(), SCRIPT));
        say("hang.ADD", "");

        Refusal refusal = Refusal.of(() -> live.pod().run());

        assertThat(refusal.code()).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(refusal.message()).contains("plugin pfscript ADD: it did not end within 10.0 s and was killed");
        awaitNothingLeft();
        awaitNoPlugins();
    }

    /** A process of a plugin is told by the directory it is in. */
    private static void awaitNoPlugins() {
        Await.until(
                "plugins end",
                PATIENCE,
                () -> ProcessHandle.allProcesses().noneMatch(process -> {
                    try {
                        return Files.readSymbolicLink(Path.of("/proc/" + process.pid() + "/cwd"))
                                .equals(PLUGINS);
                    } catch (IOException e) {
                        return false;
                    }
                }));
    }

    @Test
    void aStopThatAPluginRefusesIsTriedAgain() throws IOException {
        configure("10-test.conflist", bridge(ipv4(), SCRIPT));
        Pod pod = live.pod().run();
        say("fail.DEL", "{\"code\":11,\"msg\":\"not now\"}");

        Refusal refusal = Refusal.of(pod::stop);

        assertThat(refusal.message()).contains("plugin pfscript DEL: not now");
        // what the others had is free
        assertThat(entries(leases().resolve(NETWORK))).noneMatch(name -> name.startsWith(SUBNET));
        live.portafilter().killAndStart();
        assertThat(Refusal.of(pod::remove).message()).contains("not now");

        Files.delete(PLUGINS.resolve("fail.DEL"));
        pod.stop();
        pod.stop();
        pod.remove();
        awaitNothingLeft();
    }

    // ---- the server or the pod dies

    @Test
    void whatAKilledServerHadBegunIsTakenBackByTheNext() throws IOException, InterruptedException {
        configure("10-test.conflist", bridge(ipv4(), SCRIPT));
        say("wait.ADD", "");
        Thread caller = Thread.ofVirtual().start(() -> {
            try {
                var _ = mapping(freePortUnchecked()).run();
            } catch (StatusRuntimeException e) {
                assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
            }
        });
        Await.until("the plugin is at work", PATIENCE, () -> Files.exists(PLUGINS.resolve("waiting")));

        live.portafilter().killAndStart();

        caller.join();
        assertThat(live.cri().pods()).isEmpty();
        // it is given some seconds to end by itself, which it does not
        awaitNothingLeft();
        awaitNoPlugins();
    }

    @Test
    void killedAtAnyMomentNothingIsLeft() throws InterruptedException {
        for (int round = 0; round < 5; round++) {
            int millis = 40 * round;
            Thread caller = Thread.ofVirtual().start(() -> {
                try {
                    Pod pod = mapping(freePortUnchecked()).run();
                    pod.stop();
                } catch (StatusRuntimeException e) {
                    assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
                }
            });
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
            live.portafilter().killAndStart();
            caller.join();
            removeAllPods();
            awaitNothingLeft();
        }
    }

    @Test
    void whenThePodsFirstProcessIsKilledItsRulesGoAllTheSame() throws IOException {
        Pod pod = mapping(freePort()).run();
        assertThat(Commands.run("kill", "-9", Long.toString(pod.pause().pid())).status())
                .isZero();
        Await.until("the pod is lost", PATIENCE, () -> pod.status().getStateValue() != 0);

        pod.remove();

        awaitNothingLeft();
    }

    @Test
    void withoutItsNamespaceAPodsLeaseIsFreeAgain() {
        // the bridge plugin learns in the namespace which rules it made; where that is gone for want of a reboot they
        // stay
        configure("10-test.conflist", bridge(ipv4(), "").replace("\"ipMasq\":true", "\"ipMasq\":false"));
        Pod pod = live.pod().run();
        live.portafilter().kill();
        Path name = live.portafilter().state().resolve("netns/pf-" + pod.id());
        Commands.run("umount", name.toString()).orFail();
        assertThat(name.toFile().delete()).isTrue();
        var _ = live.portafilter().start();

        pod.remove();

        assertThat(entries(leases().resolve(NETWORK))).noneMatch(lease -> lease.startsWith(SUBNET));
        assertThat(entries(live.portafilter().base().resolve("cni/results"))).isEmpty();
    }

    // ---- configuration

    private static RuntimeCondition networkReady() {
        return live.cri().runtime().status(StatusRequest.getDefaultInstance()).getStatus().getConditionsList().stream()
                .filter(condition -> condition.getType().equals("NetworkReady"))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void aChangeOfTheConfigurationCountsAtOnce() throws IOException {
        assertThat(networkReady().getStatus()).isTrue();
        Pod before = live.pod().run();
        configure("05-first.conf", "{\"cniVersion\":\"1.0.0\",");

        assertThat(networkReady().getStatus()).isFalse();
        assertThat(networkReady().getReason()).isEqualTo("NetworkPluginNotReady");
        assertThat(networkReady().getMessage()).contains("05-first.conf").contains("is no JSON");
        Refusal refusal = Refusal.of(() -> live.pod().run());
        assertThat(refusal.code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        assertThat(refusal.message()).contains("05-first.conf");

        configure("05-first.conf", "{\"cniVersion\":\"1.0.0\",\"name\":\"other\",\"type\":\"pfscript\"}");
        assertThat(networkReady().getStatus()).isTrue();
        Pod after = live.pod().run();
        assertThat(addressOf(after)).isEqualTo(SUBNET + "9");
        after.remove();
        // by the plugins that it came with
        before.remove();
        awaitNothingLeft();
    }

    @Test
    void withoutAConfigurationThatWasThereAPodIsRefused() throws IOException {
        assertThat(networkReady().getStatus()).isTrue();
        Files.delete(configurations().resolve("10-test.conflist"));

        assertThat(networkReady().getMessage()).contains("no network is configured");
        assertThat(Refusal.of(() -> live.pod().run()).message()).contains("no network is configured any more");
    }

    @Test
    void aServerThatNeverHadAConfigurationGivesLoopbackAloneAndNoPorts() throws IOException {
        Files.delete(configurations().resolve("10-test.conflist"));
        live.portafilter().killAndStart();

        assertThat(networkReady().getStatus()).isFalse();
        assertThat(addressOf(live.pod().run())).isEmpty();
        assertThat(Refusal.of(() -> mapping(freePortUnchecked()).run()).message())
                .contains("host port")
                .contains("no network is configured");
    }

    @Test
    void statusAndGarbageAreThePluginsFromOneDotOneOn() throws IOException {
        configure(
                "10-test.conflist",
                "{\"cniVersion\":\"1.1.0\",\"name\":\"" + NETWORK + "\",\"plugins\":[{\"type\":\"pfscript\"}]}");
        assertThat(networkReady().getStatus()).isTrue();
        Pod pod = live.pod().run();
        live.portafilter().killAndStart();
        Await.until("garbage is collected", PATIENCE, () -> calls().stream().anyMatch(call -> call.startsWith("GC")));
        assertThat(PLUGINS.resolve("stdin.GC"))
                .content()
                .contains("\"cni.dev/valid-attachments\":[{")
                .contains(pod.id());

        say("fail.STATUS", "{\"code\":50,\"msg\":\"the daemon is down\"}");

        Await.until("the plugin is asked again", PATIENCE, () -> !networkReady().getStatus());
        assertThat(networkReady().getMessage()).contains("plugin pfscript STATUS: the daemon is down");
    }
}
