package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Profiles that a kernel enforces: in the machine of {@code e2e/vm}, for it loads profiles and removes them again. */
@Tag("vm")
class AppArmorTest {

    @RegisterExtension
    static final Live live = Live.server();

    private static final Path POLICY = Path.of("/sys/kernel/security/apparmor");
    private static final String DEFAULT = "portafilter-default";
    private static final String NO_WRITES = "pf-e2e-no-writes";
    private static final String DEAF = "pf-e2e-deaf";
    private static final int FIRST_HOST_ID = 3_276_800;

    @BeforeAll
    static void isOn() throws IOException {
        assumeTrue(Boolean.getBoolean("portafilter.vm"), "loads profiles into this machine's kernel: only in e2e/vm");
        assumeTrue(Files.isReadable(POLICY.resolve("profiles")), "the kernel has no AppArmor");
    }

    /** Each test finds them, whatever the one before did to them. */
    @BeforeEach
    void loadProfiles() throws IOException {
        String all = "file, capability, network, unix, mount, umount, ptrace,";
        load(NO_WRITES, all + " signal, deny /** w,");
        load(DEAF, all);
    }

    private static void load(String name, String rules) throws IOException {
        Path file = Files.createTempFile(name, "");
        Files.writeString(
                file, "profile " + name + " flags=(attach_disconnected, mediate_deleted) { " + rules + " }\n");
        var _ = Commands.run("/usr/sbin/apparmor_parser", "--replace", "--skip-cache", file.toString())
                .orFail();
        Files.delete(file);
    }

    private static void unload(String name) throws IOException {
        Files.write(POLICY.resolve(".remove"), name.getBytes(StandardCharsets.UTF_8), StandardOpenOption.WRITE);
        assertThat(POLICY.resolve("profiles")).content().doesNotContain(name + " (");
    }

    private static SecurityProfile profile(ProfileType type) {
        return SecurityProfile.newBuilder().setProfileType(type).build();
    }

    private static SecurityProfile localhost(String name) {
        return SecurityProfile.newBuilder()
                .setProfileType(ProfileType.Localhost)
                .setLocalhostRef(name)
                .build();
    }

    private static ContainerFixture idle(Pod pod, SecurityProfile profile) {
        return pod.container(live.busybox()).idle().security(s -> s.setApparmor(profile));
    }

    private static Container running(SecurityProfile profile) {
        return idle(live.pod().run(), profile).start();
    }

    private static String label(Container container) {
        return container.process().read("attr/apparmor/current").strip();
    }

    private static String labelOfExec(Container container) {
        return container.shell("cat /proc/self/attr/apparmor/current");
    }

    private static void assertLabel(Container container, String label) {
        assertThat(label(container)).isEqualTo(label);
        assertThat(labelOfExec(container)).isEqualTo(label);
    }

    private static Container.Output attempt(Container container, String script) {
        return container.exec("/bin/sh", "-c", script);
    }

    private static void assertDenied(Container container, String script) {
        Container.Output output = attempt(container, script);
        assertThat(output.exitCode()).as(script + ": " + output).isNotZero();
        assertThat(output.stderr()).as(script).containsIgnoringCase("permission denied");
    }

    private static void assertAllowed(Container container, String script) {
        Container.Output output = attempt(container, script);
        assertThat(output.exitCode()).as(script + ": " + output).isZero();
    }

    // ---- which profile

    @Test
    void aContainerThatAsksForNothingHasTheDefaultProfile() {
        assertLabel(live.pod().run().container(live.busybox()).idle().start(), DEFAULT + " (enforce)");
    }

    @Test
    @SuppressWarnings("deprecation") // an older kubelet still sends the second spelling
    void runtimeDefaultIsTheDefaultProfileInBothSpellings() {
        assertLabel(running(profile(ProfileType.RuntimeDefault)), DEFAULT + " (enforce)");
        Pod pod = live.pod().run();
        assertLabel(
                pod.container(live.busybox())
                        .idle()
                        .security(s -> s.setApparmorProfile("runtime/default"))
                        .start(),
                DEFAULT + " (enforce)");
        assertLabel(
                pod.container(live.busybox())
                        .idle()
                        .security(s -> s.setApparmorProfile("localhost/" + NO_WRITES))
                        .start(),
                NO_WRITES + " (enforce)");
        assertLabel(
                pod.container(live.busybox())
                        .idle()
                        .security(s -> s.setApparmorProfile("localhost/" + NO_WRITES)
                                .setApparmor(profile(ProfileType.Unconfined)))
                        .start(),
                "unconfined");
    }

    @Test
    void aPrivilegedContainerHasNoProfileButOneThatItNames() {
        Pod pod = live.pod().privileged().run();
        assertLabel(pod.container(live.busybox()).idle().privileged().start(), "unconfined");
        assertLabel(idle(pod, profile(ProfileType.RuntimeDefault)).privileged().start(), "unconfined");
        Container named = idle(pod, localhost(NO_WRITES)).privileged().start();
        assertLabel(named, NO_WRITES + " (enforce)");
        assertDenied(named, "echo x > /tmp/file");
    }

    @Test
    void theLabelDoesNotDependOnHowTheProgramIsLaunched() {
        Pod pod = live.pod().run();
        for (NamespaceMode pids : new NamespaceMode[] {NamespaceMode.CONTAINER, NamespaceMode.POD}) {
            assertLabel(idle(pod, localhost(NO_WRITES)).pid(pids).start(), NO_WRITES + " (enforce)");
            assertLabel(
                    idle(pod, localhost(NO_WRITES))
                            .pid(pids)
                            .noNewPrivs()
                            .runAsUser(1000)
                            .start(),
                    NO_WRITES + " (enforce)");
            assertLabel(
                    idle(pod, profile(ProfileType.RuntimeDefault))
                            .pid(pids)
                            .noNewPrivs()
                            .seccomp(ProfileType.RuntimeDefault)
                            .start(),
                    DEFAULT + " (enforce)");
            assertLabel(
                    idle(pod, profile(ProfileType.RuntimeDefault))
                            .pid(pids)
                            .runAsUser(1000)
                            .seccomp(ProfileType.RuntimeDefault)
                            .start(),
                    DEFAULT + " (enforce)");
        }
    }

    @Test
    void aPodWithAUserNamespaceIsConfinedToo() {
        Pod pod = live.pod().userNamespace(FIRST_HOST_ID).run();
        Container container = idle(pod, localhost(NO_WRITES)).start();
        assertLabel(container, NO_WRITES + " (enforce)");
        assertDenied(container, "echo x > /tmp/file");
        assertLabel(
                idle(pod, profile(ProfileType.RuntimeDefault))
                        .pid(NamespaceMode.CONTAINER)
                        .noNewPrivs()
                        .start(),
                DEFAULT + " (enforce)");
    }

    /** What a host can give is found out when a server starts; what a container has been given stays. */
    @Test
    void anExecIsConfinedWhenALaterServerCannotGiveTheProfileAnyMore() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        var _ = Commands.run("mount", "-t", "tmpfs", "none", POLICY.toString()).orFail();
        try {
            live.portafilter().killAndStart();
            assertThat(labelOfExec(container)).isEqualTo(DEFAULT + " (enforce)");
            Commands.Outcome audit = audit();
            assertThat(audit.status()).as(audit.stdout()).isZero();
        } finally {
            var _ = Commands.run("umount", POLICY.toString()).orFail();
            live.portafilter().killAndStart();
        }
    }

    // ---- what it does

    @Test
    void aProfileOfTheNodesBlocksWrites() {
        Container confined = running(localhost(NO_WRITES));
        assertDenied(confined, "echo x > /tmp/file");
        assertDenied(confined, "mkdir /directory");
        assertAllowed(confined, "cat /etc/passwd");
        assertAllowed(running(profile(ProfileType.Unconfined)), "echo x > /tmp/file && mkdir /directory");
    }

    /** Nothing is changed where it may be: each file is written what it holds. */
    @Test
    void theDefaultProfileRefusesWhatNothingElseRefuses() {
        Pod pod = live.pod().run();
        Container confined = idle(pod, profile(ProfileType.RuntimeDefault))
                .add("SYS_ADMIN", "NET_ADMIN")
                .start();
        Container control =
                idle(pod, profile(ProfileType.Unconfined)).add("SYS_ADMIN").start();
        for (String script : new String[] {
            "mount -t tmpfs none /mnt",
            "v=$(cat /proc/sys/kernel/panic) && echo $v > /proc/sys/kernel/panic",
            "v=$(cat /proc/sys/vm/swappiness) && echo $v > /proc/sys/vm/swappiness",
            "v=$(cat /proc/sys/kernel/core_pattern) && echo \"$v\" > /proc/sys/kernel/core_pattern",
            ": > /proc/sysrq-trigger",
            "ls /sys/firmware/acpi/",
        }) {
            assertAllowed(control, "mkdir -p /mnt; " + script);
            assertDenied(confined, "mkdir -p /mnt; " + script);
        }
        for (String script : new String[] {
            "v=$(cat /proc/sys/kernel/shmmax) && echo $v > /proc/sys/kernel/shmmax",
            "v=$(cat /proc/sys/net/ipv4/ip_forward) && echo $v > /proc/sys/net/ipv4/ip_forward",
            "echo name > /proc/self/comm",
            "echo x > /tmp/file && cat /tmp/file && rm /tmp/file",
            "echo x > /dev/shm/file && echo x > /dev/null",
            "cat /proc/1/status > /dev/null",
        }) {
            assertAllowed(confined, script);
        }
    }

    @Test
    void containersWithTheDefaultProfileSignalOneAnotherAndNobodyElse() {
        Pod pod = live.pod().run();
        Container first = idle(pod, profile(ProfileType.RuntimeDefault))
                .pid(NamespaceMode.POD)
                .start();
        Container second = idle(pod, profile(ProfileType.RuntimeDefault))
                .pid(NamespaceMode.POD)
                .start();
        Container other = idle(pod, profile(ProfileType.Unconfined))
                .pid(NamespaceMode.POD)
                .start();
        assertAllowed(first, "kill -CONT " + inPod(second));
        assertDenied(first, "kill -CONT " + inPod(other));
        assertAllowed(other, "kill -CONT " + inPod(first));
        assertDenied(first, "cat /proc/" + inPod(other) + "/environ");
    }

    /** Its number in the pod's PID namespace. */
    private static String inPod(Container container) {
        String[] numbers =
                Proc.required(container.process().status(), "NSpid").strip().split("\\s+");
        return numbers[numbers.length - 1];
    }

    // ---- its end

    @Test
    void aConfinedContainerGetsItsStopSignal() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("trap 'exit 7' TERM; while :; do sleep 1; done")
                .pid(NamespaceMode.CONTAINER)
                .start();
        container.awaitHandlerOf(15);
        container.stop(Duration.ofSeconds(30));
        assertThat(container.status().getExitCode()).isEqualTo(7);
        Container killed = running(profile(ProfileType.RuntimeDefault));
        killed.stop(Duration.ZERO);
        assertThat(killed.status().getExitCode()).isEqualTo(137);
    }

    @Test
    void aContainerWhoseProfileTakesNoSignalsIsStoppedAllTheSame() {
        Container deaf = running(localhost(DEAF));
        deaf.stop(Duration.ofSeconds(1));
        assertThat(deaf.status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        assertThat(deaf.status().getExitCode()).isEqualTo(137);
    }

    // ---- what is refused

    @Test
    void aProfileThatIsNotLoadedIsRefused() {
        Pod pod = live.pod().run();
        for (String name : new String[] {"pf-e2e-none", "unconfined", NO_WRITES + "//&" + DEAF, "pf-e2e-no"}) {
            assertThat(Refusal.of(idle(pod, localhost(name))::create).message())
                    .contains("\"" + name + "\" is not loaded on this node");
        }
        assertThat(Refusal.of(idle(
                                pod,
                                SecurityProfile.newBuilder()
                                        .setProfileType(ProfileType.Localhost)
                                        .build())::create)
                        .message())
                .contains("apparmor.localhost_ref");
    }

    @Test
    void aProfileThatIsRemovedBeforeTheStartFailsIt() throws IOException {
        Pod pod = live.pod().run();
        Container container = idle(pod, localhost(DEAF)).create();
        unload(DEAF);
        assertThat(Refusal.of(container::start).message()).contains("AppArmor").contains(DEAF);
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        assertThat(container.status().getReason()).isEqualTo("StartError");
    }

    @Test
    void aProfileThatIsRemovedFailsAnExec() throws IOException {
        Container container = running(localhost(DEAF));
        assertLabel(container, DEAF + " (enforce)");
        unload(DEAF);
        Refusal refusal = Refusal.of(() -> container.exec("/bin/true"));
        assertThat(refusal.code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        assertThat(refusal.message())
                .contains("\"" + DEAF + "\" is not loaded on this node")
                .contains("apparmor_parser --replace");
        loadProfiles();
        assertThat(labelOfExec(container)).isEqualTo(DEAF + " (enforce)");
    }

    @Test
    void theDefaultProfileIsLoadedAgainWhenSomebodyRemovedIt() throws IOException {
        unload(DEFAULT);
        Container container = running(profile(ProfileType.RuntimeDefault));
        assertLabel(container, DEFAULT + " (enforce)");
        unload(DEFAULT);
        assertThat(labelOfExec(container)).isEqualTo(DEFAULT + " (enforce)");
    }

    @Test
    void theDefaultProfileInComplainModeFailsTheStart() throws IOException {
        load(DEFAULT, "file, capability, network, unix, signal, ptrace,");
        String text = Files.readString(POLICY.resolve("profiles"));
        assertThat(text).contains(DEFAULT + " (enforce)");
        Path file = Files.createTempFile("complain", "");
        Files.writeString(file, "profile " + DEFAULT + " flags=(complain, attach_disconnected) { }\n");
        var _ = Commands.run("/usr/sbin/apparmor_parser", "--replace", "--skip-cache", file.toString())
                .orFail();
        Files.delete(file);
        Container container =
                idle(live.pod().run(), profile(ProfileType.RuntimeDefault)).create();
        assertThat(Refusal.of(container::start).message())
                .contains("AppArmor label differs")
                .contains("(complain)");
        unload(DEFAULT);
    }

    /** CVE-2019-16884, CVE-2019-19921, CVE-2025-52881: what stands at these names in an image is not written to. */
    @Test
    void anImageWithAProcOfItsOwnCannotTakeTheLabel() {
        String image = live.image(TestImages.busyboxWith(new TarWriter()
                .directory("proc")
                .directory("proc/self")
                .directory("proc/self/attr")
                .directory("proc/self/attr/apparmor")
                .file("proc/self/attr/apparmor/exec", "")
                .file("proc/self/attr/exec", "")
                .directory("proc/thread-self")
                .directory("proc/thread-self/attr")
                .file("proc/thread-self/attr/exec", "")));
        for (NamespaceMode pids : new NamespaceMode[] {NamespaceMode.CONTAINER, NamespaceMode.POD}) {
            Container container = live.pod()
                    .run()
                    .container(image)
                    .idle()
                    .pid(pids)
                    .security(s -> s.setApparmor(localhost(NO_WRITES)))
                    .start();
            assertLabel(container, NO_WRITES + " (enforce)");
        }
    }

    // ---- audit

    @Test
    void anAuditTellsAProcessThatLostItsProfile() throws IOException {
        Container container = running(localhost(DEAF));
        assertThat(audit().stdout()).contains(DEAF + " (enforce)");
        unload(DEAF);
        Commands.Outcome outcome = audit();
        assertThat(outcome.status()).as(outcome.stdout()).isNotZero();
        assertThat(outcome.stdout()).contains("its AppArmor label is unconfined, given " + DEAF);
        container.remove();
    }

    private static Commands.Outcome audit() {
        return Commands.run(
                Tree.launcher().toString(),
                "audit",
                "--config",
                live.portafilter().configFile().toString());
    }
}
