package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import io.portafilter.e2e.Await;
import io.portafilter.e2e.Commands;
import io.portafilter.e2e.Live;
import io.portafilter.e2e.Tree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Pods in the network that {@code deploy/} ships, on a bridge and in a range of this test's own. */
class NetworkTest {
    private static final Duration LIMIT = Duration.ofMinutes(3);
    private static final long NUMBER = ProcessHandle.current().pid() % 200;
    private static final String NETWORK = "pfnode" + NUMBER;
    private static final String SUBNET = "10.212." + NUMBER + ".";

    /** Serves a page at port 80; kubelet asks it by HTTP and by TCP at the pod's own address. */
    private static final String WEB = """
            containers:
            - name: main
              image: IMAGE
              command: [sh, -c, "mkdir /www; echo served > /www/page; touch /www/alive; exec httpd -f -p 80 -h /www"]
              ports: [{containerPort: 80, hostPort: PORT}]
              readinessProbe:
                httpGet: {port: 80, path: /page}
                periodSeconds: 1
                failureThreshold: 1
                timeoutSeconds: 20
              livenessProbe:
                httpGet: {port: 80, path: /alive}
                periodSeconds: 1
                failureThreshold: 2
                timeoutSeconds: 20
              startupProbe:
                tcpSocket: {port: 80}
                periodSeconds: 1
                failureThreshold: 100
                timeoutSeconds: 20
            """;

    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", NetworkTest::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live);

    private static String missing() {
        if (!Files.isExecutable(Path.of("/usr/lib/cni/bridge"))) {
            return "the package containernetworking-plugins is missing";
        }
        return Stream.of("/usr/sbin/iptables", "/sbin/iptables").noneMatch(p -> Files.isExecutable(Path.of(p)))
                ? "the package iptables is missing"
                : Node.missing();
    }

    // ---- the network

    private static Path configuration() {
        return live.portafilter().base().resolve("net.d/10-portafilter.conflist");
    }

    private static Path leases() {
        return live.portafilter().base().resolve("leases");
    }

    @BeforeEach
    void configure() throws IOException {
        String shipped = Files.readString(Tree.root().resolve("deploy/10-portafilter.conflist"));
        String ours = shipped.replace("\"name\": \"portafilter\"", "\"name\": \"" + NETWORK + "\"")
                .replace("\"bridge\": \"pf0\"", "\"bridge\": \"" + NETWORK + "\"")
                .replace("\"type\": \"host-local\",", "\"type\": \"host-local\", \"dataDir\": \"" + leases() + "\",")
                .replace("10.213.0.0/16", SUBNET + "0/24");
        assertThat(ours).contains(leases().toString()).contains(SUBNET).doesNotContain("pf0");
        Files.createDirectories(configuration().getParent());
        Files.writeString(configuration(), ours);
    }

    @AfterAll
    static void removeBridge() {
        var _ = Commands.run("ip", "link", "delete", NETWORK);
    }

    /** Leases, interfaces and rules that belong to pods. */
    private static List<String> left() {
        return Stream.of(
                        leasedAddresses().stream(),
                        Commands.run("ip", "-o", "link", "show", "master", NETWORK)
                                .stdout()
                                .lines(),
                        Commands.run("iptables-save").orFail().lines().filter(line -> line.contains(SUBNET)))
                .flatMap(lines -> lines)
                .toList();
    }

    private static List<String> leasedAddresses() {
        try (Stream<Path> files = Files.list(leases().resolve(NETWORK))) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.startsWith(SUBNET))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    // ---- pods

    private static StaticPod web(String name, int hostPort, String more) {
        node.placeOnPodNetwork(name, more + WEB.replace("PORT", Integer.toString(hostPort)));
        return node.awaitReady(name);
    }

    private static String address(StaticPod pod) {
        return pod.status().get("podIP").getAsString();
    }

    private static String page(String host) {
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(
                            HttpRequest.newBuilder(URI.create("http://" + host + "/page"))
                                    .timeout(Duration.ofSeconds(60))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString())
                    .body();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aPodIsReachedAtItsAddressAndAtAPortOfTheNodeAndLeavesNothingOfBoth() {
        int port = Kubelet.freePort();
        StaticPod server = web("web", port, "");
        node.placeOnPodNetwork("client", Node.IDLE);
        StaticPod client = node.awaitReady("client");

        assertThat(address(server)).startsWith(SUBNET);
        assertThat(address(client)).startsWith(SUBNET).isNotEqualTo(address(server));
        assertThat(page(address(server))).isEqualTo("served\n");
        assertThat(page("127.0.0.1:" + port)).isEqualTo("served\n");
        assertThat(node.exec(client.container("main"), "wget -qO- http://" + address(server) + "/page"))
                .isEqualTo("served");
        assertThat(left()).anyMatch(line -> line.contains("--dport " + port) || line.contains(address(server)));

        node.kubelet().remove("web");
        node.kubelet().remove("client");
        Await.untilEquals("what is left of the pods", LIMIT, List.of(), NetworkTest::left);
    }

    @Test
    void probesByHttpAndTcpAskThePodItself() {
        StaticPod pod = web("probed", Kubelet.freePort(), "");

        String _ = node.exec(pod.container("main"), "mv /www/page /www/hidden");
        StaticPod notReady = node.await("probed", "is not ready", it -> !it.is("Ready"));
        assertThat(notReady.container("main").restarts()).isZero();
        String _ = node.exec(pod.container("main"), "mv /www/hidden /www/page");
        StaticPod _ = node.awaitReady("probed");

        String _ = node.exec(pod.container("main"), "rm /www/alive");
        StaticPod again = node.await(
                "probed", "was started again", it -> it.container("main").restarts() == 1 && it.is("Ready"));
        // the container alone is another one: the pod's network is as it was
        assertThat(address(again)).isEqualTo(address(pod));
    }

    @Test
    void aPodKnowsItsNameItsAddressAndItsResolvers() {
        node.placeOnPodNetwork("named", """
                hostname: called
                dnsPolicy: None
                dnsConfig:
                  nameservers: [192.0.2.53, 192.0.2.54]
                  searches: [one.test, two.test]
                  options: [{name: ndots, value: "3"}, {name: rotate}]
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                  env:
                  - name: ADDRESS
                    valueFrom: {fieldRef: {fieldPath: status.podIP}}
                """);
        StaticPod pod = node.awaitReady("named");
        StaticPod.ContainerView main = pod.container("main");

        assertThat(node.exec(main, "hostname; echo $ADDRESS")).isEqualTo("called\n" + address(pod));
        assertThat(node.exec(main, "ip -o -4 addr show eth0")).contains(address(pod) + "/24");
        assertThat(node.exec(main, "cat /etc/hosts")).contains(address(pod) + "\tcalled");
        assertThat(node.exec(main, "cat /etc/resolv.conf").lines())
                .containsExactly(
                        "search one.test two.test",
                        "nameserver 192.0.2.53",
                        "nameserver 192.0.2.54",
                        "options ndots:3 rotate");
    }

    @Test
    void aPodWithAUserNamespaceIsReachedLikeAnyOther() {
        int port = Kubelet.freePort();
        StaticPod pod = web("userns", port, "hostUsers: false\n");

        assertThat(page("127.0.0.1:" + port)).isEqualTo("served\n");
        assertThat(node.exec(pod.container("main"), "cat /proc/self/uid_map").split("\\s+"))
                .doesNotContain("4294967295");
    }

    @Test
    void whatWentThroughAPodsNetworkIsInTheSummaryAndInTheMetrics() {
        StaticPod pod = web("counted", Kubelet.freePort(), "");

        Await.until(
                "the summary has its network",
                LIMIT,
                () -> network(pod).get("rxBytes").getAsLong() > 0);
        JsonObject network = network(pod);
        assertThat(network.get("name").getAsString()).isEqualTo("eth0");
        assertThat(network.get("txBytes").getAsLong()).isPositive();
        String labels = "interface=\"eth0\",.*namespace=\"default\",pod=\"" + pod.name() + "\"";
        for (String metric :
                List.of("container_network_receive_bytes_total", "container_network_transmit_packets_total")) {
            Await.until(
                    metric + " is there with " + labels,
                    LIMIT,
                    () -> node.kubelet()
                                    .metric("/metrics/cadvisor", metric, labels)
                                    .orElse(0)
                            > 0);
        }
    }

    private static JsonObject network(StaticPod pod) {
        return node.kubelet().summary(pod).orElseThrow().getAsJsonObject("network");
    }

    @Test
    void whenTheServerIsKilledPodsKeepTheirAddressesAndTheirPorts() {
        int port = Kubelet.freePort();
        StaticPod pod = web("kept", port, "");
        long pid = node.pid(pod.container("main"));

        live.portafilter().kill();
        // also while there is no server
        assertThat(page("127.0.0.1:" + port)).isEqualTo("served\n");
        var _ = live.portafilter().start();
        // Not a wait for a condition: what must not happen has the time of several looks to happen.
        LockSupport.parkNanos(Duration.ofSeconds(10).toNanos());

        StaticPod after = node.awaitReady("kept");
        assertThat(address(after)).isEqualTo(address(pod));
        assertThat(node.pid(after.container("main"))).isEqualTo(pid);
        assertThat(page("127.0.0.1:" + port)).isEqualTo("served\n");
        node.kubelet().remove("kept");
        Await.untilEquals("what is left of the pod", LIMIT, List.of(), NetworkTest::left);
    }

    @Test
    void aPodWaitsUntilThereIsANetwork() throws IOException {
        // both of them new: neither the server nor kubelet has seen a network
        node.kubelet().stop();
        Files.delete(configuration());
        live.portafilter().killAndStart();
        var _ = node.kubelet().start();
        node.placeOnPodNetwork("waits", Node.IDLE);
        StaticPod _ = node.idle("on-host");
        assertThat(live.cri().pods())
                .noneMatch(pod -> pod.getMetadata().getName().startsWith("waits"));

        configure();

        assertThat(address(node.awaitReady("waits"))).startsWith(SUBNET);
    }
}
