package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.e2e.Live;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Liveness, readiness and startup probes, by exec, HTTP and TCP. */
class ProbesTest {
    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", Node::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live);

    @Test
    void aContainerThatIsNotAliveByExecIsStartedAgain() {
        StaticPod pod = node.run("liveness-exec", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "touch /tmp/alive; exec sleep 1000"]
                  livenessProbe:
                    exec: {command: [cat, /tmp/alive]}
                    periodSeconds: 1
                    failureThreshold: 2
                    timeoutSeconds: 10
                """);
        String _ = node.exec(pod.container("main"), "rm /tmp/alive");
        StaticPod again = node.await(
                "liveness-exec",
                "runs again",
                it -> it.container("main").restarts() == 1
                        && it.container("main").running());
        assertThat(again.container("main").id())
                .isNotEqualTo(pod.container("main").id());
        // alone among the containers of its pod, and the pod is the same
        assertThat(again.uid()).isEqualTo(pod.uid());
    }

    @Test
    void aProbeThatHangsCountsAsFailed() {
        node.place("liveness-hangs", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "exec sleep 1000"]
                  livenessProbe:
                    exec: {command: [sh, -c, "sleep 4321"]}
                    periodSeconds: 1
                    failureThreshold: 1
                    timeoutSeconds: 1
                """);
        StaticPod pod = node.await(
                "liveness-hangs",
                "was started again",
                it -> it.find("main").isPresent() && it.container("main").restarts() >= 1);
        StaticPod.ContainerView main = pod.container("main");
        if (main.running()) {
            assertThat(node.exec(main, "ps -o args | grep -c '[s]leep 1000'")).isEqualTo("1");
        }
    }

    @Test
    void aContainerIsReadyAsItsAnswersByHttpAndTcpAre() {
        int port = Kubelet.freePort();
        StaticPod pod = node.run("readiness", """
                containers:
                - name: http
                  image: IMAGE
                  command: [sh, -c, "mkdir /www; touch /www/ready /www/alive; exec httpd -f -p 127.0.0.1:PORT -h /www"]
                  readinessProbe:
                    httpGet: {host: 127.0.0.1, port: PORT, path: /ready}
                    periodSeconds: 1
                    failureThreshold: 1
                    timeoutSeconds: 10
                  livenessProbe:
                    httpGet: {host: 127.0.0.1, port: PORT, path: /alive}
                    periodSeconds: 1
                    failureThreshold: 2
                    timeoutSeconds: 10
                - name: tcp
                  image: IMAGE
                  command: [sleep, "1000"]
                  readinessProbe:
                    tcpSocket: {host: 127.0.0.1, port: PORT}
                    periodSeconds: 1
                    failureThreshold: 1
                    timeoutSeconds: 10
                """.replace("PORT", Integer.toString(port)));

        String _ = node.exec(pod.container("http"), "rm /www/ready");
        StaticPod notReady = node.await("readiness", "is not ready", it -> !it.is("Ready"));
        assertThat(notReady.container("http").ready()).isFalse();
        assertThat(notReady.container("http").restarts()).isZero();
        String _ = node.exec(pod.container("http"), "touch /www/ready");
        StaticPod _ = node.awaitReady("readiness");

        // not alive any more: started again, ready again
        String _ = node.exec(pod.container("http"), "rm /www/alive");
        StaticPod again = node.await(
                "readiness", "was started again", it -> it.container("http").restarts() == 1 && it.is("Ready"));
        assertThat(again.container("tcp").restarts()).isZero();
    }

    @Test
    void otherProbesWaitForTheStartup() {
        node.place("startup", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "exec sleep 1000"]
                  startupProbe:
                    exec: {command: [cat, /tmp/up]}
                    periodSeconds: 1
                    failureThreshold: 600
                    timeoutSeconds: 10
                  livenessProbe:
                    exec: {command: [cat, /tmp/up]}
                    periodSeconds: 1
                    failureThreshold: 1
                    timeoutSeconds: 10
                """);
        StaticPod pod = node.awaitContainer("startup", "main", "runs", main -> main.running());
        assertThat(pod.is("Ready")).isFalse();
        assertThat(pod.container("main").json().get("started").getAsBoolean()).isFalse();
        String _ = node.exec(pod.container("main"), "touch /tmp/up");
        StaticPod ready = node.awaitReady("startup");
        assertThat(ready.container("main").restarts()).isZero();
        assertThat(ready.container("main").json().get("started").getAsBoolean()).isTrue();
    }
}
