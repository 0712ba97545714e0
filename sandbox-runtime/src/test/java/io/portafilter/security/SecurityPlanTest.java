package io.portafilter.security;

import static io.portafilter.security.SecurityFixture.container;
import static io.portafilter.security.SecurityFixture.hostWith;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Libseccomp;
import io.portafilter.security.SeccompRequest.Localhost;
import io.portafilter.security.SeccompRequest.RuntimeDefault;
import io.portafilter.security.SeccompRequest.Unconfined;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SecurityPlanTest {

    @Test
    void honoursNoNewPrivilegesAndReadOnlyRootfsAlsoWhenPrivileged() {
        assertThat(container().plan().noNewPrivileges()).isFalse();
        assertThat(container().noNewPrivileges().plan().noNewPrivileges()).isTrue();
        assertThat(container().privileged().plan().noNewPrivileges()).isFalse();
        SecurityPlan plan = container()
                .privileged()
                .noNewPrivileges()
                .readOnlyRootfs()
                .runAsUser(1000)
                .plan();
        assertThat(plan.noNewPrivileges()).isTrue();
        assertThat(plan.readOnlyRootfs()).isTrue();
        assertThat(plan.user().uid()).isEqualTo(1000);
    }

    @Test
    void masksNothingAndFiltersNothingWhenPrivileged() {
        SecurityPlan plan = container()
                .privileged()
                .masked("/proc/kcore")
                .readOnlyPaths("/proc/sys")
                .seccomp(new RuntimeDefault())
                .plan();
        assertThat(plan.maskedPaths()).isEmpty();
        assertThat(plan.readOnlyPaths()).isEmpty();
        assertThat(plan.seccomp()).isEmpty();
        assertThat(plan.notes())
                .containsExactly(
                        "privileged: the seccomp profile that was asked for is not used",
                        "privileged: no path is masked or made read-only");
    }

    @Test
    void refusesAPrivilegedContainerInAnotherKindOfPod() {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> new SecurityRequest(
                        true,
                        false,
                        CapabilityRequest.DEFAULT,
                        UserRequest.ofImage(""),
                        false,
                        false,
                        List.of(),
                        List.of(),
                        new Unconfined(),
                        Optional.empty(),
                        LabelRequest.NONE))
                .withMessageStartingWith("privileged: a privileged container in a pod sandbox that is not privileged");
    }

    @Test
    void takesEachPathOnceInItsShortestSpelling() {
        SecurityPlan plan = container()
                .masked("/bin/ls", "/proc/../etc", "/a b", "//bin/./ls", "/a b/")
                .readOnlyPaths("/tmp", "/tmp", "/tmp/")
                .plan();
        assertThat(plan.maskedPaths()).containsExactly("/bin/ls", "/proc/../etc", "/a b");
        assertThat(plan.readOnlyPaths()).containsExactly("/tmp");
    }

    @Test
    void refusesToMaskTheRoot() {
        for (String path : List.of("/", "//", "/./")) {
            assertThatExceptionOfType(SecurityRefusal.class)
                    .isThrownBy(() -> container().masked(path).plan());
            assertThatExceptionOfType(SecurityRefusal.class)
                    .isThrownBy(() -> container().readOnlyPaths(path).plan())
                    .withMessageContaining("readonly_rootfs");
        }
    }

    @Test
    void refusesPathsThatAreNotAbsolute() {
        for (String path : List.of("", "proc/kcore", "./x", "/proc\0/x")) {
            assertThatExceptionOfType(SecurityRefusal.class)
                    .isThrownBy(() -> container().masked(path).plan())
                    .withMessageContaining("masked_paths");
            assertThatExceptionOfType(SecurityRefusal.class)
                    .isThrownBy(() -> container().readOnlyPaths(path).plan())
                    .withMessageContaining("readonly_paths");
        }
    }

    @Test
    void refusesIdsThatThePodsUserNamespaceDoesNotHave() {
        assertThat(container()
                        .userNamespace(100_000, 1000)
                        .runAsUser(999)
                        .plan()
                        .user()
                        .uid())
                .isEqualTo(999);
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() ->
                        container().userNamespace(100_000, 1000).runAsUser(1000).plan())
                .withMessageContaining("user id: 1000 does not exist in the pod's user namespace");
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> container()
                        .userNamespace(100_000, 1000)
                        .supplementalGroups(5000L)
                        .plan())
                .withMessageContaining("group id: 5000 does not exist");
    }

    @Test
    void refusesAFilterThatCannotBeCompiledInsteadOfRunningWithout() {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> SeccompCompiler.compile(
                        Optional.empty(),
                        SeccompProfile.runtimeDefault(),
                        CapabilitySets.DEFAULT,
                        Architecture.X86_64,
                        SecurityFixture.host().kernel()))
                .withMessage("seccomp: the profile RuntimeDefault cannot be compiled: this host has no"
                        + " libseccomp.so.2; install the package libseccomp2, or ask for Unconfined");
    }

    @Test
    void showsAFilterThatKillsWhereItCannotCompileOne() {
        for (SeccompRequest asked :
                List.of(new RuntimeDefault(), new Localhost("/p.json", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}"))) {
            SecurityPlan plan = container().seccomp(asked).planWithoutCompiler();
            assertThat(BpfEvaluator.evaluate(plan.seccomp().orElseThrow(), BpfEvaluator.AUDIT_ARCH_X86_64, 0))
                    .isEqualTo(SeccompAction.SECCOMP_RET_KILL_PROCESS);
            assertThat(plan.describe())
                    .anyMatch(line ->
                            line.startsWith("seccomp") && line.endsWith("(not compiled: there is no libseccomp here)"));
        }
        assertThat(container().planWithoutCompiler().seccomp()).isEmpty();
    }

    @Test
    void compilesTheDefaultFilterForTheBoundingSetAndNotForTheUser() {
        assumeTrue(Libseccomp.installed().isPresent(), "libseccomp.so.2 is not installed");
        SeccompProgram root = container()
                .add("SYS_ADMIN")
                .seccomp(new RuntimeDefault())
                .plan()
                .seccomp()
                .orElseThrow();
        SeccompProgram user = container()
                .add("SYS_ADMIN")
                .runAsUser(1000)
                .seccomp(new RuntimeDefault())
                .plan()
                .seccomp()
                .orElseThrow();
        SeccompProgram dropped = container()
                .drop("ALL")
                .seccomp(new RuntimeDefault())
                .plan()
                .seccomp()
                .orElseThrow();
        assertThat(user).isEqualTo(root);
        assertThat(dropped).isNotEqualTo(root);
        assertThat(root.flags()).isZero();
        assertThat(root.instructions()).isBetween(100, 400);
    }

    @Test
    void tellsAUserWhoIsNotRootThatAddedCapabilitiesNeedAFile() {
        assertThat(container().runAsUser(1000).add("NET_ADMIN").plan().notes())
                .containsExactly("capabilities: user 1000 is not root and does not have NET_ADMIN unless its program's"
                        + " file carries it (setcap): set that, or run as root with the other capabilities dropped");
        assertThat(container().runAsUser(1000).ambient("NET_ADMIN").plan().notes())
                .isEmpty();
    }

    @Test
    void describesARestrictedContainer() throws IOException {
        assertGolden(
                "security-plan-restricted.txt",
                withFilter(container()
                        .userNamespace(100_000, 65_536)
                        .passwd("app:x:1000:1000::/home/app:/bin/sh")
                        .runAsUser(1000)
                        .supplementalGroups(2000L)
                        .drop("ALL")
                        .noNewPrivileges()
                        .readOnlyRootfs()
                        .masked("/proc/kcore", "/sys/firmware")
                        .readOnlyPaths("/proc/sys")
                        .plan()));
    }

    @Test
    void describesAPrivilegedContainer() throws IOException {
        assertGolden(
                "security-plan-privileged.txt",
                container()
                        .privileged()
                        .add("SYS_RESOURCE")
                        .masked("/proc/kcore")
                        .on(hostWith(CapabilitySet.of(Capability.values()).minus(Capability.CAP_SYS_RESOURCE)))
                        .plan());
    }

    @Test
    void describesAContainerThatAsksForNothing() throws IOException {
        assertGolden("security-plan-default.txt", container().plan());
    }

    /** The number of instructions depends on the library; here it is 2. */
    private static SecurityPlan withFilter(SecurityPlan plan) {
        return new SecurityPlan(
                plan.ids(),
                plan.user(),
                plan.capabilities(),
                Optional.of(new SeccompProgram(new byte[16], 0, "RuntimeDefault")),
                plan.noNewPrivileges(),
                plan.readOnlyRootfs(),
                plan.privileged(),
                plan.maskedPaths(),
                plan.readOnlyPaths(),
                plan.labels(),
                plan.notes());
    }

    private static void assertGolden(String name, SecurityPlan plan) throws IOException {
        Path golden = Path.of("src/test/golden", name);
        String text = String.join("\n", plan.describe()) + "\n";
        if ("update".equals(System.getProperty("golden"))) {
            Files.createDirectories(golden.getParent());
            Files.writeString(golden, text);
        }
        assertThat(text).isEqualTo(Files.readString(golden));
    }
}
