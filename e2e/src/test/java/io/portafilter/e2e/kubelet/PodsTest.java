package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.e2e.Live;
import io.portafilter.e2e.Proc;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Pods of every shape, from manifests. The kernel is the judge of what they got. */
class PodsTest {
    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", Node::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live);

    private static Proc process(StaticPod pod, String container) {
        return new Proc(node.pid(pod.container(container)));
    }

    @Test
    void aPodRunsAndIsReadyAndKubeletReadsItsLog() {
        StaticPod pod = node.run("plain", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "echo first words; echo others >&2; exec sleep 1000"]
                """);
        assertThat(pod.container("main").restarts()).isZero();
        assertThat(Proc.isAlive(node.pid(pod.container("main")))).isTrue();
        assertThat(node.kubelet().text("/containerLogs/default/" + pod.name() + "/main"))
                .contains("first words\n", "others\n");
    }

    @Test
    void aRestrictedPodHasNoMoreThanItsManifestSays() {
        StaticPod pod = node.run("restricted", """
                securityContext:
                  runAsNonRoot: true
                  runAsUser: 1000
                  runAsGroup: 1001
                  fsGroup: 3000
                  supplementalGroups: [4000]
                  seccompProfile: {type: RuntimeDefault}
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                  securityContext:
                    allowPrivilegeEscalation: false
                    readOnlyRootFilesystem: true
                    capabilities: {drop: [ALL]}
                  volumeMounts: [{name: scratch, mountPath: /scratch}]
                volumes:
                - name: scratch
                  emptyDir: {}
                """);
        Proc process = process(pod, "main");
        Map<String, String> status = process.status();
        assertThat(status)
                .containsEntry("Uid", "1000 1000 1000 1000")
                .containsEntry("Gid", "1001 1001 1001 1001")
                .containsEntry("NoNewPrivs", "1")
                .containsEntry("Seccomp", "2");
        assertThat(status.getOrDefault("Groups", "").split(" ")).contains("3000", "4000");
        assertThat(process.capabilities("CapEff")).isEmpty();
        assertThat(process.capabilities("CapBnd")).isEmpty();
        assertThat(node.exec(
                        pod.container("main"),
                        "touch /scratch/mine && stat -c %g /scratch/mine; touch /no 2>/dev/null || echo refused"))
                .isEqualTo("3000\nrefused");
    }

    @Test
    void aPrivilegedPodHasTheHostsCapabilitiesAndDevices() {
        StaticPod pod = node.run("privileged", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                  securityContext: {privileged: true}
                """);
        assertThat(process(pod, "main").capabilities("CapEff"))
                .isEqualTo(new Proc(live.portafilter().pid()).capabilities("CapEff"));
        assertThat(node.exec(pod.container("main"), "ls -d /dev/kmsg /dev/fuse 2>/dev/null | head -n 1"))
                .isNotEmpty();
    }

    @Test
    void volumesAreSharedBetweenContainersAndEndWithThePod() throws IOException {
        Path host = live.directory("host");
        Files.writeString(host.resolve("file"), "of the host");
        StaticPod pod = node.run("volumes", """
                containers:
                - name: writer
                  image: IMAGE
                  command: [sh, -c, "echo shared > /disk/note; echo fast > /memory/note; exec sleep 1000"]
                  volumeMounts:
                  - {name: disk, mountPath: /disk}
                  - {name: memory, mountPath: /memory}
                  - {name: host, mountPath: /host}
                - name: reader
                  image: IMAGE
                  command: [sleep, "1000"]
                  env:
                  - name: POD
                    valueFrom: {fieldRef: {fieldPath: metadata.name}}
                  - name: LIMIT
                    valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}
                  resources: {limits: {memory: 32Mi}}
                  volumeMounts:
                  - {name: disk, mountPath: /disk, readOnly: true}
                  - {name: memory, mountPath: /memory/deep, subPath: ""}
                  - {name: disk, mountPath: /part, subPath: note}
                  - {name: file, mountPath: /one-file, readOnly: true}
                  - {name: about, mountPath: /about}
                volumes:
                - name: disk
                  emptyDir: {}
                - name: memory
                  emptyDir: {medium: Memory, sizeLimit: 1Mi}
                - name: host
                  hostPath: {path: HOST, type: Directory}
                - name: file
                  hostPath: {path: HOST/file, type: File}
                - name: about
                  downwardAPI:
                    items:
                    - path: name
                      fieldRef: {fieldPath: metadata.name}
                """.replace("HOST", host.toString()));
        StaticPod.ContainerView reader = pod.container("reader");
        assertThat(
                        node.exec(
                                reader,
                                "cat /disk/note /memory/deep/note /part /one-file; echo; cat /about/name; echo; echo $POD $LIMIT"))
                .isEqualTo("shared\nfast\nshared\nof the host\n%1$s\n%1$s 32".formatted(pod.name()));
        assertThat(node.exec(reader, "touch /disk/x 2>&1 || true")).contains("Read-only file system");
        assertThat(node.exec(reader, "stat -f -c %T /memory/deep")).isEqualTo("tmpfs");
        assertThat(node.exec(pod.container("writer"), "echo back > /host/answer; cat /host/file"))
                .isEqualTo("of the host");
        assertThat(host.resolve("answer")).hasContent("back\n");

        Path directory = node.kubelet().directory().resolve("root/pods").resolve(pod.uid());
        assertThat(directory).exists();
        node.kubelet().remove("volumes");
        io.portafilter.e2e.Await.until(
                "kubelet has taken the pod's volumes away",
                java.time.Duration.ofSeconds(90),
                () -> !Files.exists(directory));
    }

    @Test
    void resourcesAreThoseOfTheManifestAndKubeletsCgroupsLieAbove() throws IOException {
        StaticPod pod = node.run("sized", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                  resources:
                    requests: {cpu: 100m, memory: 32Mi}
                    limits: {cpu: 500m, memory: 64Mi}
                """);
        Proc process = process(pod, "main");
        Path memory = process.cgroup("memory").orElseThrow();
        assertThat(memory.toString())
                .contains(live.portafilter().cgroupParent() + "/kubepods/burstable/pod" + pod.uid() + "/")
                .endsWith(pod.container("main").id());
        boolean unified = Files.exists(memory.resolve("memory.max"));
        assertThat(Files.readString(memory.resolve(unified ? "memory.max" : "memory.limit_in_bytes"))
                        .strip())
                .isEqualTo(Long.toString(64L << 20));
        Path cpu = process.cgroup("cpu").orElseThrow();
        assertThat(Files.readString(cpu.resolve(unified ? "cpu.max" : "cpu.cfs_quota_us")))
                .startsWith("50000");
        Path pods = cpu.resolveSibling(".").normalize();
        assertThat(Files.readString(pods.resolve(unified ? "cpu.max" : "cpu.cfs_quota_us")))
                .startsWith("50000");
        assertThat(pod.status().get("qosClass").getAsString()).isEqualTo("Burstable");
    }

    @Test
    void aGuaranteedPodRunsAndOneThatUsesTooMuchMemoryIsToldToBeOutOfIt() {
        node.place("guaranteed", """
                restartPolicy: Never
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "dd if=/dev/zero of=/dev/null bs=96M count=1; sleep 1000"]
                  resources:
                    limits: {cpu: 500m, memory: 32Mi}
                """);
        StaticPod pod = node.awaitContainer(
                "guaranteed",
                "main",
                "goes on after its greedy program",
                main -> main.running() || main.terminated().isPresent());
        assertThat(pod.status().get("qosClass").getAsString()).isEqualTo("Guaranteed");
        node.kubelet().remove("guaranteed");

        node.place("greedy", """
                restartPolicy: Never
                containers:
                - name: main
                  image: IMAGE
                  command: [dd, if=/dev/zero, of=/dev/null, bs=96M, count=1]
                  resources:
                    limits: {cpu: 500m, memory: 32Mi}
                """);
        StaticPod greedy = node.awaitPhase("greedy", "Failed");
        assertThat(greedy.container("main")
                        .terminated()
                        .orElseThrow()
                        .get("reason")
                        .getAsString())
                .isEqualTo("OOMKilled");
        assertThat(greedy.container("main").exitCode()).isEqualTo(137);
    }

    @Test
    void namespacesAreSharedAsTheManifestSays() {
        node.place("shared", """
                shareProcessNamespace: true
                securityContext:
                  sysctls: [{name: kernel.shm_rmid_forced, value: "1"}]
                containers:
                - name: one
                  image: IMAGE
                  command: [sleep, "1000"]
                - name: two
                  image: IMAGE
                  command: [sleep, "2000"]
                """);
        node.place("hosts", """
                hostPID: true
                hostIPC: true
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep, "1000"]
                """);
        StaticPod shared = node.awaitReady("shared");
        assertThat(node.exec(shared.container("one"), "ps -o args")).contains("sleep 2000");
        assertThat(node.exec(shared.container("one"), "cat /proc/sys/kernel/shm_rmid_forced"))
                .isEqualTo("1");
        StaticPod hosts = node.awaitReady("hosts");
        Proc process = process(hosts, "main");
        Proc self = new Proc(ProcessHandle.current().pid());
        assertThat(process.namespace("pid")).isEqualTo(self.namespace("pid"));
        assertThat(process.namespace("ipc")).isEqualTo(self.namespace("ipc"));
        assertThat(process(shared, "one").namespace("ipc")).isNotEqualTo(self.namespace("ipc"));
    }

    @Test
    void rootInAPodWithAUserNamespaceIsNobodyOnTheHost() {
        StaticPod pod = node.run("userns", """
                hostUsers: false
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "touch /volume/file; exec sleep 1000"]
                  volumeMounts: [{name: volume, mountPath: /volume}]
                volumes:
                - name: volume
                  emptyDir: {}
                """);
        Proc process = process(pod, "main");
        long uid = Long.parseLong(process.status().getOrDefault("Uid", "").split(" ")[0]);
        assertThat(uid).isGreaterThanOrEqualTo(65536);
        assertThat(process.read("uid_map").strip().split("\\s+")).containsExactly("0", Long.toString(uid), "65536");
        assertThat(node.exec(pod.container("main"), "id -u; stat -c %u /volume/file"))
                .isEqualTo("0\n0");
        assertThat(process.namespace("user"))
                .isNotEqualTo(new Proc(ProcessHandle.current().pid()).namespace("user"));
    }

    @Test
    void namesAndResolversAreThoseOfTheManifest() {
        StaticPod pod = node.run("named", """
                dnsPolicy: None
                dnsConfig:
                  nameservers: [192.0.2.53]
                  searches: [example.test]
                  options: [{name: ndots, value: "3"}]
                hostAliases:
                - ip: 192.0.2.7
                  hostnames: [friend.example.test]
                containers:
                - name: main
                  image: IMAGE
                  command: [sleep]
                  args: ["$(SECONDS_TO_SLEEP)"]
                  workingDir: /made/for/me
                  env: [{name: SECONDS_TO_SLEEP, value: "1234"}]
                """);
        StaticPod.ContainerView main = pod.container("main");
        assertThat(node.exec(main, "cat /etc/resolv.conf"))
                .contains("nameserver 192.0.2.53", "search example.test", "options ndots:3");
        assertThat(node.exec(main, "cat /etc/hosts")).contains("192.0.2.7\tfriend.example.test");
        assertThat(node.exec(main, "pwd")).isEqualTo("/made/for/me");
        assertThat(Proc.commandLine(node.pid(main))).isEqualTo("sleep 1234");
    }

    @Test
    void hooksRunAndTheLastMessageIsTold() {
        Path directory = live.directory("hooks");
        node.place("hooked", """
                restartPolicy: Never
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "trap 'echo gone > /dev/termination-log; exit 5' TERM; while :; do sleep 0.1; done"]
                  lifecycle:
                    postStart: {exec: {command: [touch, /signal/started]}}
                    preStop: {exec: {command: [touch, /signal/stopping]}}
                  volumeMounts: [{name: signal, mountPath: /signal}]
                - name: message
                  image: IMAGE
                  command: [sh, -c, "echo last words > /dev/termination-log; exit 3"]
                volumes:
                - name: signal
                  hostPath: {path: DIRECTORY}
                """.replace("DIRECTORY", directory.toString()));
        StaticPod pod = node.awaitContainer(
                "hooked",
                "message",
                "has told its message",
                it -> it.terminated().isPresent());
        assertThat(pod.container("message")
                        .terminated()
                        .orElseThrow()
                        .get("message")
                        .getAsString())
                .isEqualTo("last words\n");
        assertThat(pod.container("message").exitCode()).isEqualTo(3);
        io.portafilter.e2e.Await.until(
                "the hook after the start has run",
                java.time.Duration.ofSeconds(30),
                () -> Files.exists(directory.resolve("started")));
        assertThat(directory.resolve("stopping")).doesNotExist();
        node.kubelet().remove("hooked");
        io.portafilter.e2e.Await.until(
                "the hook before the stop has run",
                java.time.Duration.ofMinutes(1),
                () -> Files.exists(directory.resolve("stopping")));
    }
}
