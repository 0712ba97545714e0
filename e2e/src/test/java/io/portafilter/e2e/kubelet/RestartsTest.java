package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.e2e.Live;
import io.portafilter.e2e.Proc;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** kubelet and the server come and go: the containers stay, with the same processes, and nothing is started twice. */
class RestartsTest {
    private static final List<String> PODS = List.of("plain", "probed", "sidecar");

    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", Node::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live);

    private static void placePods() {
        node.place("plain", """
                containers:
                - name: one
                  image: IMAGE
                  command: [sleep, "1000"]
                - name: two
                  image: IMAGE
                  command: [sh, -c, "i=0; while :; do i=$((i+1)); echo $i; sleep 0.5; done"]
                """);
        node.place("probed", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                  livenessProbe: {exec: {command: ["true"]}, periodSeconds: 1, failureThreshold: 3, timeoutSeconds: 20}
                """);
        node.place("sidecar", """
                hostUsers: false
                initContainers:
                - name: side
                  image: IMAGE
                  restartPolicy: Always
                  command: [sleep, "1000"]
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                """);
        PODS.forEach(node::awaitReady);
    }

    /** Of each container of each pod: its id, its process on the host and how often it was started again. */
    private static Map<String, String> containers() {
        Map<String, String> found = new TreeMap<>();
        for (String name : PODS) {
            for (StaticPod.ContainerView container : node.kubelet().pod(name).containers()) {
                found.put(
                        name + "/" + container.name(),
                        container.id() + " pid " + node.pid(container) + " restarts " + container.restarts());
            }
        }
        return found;
    }

    /** kubelet has looked at the runtime and at its pods a few times. */
    private static void letKubeletLook() {
        // Not a wait for a condition: what must not happen has the time of several syncs and probes to happen.
        LockSupport.parkNanos(java.time.Duration.ofSeconds(12).toNanos());
        PODS.forEach(node::awaitReady);
    }

    private static void assertAsBefore(Map<String, String> before) {
        assertThat(containers()).isEqualTo(before);
        assertThat(live.cri().pods()).hasSize(PODS.size());
        assertThat(live.cri().containers()).hasSize(before.size());
    }

    @Test
    void noContainerIsStartedAgainWhenKubeletIs() {
        placePods();
        Map<String, String> before = containers();
        node.kubelet().stop();
        assertThat(pids(before)).allMatch(Proc::isAlive);
        var _ = node.kubelet().start();
        letKubeletLook();
        assertAsBefore(before);
    }

    @Test
    void noContainerIsStartedAgainWhenTheServerIs() {
        placePods();
        Map<String, String> before = containers();
        assertThat(live.portafilter().terminate()).isIn(0, 143);
        // kubelet shall see that nobody answers
        LockSupport.parkNanos(java.time.Duration.ofSeconds(3).toNanos());
        var _ = live.portafilter().start();
        letKubeletLook();
        assertAsBefore(before);
    }

    @Test
    void noContainerIsStartedAgainWhenTheServerIsKilled() {
        placePods();
        Map<String, String> before = containers();
        for (int kill = 0; kill < 3; kill++) {
            live.portafilter().killAndStart();
            LockSupport.parkNanos(java.time.Duration.ofSeconds(2).toNanos());
        }
        letKubeletLook();
        assertAsBefore(before);
        // no line of the log is missing or doubled, as kubelet reads it
        StaticPod plain = node.kubelet().pod("plain");
        List<Integer> lines = node.kubelet()
                .text("/containerLogs/default/" + plain.name() + "/two")
                .lines()
                .map(Integer::parseInt)
                .toList();
        List<Integer> expected = new ArrayList<>();
        for (int i = 1; i <= lines.size(); i++) {
            expected.add(i);
        }
        assertThat(lines).isEqualTo(expected);
    }

    @Test
    void aContainerThatEndedWhileBothWereAwayIsStartedAgainOnce() {
        StaticPod pod = node.run("plain", """
                containers:
                - name: one
                  image: IMAGE
                  command: [sleep, "1000"]
                - name: two
                  image: IMAGE
                  command: [sh, -c, "until [ -e /signal/go ]; do sleep 0.1; done; rm /signal/go; exit 6"]
                  volumeMounts: [{name: signal, mountPath: /signal}]
                volumes:
                - name: signal
                  emptyDir: {}
                """);
        long one = node.pid(pod.container("one"));
        long two = node.pid(pod.container("two"));
        node.kubelet().stop();
        live.portafilter().kill();
        String _ = io.portafilter.e2e.Commands.run("touch", "/proc/" + two + "/root/signal/go")
                .orFail();
        io.portafilter.e2e.Await.until("it has ended", java.time.Duration.ofSeconds(20), () -> !Proc.isAlive(two));
        var _ = live.portafilter().start();
        var _ = node.kubelet().start();
        StaticPod again = node.awaitContainer("plain", "two", "runs again", c -> c.restarts() == 1 && c.running());
        assertThat(again.container("two").exitCode()).isEqualTo(6);
        assertThat(again.container("one").restarts()).isZero();
        assertThat(node.pid(again.container("one"))).isEqualTo(one);
    }

    @Test
    void aPodThatIsTakenAwayAndPutBackAtOnceRunsAnew() {
        // a static pod with a uid of its own, as its manifest may say: kubelet waits until the one before is gone
        String uid = "uid: 0b3d6a1e-4b5c-4f5e-9c3f-3d2a1b0c9d8e\n";
        String spec =
                "hostNetwork: true\nterminationGracePeriodSeconds: 2\n" + Node.IDLE.replace("IMAGE", node.image());
        node.kubelet().place("again", uid, spec);
        StaticPod before = node.awaitReady("again");
        node.kubelet().remove("again");
        io.portafilter.e2e.Await.until(
                "kubelet has seen that it is gone",
                java.time.Duration.ofMinutes(1),
                () -> !node.kubelet().pods().containsKey("again"));
        node.kubelet().place("again", uid, spec);
        StaticPod after = node.await(
                "again",
                "runs in another container",
                it -> it.is("Ready")
                        && !it.container("main")
                                .id()
                                .equals(before.container("main").id()));
        assertThat(after.uid()).isEqualTo(before.uid());
    }

    private static List<Long> pids(Map<String, String> containers) {
        return containers.values().stream()
                .map(text -> Long.parseLong(text.split(" ")[2]))
                .toList();
    }
}
