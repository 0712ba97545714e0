package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import io.portafilter.e2e.Live;
import java.time.Instant;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Init containers, sidecars, what is started again and what is not. */
class OrderTest {
    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", Node::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live);

    @Test
    void initContainersRunOneAfterTheOtherAndBeforeTheOthers() {
        StaticPod pod = node.run("init", """
                initContainers:
                - name: first
                  image: IMAGE
                  command: [sh, -c, "echo first >> /shared/order"]
                  volumeMounts: [{name: shared, mountPath: /shared}]
                - name: second
                  image: IMAGE
                  command: [sh, -c, "echo second >> /shared/order"]
                  volumeMounts: [{name: shared, mountPath: /shared}]
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "echo main >> /shared/order; exec sleep 1000"]
                  volumeMounts: [{name: shared, mountPath: /shared}]
                volumes:
                - name: shared
                  emptyDir: {}
                """);
        assertThat(pod.is("Initialized")).isTrue();
        assertThat(node.exec(pod.container("main"), "cat /shared/order")).isEqualTo("first\nsecond\nmain");
        assertThat(pod.container("first").exitCode()).isZero();
        assertThat(finished(pod, "first")).isBeforeOrEqualTo(finished(pod, "second"));
    }

    private static Instant finished(StaticPod pod, String container) {
        JsonObject end = pod.container(container).terminated().orElseThrow();
        return Instant.parse(end.get("finishedAt").getAsString());
    }

    @Test
    void anInitContainerThatFailsIsTriedAgainAndKeepsTheOthersWaiting() {
        StaticPod pod = node.run("init-fails", """
                initContainers:
                - name: fails
                  image: IMAGE
                  command: [sh, -c, "[ -e /shared/tried ] || { touch /shared/tried; exit 9; }"]
                  volumeMounts: [{name: shared, mountPath: /shared}]
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                volumes:
                - name: shared
                  emptyDir: {}
                """);
        assertThat(pod.container("fails").restarts()).isEqualTo(1);
        node.kubelet().remove("init-fails");

        node.place("init-never", """
                restartPolicy: Never
                initContainers:
                - name: fails
                  image: IMAGE
                  command: [sh, -c, "exit 9"]
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                """);
        StaticPod never = node.awaitPhase("init-never", "Failed");
        assertThat(never.container("fails").exitCode()).isEqualTo(9);
        assertThat(never.container("main").waiting()).isEqualTo("PodInitializing");
    }

    @Test
    void aSidecarRunsBeforeAndBesideTheOthersAndEndsAfterThem() {
        java.nio.file.Path directory = live.directory("sidecar");
        StaticPod pod = node.run("sidecar", """
                restartPolicy: Never
                initContainers:
                - name: sidecar
                  image: IMAGE
                  restartPolicy: Always
                  command:
                  - sh
                  - -c
                  - "trap 'echo sidecar-ends >> /signal/order; exit 0' TERM; echo sidecar >> /signal/order; touch /tmp/up; while :; do sleep 0.1; done"
                  startupProbe: {exec: {command: [cat, /tmp/up]}, periodSeconds: 1, failureThreshold: 100, timeoutSeconds: 10}
                  volumeMounts: [{name: signal, mountPath: /signal}]
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "echo main >> /signal/order; until [ -e /signal/go ]; do sleep 0.1; done; echo main-ends >> /signal/order"]
                  volumeMounts: [{name: signal, mountPath: /signal}]
                volumes:
                - name: signal
                  hostPath: {path: DIRECTORY}
                """.replace("DIRECTORY", directory.toString()));
        assertThat(pod.container("sidecar").running()).isTrue();
        assertThat(node.exec(pod.container("main"), "touch /signal/go; echo done"))
                .isEqualTo("done");
        StaticPod ended = node.awaitPhase("sidecar", "Succeeded");
        assertThat(ended.container("sidecar").running()).isFalse();
        assertThat(directory.resolve("order")).hasContent("sidecar\nmain\nmain-ends\nsidecar-ends\n");
    }

    @Test
    void aContainerThatEndsIsStartedAgainAsThePolicySays() {
        node.place("always", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "exit 4"]
                """);
        node.place("on-failure", """
                restartPolicy: OnFailure
                containers:
                - name: good
                  image: IMAGE
                  command: [sh, -c, "exit 0"]
                - name: bad
                  image: IMAGE
                  command: [sh, -c, "[ -e /shared/tried ] || { touch /shared/tried; exit 9; }"]
                  volumeMounts: [{name: shared, mountPath: /shared}]
                volumes:
                - name: shared
                  emptyDir: {}
                """);
        node.place("never", """
                restartPolicy: Never
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "exit 7"]
                """);
        StaticPod never = node.awaitPhase("never", "Failed");
        assertThat(never.container("main").exitCode()).isEqualTo(7);
        StaticPod onFailure = node.awaitPhase("on-failure", "Succeeded");
        assertThat(onFailure.container("bad").restarts()).isEqualTo(1);
        assertThat(onFailure.container("good").restarts()).isZero();
        StaticPod always = node.awaitContainer(
                "always",
                "main",
                "waits before it is tried again",
                main -> main.waiting().equals("CrashLoopBackOff") && main.restarts() >= 2);
        assertThat(always.container("main").exitCode()).isEqualTo(4);
        // the log of the run before the last is kept
        assertThat(live.cri().containers().stream()
                        .filter(it -> it.getLabelsOrDefault("io.kubernetes.pod.uid", "")
                                .equals(always.uid())))
                .isNotEmpty();
    }

    @Test
    void aProgramThatIsNotThereIsToldToThePerson() {
        node.place("missing", """
                containers:
                - name: main
                  image: IMAGE
                  command: [/no/such/program]
                """);
        StaticPod pod = node.awaitContainer(
                "missing", "main", "tells why", it -> it.terminated().isPresent());
        JsonObject end = pod.container("main").terminated().orElseThrow();
        assertThat(end.get("reason").getAsString()).isEqualTo("StartError");
        assertThat(end.get("exitCode").getAsInt()).isEqualTo(128);
        assertThat(end.get("message").getAsString()).contains("/no/such/program");
    }
}
