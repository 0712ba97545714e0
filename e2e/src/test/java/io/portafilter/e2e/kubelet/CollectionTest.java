package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.e2e.Await;
import io.portafilter.e2e.Host;
import io.portafilter.e2e.Live;
import io.portafilter.e2e.TestImages;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What kubelet's garbage collection removes is gone. */
class CollectionTest {
    /** It looks for dead containers each minute. */
    private static final Duration COLLECTION = Duration.ofSeconds(200);

    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", Node::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live);

    @Test
    void nothingIsLeftOfPodsWhoseManifestsWereRemoved() {
        String image = node.image();
        // what the server and kubelet keep once they have run a pod
        StaticPod _ = node.idle("before");
        node.kubelet().remove("before");
        awaitCollection();
        Host before = live.host();

        node.place("running", """
                hostUsers: false
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                  volumeMounts: [{name: memory, mountPath: /memory}]
                volumes:
                - name: memory
                  emptyDir: {medium: Memory}
                """);
        node.place("ended", """
                restartPolicy: Never
                containers:
                - {name: main, image: IMAGE, command: ["true"]}
                """);
        node.place("restarting", """
                containers:
                - {name: main, image: IMAGE, command: ["false"]}
                """);
        StaticPod _ = node.awaitReady("running");
        StaticPod _ = node.awaitPhase("ended", "Succeeded");
        StaticPod _ = node.awaitContainer("restarting", "main", "was started again", c -> c.restarts() > 0);
        List.of("running", "ended", "restarting").forEach(node.kubelet()::remove);
        awaitCollection();
        live.awaitAsBefore(before);
        assertThat(live.cri().imageStatus(image).getId()).isNotEmpty();
    }

    private static void awaitCollection() {
        Await.until(
                "kubelet has collected all pods and containers",
                COLLECTION,
                () -> live.cri().pods().isEmpty() && live.cri().containers().isEmpty());
        Await.until("kubelet has removed their logs, volumes and cgroups", COLLECTION, () -> {
            try (var logs = Files.list(node.kubelet().podLogs());
                    var pods = Files.list(node.kubelet().directory().resolve("root/pods"))) {
                return logs.findAny().isEmpty()
                        && pods.findAny().isEmpty()
                        && Host.cgroupDirectories(live.portafilter().cgroupParent()).stream()
                                .noneMatch(path -> path.getFileName().toString().startsWith("pod"));
            }
        });
    }

    @Test
    void ofTheDeadContainersOfARunningPodTheLastOneIsKept() {
        node.place("restarting", """
                containers:
                - {name: ends, image: IMAGE, command: [sh, -c, "exit 2"]}
                - {name: stays, image: IMAGE, command: [sleep, "1000"]}
                """);
        StaticPod pod = node.awaitContainer("restarting", "ends", "was started again", c -> c.restarts() >= 3);
        Await.until(
                "the dead but one are removed",
                COLLECTION,
                () -> live.cri().containers().stream()
                                .filter(it -> it.getMetadata().getName().equals("ends"))
                                .count()
                        <= 2);
        assertThat(node.kubelet().pod("restarting").container("stays").id())
                .isEqualTo(pod.container("stays").id());
    }

    @Test
    void unusedImagesAreRemovedAndUsedOnesStay() {
        String used = node.image();
        String unused = live.registry()
                .push(
                        "unused",
                        "1",
                        TestImages.busyboxWith(new io.portafilter.e2e.TarWriter().file("more", "than busybox")));
        var _ = live.cri().pull(unused);
        StaticPod pod = node.idle("user");

        // It collects images when it starts, if more of the disk is used than it is told to bear.
        node.kubelet().stop();
        node.kubelet().configure("imageGCLowThresholdPercent: 0\nimageMinimumGCAge: 1s\n", 1);
        var _ = node.kubelet().start();
        try {
            Await.until(
                    "the unused image is gone",
                    Duration.ofMinutes(7),
                    () -> live.cri().imageStatus(unused).getId().isEmpty());
            assertThat(live.cri().imageStatus(used).getId()).isNotEmpty();
            assertThat(node.awaitReady("user").container("main").id())
                    .isEqualTo(pod.container("main").id());
        } finally {
            node.kubelet().stop();
            node.kubelet().configure("", 100);
            var _ = node.kubelet().start();
        }
    }
}
