package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** no_new_privs, what privileged turns off and what it does not, and that an exec has all that its container has. */
class PrivilegeCasesTest {
    private static final int FIRST_HOST_ID = 2_293_760;
    private static final List<String> NAMESPACES = List.of("net", "uts", "ipc", "pid", "user", "mnt", "cgroup");

    @RegisterExtension
    static final Live live = Live.server();

    private record Case(String name, Consumer<PodFixture> pod, Consumer<ContainerFixture> asked) {}

    private static Container start(Case one, String image) {
        PodFixture pod = live.pod();
        one.pod().accept(pod);
        ContainerFixture container = pod.run().container(image).command("/bin/sleep", "1000");
        one.asked().accept(container);
        return container.start();
    }

    private static Consumer<ContainerFixture> security(Consumer<LinuxContainerSecurityContext.Builder> asked) {
        return container -> container.security(asked);
    }

    /** A setuid program makes another user root exactly where no_new_privs is off. */
    @TestFactory
    Stream<DynamicTest> noNewPrivsIsExactlyAsAskedForWhoeverRuns() {
        String image = live.attacker();
        return Stream.of(
                        new Case("root", pod -> {}, c -> {}),
                        new Case("a user", pod -> {}, c -> c.runAsUser(1000)),
                        new Case(
                                "a user with a filter",
                                pod -> {},
                                c -> c.runAsUser(1000).seccomp(ProfileType.RuntimeDefault)),
                        new Case(
                                "a user without capabilities",
                                pod -> {},
                                c -> c.runAsUser(1000).drop("ALL")),
                        new Case(
                                "a privileged user",
                                PodFixture::privileged,
                                c -> c.privileged().runAsUser(1000)),
                        new Case(
                                "a user in a user namespace",
                                pod -> pod.userNamespace(FIRST_HOST_ID),
                                c -> c.runAsUser(1000).seccomp(ProfileType.RuntimeDefault)),
                        new Case(
                                "a user among the pod's processes",
                                pod -> pod.pid(NamespaceMode.POD),
                                c -> c.runAsUser(1000)))
                .flatMap(one -> Stream.of(true, false)
                        .map(on -> DynamicTest.dynamicTest(one.name() + (on ? ", on" : ", off"), () -> {
                            Container container = start(
                                    new Case(
                                            one.name(),
                                            one.pod(),
                                            one.asked().andThen(security(s -> s.setNoNewPrivs(on)))),
                                    image);
                            assertThat(ProcessRights.ofFirst(container).noNewPrivs())
                                    .isEqualTo(on);
                            assertThat(ProcessRights.ofExec(container).noNewPrivs())
                                    .isEqualTo(on);
                            boolean root = one.name().equals("root");
                            assertThat(container.shell("/usr/bin/suid-perl -e 'print $>'"))
                                    .as("effective user of a setuid program")
                                    .isEqualTo(on && !root ? "1000" : "0");
                        })));
    }

    /** A program that becomes root by its setuid bit has no more than the bounding set. */
    @Test
    void aSetuidProgramGainsTheBoundingSetAndNoMore() {
        Container container = live.pod()
                .run()
                .container(live.attacker())
                .command("/bin/sleep", "1000")
                .runAsUser(1000)
                .drop("ALL")
                .add("CHOWN")
                .start();
        Map<String, String> status = Proc.parseStatus(container.shell("/usr/bin/suid-cat /proc/self/status"));
        ProcessRights rights = ProcessRights.of(status);
        assertThat(rights.uids()).isEqualTo(Set.of(0L, 1000L));
        assertThat(rights.effective()).containsExactly("CHOWN");
        assertThat(rights.bounding()).containsExactly("CHOWN");
    }

    /** One line for each thing that a container can do or has, in the words of the kernel. */
    private static Map<String, String> lookedAt(Container container) {
        Map<String, String> seen = new LinkedHashMap<>();
        for (Map.Entry<String, String> look : Map.of(
                        "masked", "ls -A /m/dir",
                        "read-only path", "touch /m/other/x 2>/dev/null && echo written || echo refused",
                        "sys", "grep -c ' /sys ro' /proc/self/mountinfo",
                        "root", "touch /x 2>/dev/null && echo written || echo refused",
                        "mounts", "mount -t tmpfs none /tmp 2>/dev/null && echo mounted || echo refused",
                        "host's disks", "ls /dev | grep -c -e loop-control -e kmsg",
                        "user", "id -u",
                        "host name", "[ $(hostname) = $(cat /etc/hostname) ] && echo the pod\\'s || echo another")
                .entrySet()) {
            seen.put(
                    look.getKey(),
                    container.exec("/bin/sh", "-c", look.getValue()).stdout().strip());
        }
        ProcessRights rights = ProcessRights.ofFirst(container);
        seen.put("filter", Integer.toString(rights.seccomp()));
        seen.put("no_new_privs", Boolean.toString(rights.noNewPrivs()));
        return seen;
    }

    private static String withPaths() {
        return live.image(TestImages.busyboxWith(new TarWriter()
                .directory("m")
                .directory("m/dir")
                .file("m/dir/inside", "secret\n")
                .directory("m/other")));
    }

    /** Privileged, asked for together with all that it turns off and all that it does not. */
    @Test
    void privilegedTurnsOffFilterMasksAndReadOnlyPathsAndNothingElse() {
        Consumer<ContainerFixture> all = c -> c.seccomp(ProfileType.RuntimeDefault)
                .security(s -> s.addMaskedPaths("/m/dir").addReadonlyPaths("/m/other"));
        Map<String, String> plain = lookedAt(start(new Case("plain", PodFixture::privileged, all), withPaths()));
        assertThat(plain)
                .containsEntry("masked", "")
                .containsEntry("read-only path", "refused")
                .containsEntry("mounts", "refused")
                .containsEntry("host's disks", "0")
                .containsEntry("filter", "2");
        assertThat(plain.get("sys")).isNotEqualTo("0");

        Map<String, String> privileged = lookedAt(start(
                new Case("privileged", PodFixture::privileged, all.andThen(ContainerFixture::privileged)),
                withPaths()));
        assertThat(privileged)
                .containsEntry("masked", "inside")
                .containsEntry("read-only path", "written")
                .containsEntry("mounts", "mounted")
                .containsEntry("sys", "0")
                .containsEntry("root", "written")
                .containsEntry("filter", "0")
                .containsEntry("user", "0")
                .containsEntry("no_new_privs", "false")
                .containsEntry("host name", "the pod's");

        Map<String, String> restricted = lookedAt(start(
                new Case(
                        "restricted",
                        PodFixture::privileged,
                        all.andThen(c ->
                                c.privileged().runAsUser(1000).noNewPrivs().security(s -> s.setReadonlyRootfs(true)))),
                withPaths()));
        assertThat(restricted)
                .containsEntry("root", "refused")
                .containsEntry("user", "1000")
                .containsEntry("mounts", "refused")
                .containsEntry("no_new_privs", "true")
                .containsEntry("masked", "inside")
                .containsEntry("filter", "0");
    }

    /** A privileged pod only permits: a container that does not ask has nothing of it. */
    @Test
    void aPrivilegedPodGivesAContainerThatDoesNotAskNothing() {
        Case nothing = new Case("", pod -> {}, c -> {});
        Case permitted = new Case("", PodFixture::privileged, c -> {});
        assertThat(lookedAt(start(permitted, withPaths()))).isEqualTo(lookedAt(start(nothing, withPaths())));
        assertThat(ProcessRights.ofFirst(start(permitted, withPaths())))
                .isEqualTo(ProcessRights.ofFirst(start(nothing, withPaths())));
    }

    private static List<Case> contexts() {
        return List.of(
                new Case("nothing", pod -> {}, c -> {}),
                new Case(
                        "a user",
                        pod -> {},
                        c -> c.runAsUser(1000)
                                .runAsGroup(7)
                                .security(s -> s.addAllSupplementalGroups(List.of(5L, 9L)))),
                new Case(
                        "ambient capabilities",
                        pod -> {},
                        c -> c.runAsUser(1000)
                                .security(
                                        s -> s.getCapabilitiesBuilder().addAddAmbientCapabilities("NET_BIND_SERVICE"))),
                new Case(
                        "as restricted as can be",
                        pod -> {},
                        c -> c.runAsUser(4242)
                                .drop("ALL")
                                .noNewPrivs()
                                .seccomp(ProfileType.RuntimeDefault)
                                .security(s -> s.setReadonlyRootfs(true).addMaskedPaths("/proc/keys"))),
                new Case("a filter", pod -> {}, c -> c.seccomp(ProfileType.RuntimeDefault)),
                new Case("privileged", PodFixture::privileged, ContainerFixture::privileged),
                new Case(
                        "a privileged user",
                        PodFixture::privileged,
                        c -> c.privileged().runAsUser(1000).noNewPrivs()),
                new Case(
                        "processes of the pod",
                        pod -> pod.pid(NamespaceMode.POD),
                        c -> c.seccomp(ProfileType.RuntimeDefault)),
                new Case("processes of the host", pod -> pod.pid(NamespaceMode.NODE), c -> c.runAsUser(1000)),
                new Case(
                        "a user namespace",
                        pod -> pod.userNamespace(FIRST_HOST_ID),
                        c -> c.seccomp(ProfileType.RuntimeDefault)),
                new Case(
                        "a user of a user namespace",
                        pod -> pod.userNamespace(FIRST_HOST_ID),
                        c -> c.runAsUser(1000).noNewPrivs().add("NET_ADMIN")),
                new Case("limits", pod -> {}, c -> c.memoryLimit(64 << 20).resources(r -> r.setOomScoreAdj(500))));
    }

    @TestFactory
    Stream<DynamicTest> anExecHasAllThatItsContainerHas() {
        return contexts().stream()
                .map(one -> DynamicTest.dynamicTest(one.name(), () -> {
                    Container container = start(one, live.busybox());
                    ProcessRights first = ProcessRights.ofFirst(container);
                    ProcessRights exec = ProcessRights.ofExec(container);
                    assertThat(exec.withoutIds()).isEqualTo(first.withoutIds());
                    if (!one.name().contains("user namespace")) {
                        assertThat(exec).isEqualTo(first);
                    }
                    Proc process = container.process();
                    List<String> own = container
                            .shell("for n in " + String.join(" ", NAMESPACES)
                                    + "; do readlink /proc/self/ns/$n; done; cat /proc/self/oom_score_adj"
                                    + " /proc/self/limits")
                            .lines()
                            .map(String::strip)
                            .toList();
                    for (String kind : NAMESPACES) {
                        assertThat(own).as(kind).contains(process.namespace(kind));
                    }
                    for (String file : List.of("oom_score_adj", "limits")) {
                        assertThat(own)
                                .as(file)
                                .containsAll(process.read(file)
                                        .lines()
                                        .map(String::strip)
                                        .toList());
                    }
                    assertThat(container.shell("readlink /proc/self/cwd; readlink /proc/self/root"))
                            .isEqualTo("/\n/");
                }));
    }
}
