package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.Capability;
import io.portafilter.cri.v1.ListContainersRequest;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Capabilities as a request names them, and the five sets that the kernel has then: of the first process and of an exec. */
class CapabilityCasesTest {
    private static final Set<String> NONE = Set.of();

    /** What containerd gives, written down here once more. */
    private static final Set<String> FOURTEEN = set(
            "AUDIT_WRITE",
            "CHOWN",
            "DAC_OVERRIDE",
            "FOWNER",
            "FSETID",
            "KILL",
            "MKNOD",
            "NET_BIND_SERVICE",
            "NET_RAW",
            "SETFCAP",
            "SETGID",
            "SETPCAP",
            "SETUID",
            "SYS_CHROOT");

    @RegisterExtension
    static final Live live = Live.server();

    /** What is asked for, and what becomes of it. */
    private record Case(String name, Consumer<Capability.Builder> asked, Set<String> bounding, Set<String> ambient) {
        Case(String name, Consumer<Capability.Builder> asked, Set<String> bounding) {
            this(name, asked, bounding, NONE);
        }
    }

    private static Set<String> set(String... names) {
        return new TreeSet<>(Arrays.asList(names));
    }

    private static Set<String> plus(Set<String> set, String... names) {
        Set<String> sum = new TreeSet<>(set);
        sum.addAll(List.of(names));
        return sum;
    }

    private static Set<String> minus(Set<String> set, String... names) {
        Set<String> rest = new TreeSet<>(set);
        List.of(names).forEach(rest::remove);
        return rest;
    }

    private static Set<String> ofTheServer() {
        return new Proc(live.portafilter().pid()).capabilities("CapBnd");
    }

    private static Consumer<Capability.Builder> add(String... names) {
        return asked -> asked.addAllAddCapabilities(List.of(names));
    }

    private static Consumer<Capability.Builder> drop(String... names) {
        return asked -> asked.addAllDropCapabilities(List.of(names));
    }

    private static Consumer<Capability.Builder> ambient(String... names) {
        return asked -> asked.addAllAddAmbientCapabilities(List.of(names));
    }

    private static ContainerFixture asking(Pod pod, Consumer<Capability.Builder> asked) {
        return pod.container(live.busybox())
                .command("/bin/sleep", "1000")
                .security(security -> asked.accept(security.getCapabilitiesBuilder()));
    }

    private static void sees(ContainerFixture fixture, Set<String> bounding, Set<String> usable, Set<String> ambient) {
        Container container = fixture.start();
        for (ProcessRights rights : List.of(ProcessRights.ofFirst(container), ProcessRights.ofExec(container))) {
            assertThat(rights.bounding()).as("bounding").isEqualTo(bounding);
            assertThat(rights.permitted()).as("permitted").isEqualTo(usable);
            assertThat(rights.effective()).as("effective").isEqualTo(usable);
            assertThat(rights.inheritable()).as("inheritable").isEqualTo(ambient);
            assertThat(rights.ambient()).as("ambient").isEqualTo(ambient);
        }
        container.remove();
    }

    private static List<Case> cases() {
        Set<String> all = ofTheServer();
        return List.of(
                new Case("nothing asked for", asked -> {}, FOURTEEN),
                // spellings
                new Case("add a plain name", add("SYS_TIME"), plus(FOURTEEN, "SYS_TIME")),
                new Case("add with the prefix", add("CAP_SYS_TIME"), plus(FOURTEEN, "SYS_TIME")),
                new Case("add in lower case", add("sys_time"), plus(FOURTEEN, "SYS_TIME")),
                new Case("add in lower case with the prefix", add("cap_sys_time"), plus(FOURTEEN, "SYS_TIME")),
                new Case("add in mixed case", add("Cap_Sys_Time"), plus(FOURTEEN, "SYS_TIME")),
                new Case(
                        "drop in every spelling",
                        drop("mknod", "Cap_Net_Raw", "CAP_KILL", "SYS_CHROOT"),
                        minus(FOURTEEN, "MKNOD", "NET_RAW", "KILL", "SYS_CHROOT")),
                new Case("add ALL in lower case", add("all"), all),
                new Case("drop ALL in mixed case", drop("All"), NONE),
                // duplicates, and what is there or not there already
                new Case(
                        "add a name three times",
                        add("SYS_TIME", "CAP_SYS_TIME", "sys_time"),
                        plus(FOURTEEN, "SYS_TIME")),
                new Case("drop a name twice", drop("KILL", "KILL"), minus(FOURTEEN, "KILL")),
                new Case("add one of the default", add("CHOWN"), FOURTEEN),
                new Case("drop one that is not in the default", drop("SYS_TIME"), FOURTEEN),
                // add and drop together
                new Case("drop beats add of the same name", add("SYS_TIME").andThen(drop("CAP_SYS_TIME")), FOURTEEN),
                new Case(
                        "drop beats add of one of the default",
                        add("CHOWN").andThen(drop("chown")),
                        minus(FOURTEEN, "CHOWN")),
                new Case(
                        "a single add beats drop ALL",
                        drop("ALL").andThen(add("NET_BIND_SERVICE")),
                        set("NET_BIND_SERVICE")),
                new Case(
                        "a single drop beats a single add after drop ALL",
                        drop("ALL", "CHOWN").andThen(add("CHOWN", "KILL")),
                        set("KILL")),
                new Case("drop ALL beats add ALL", add("ALL").andThen(drop("ALL")), NONE),
                new Case(
                        "a single add beats drop ALL with add ALL",
                        add("ALL", "SYSLOG").andThen(drop("ALL")),
                        set("SYSLOG")),
                new Case("add ALL is what the server has", add("ALL"), all),
                new Case(
                        "add ALL but these",
                        add("ALL").andThen(drop("SYS_ADMIN", "sys_time")),
                        minus(all, "SYS_ADMIN", "SYS_TIME")),
                new Case("drop each of the default", drop(FOURTEEN.toArray(String[]::new)), NONE),
                // ambient
                new Case("ambient counts as added", ambient("SYS_TIME"), plus(FOURTEEN, "SYS_TIME"), set("SYS_TIME")),
                new Case("ambient of the default", ambient("cap_chown", "CHOWN"), FOURTEEN, set("CHOWN")),
                new Case(
                        "ambient beats drop ALL as an add does",
                        drop("ALL").andThen(ambient("NET_BIND_SERVICE")),
                        set("NET_BIND_SERVICE"),
                        set("NET_BIND_SERVICE")),
                new Case(
                        "drop beats ambient",
                        ambient("CHOWN", "KILL").andThen(drop("CHOWN")),
                        minus(FOURTEEN, "CHOWN"),
                        set("KILL")),
                new Case(
                        "add is not ambient",
                        add("SYS_TIME").andThen(ambient("SYSLOG")),
                        plus(FOURTEEN, "SYS_TIME", "SYSLOG"),
                        set("SYSLOG")));
    }

    @TestFactory
    Stream<DynamicTest> rootHasExactlyTheseSets() {
        Pod pod = live.pod().run();
        return cases().stream()
                .map(one -> DynamicTest.dynamicTest(
                        one.name(),
                        () -> sees(asking(pod, one.asked()), one.bounding(), one.bounding(), one.ambient())));
    }

    /** What the kernel takes from root that becomes another user is not given back. */
    @TestFactory
    Stream<DynamicTest> aUserOtherThanRootHasTheBoundingSetAndOnlyAmbientCapabilities() {
        Pod pod = live.pod().run();
        return cases().stream()
                .filter(one -> one.name().contains("ALL") || one.name().contains("ambient"))
                .map(one -> DynamicTest.dynamicTest(
                        one.name(),
                        () -> sees(
                                asking(pod, one.asked()).runAsUser(1000),
                                one.bounding(),
                                one.ambient(),
                                one.ambient())));
    }

    /** They are the namespace's own, which changes nothing about their names. */
    @TestFactory
    Stream<DynamicTest> inAUserNamespaceTheSetsAreTheSame() {
        Pod pod = live.pod().userNamespace(2_031_616).run();
        return cases().stream()
                .filter(one -> one.name().contains("ALL") || one.name().contains("ambient"))
                .flatMap(one -> Stream.of(
                        DynamicTest.dynamicTest(
                                one.name(),
                                () -> sees(asking(pod, one.asked()), one.bounding(), one.bounding(), one.ambient())),
                        DynamicTest.dynamicTest(
                                one.name() + ", a user",
                                () -> sees(
                                        asking(pod, one.asked()).runAsUser(1000),
                                        one.bounding(),
                                        one.ambient(),
                                        one.ambient()))));
    }

    /** With a filter and no_new_privs nothing of what loading the filter takes is left. */
    @TestFactory
    Stream<DynamicTest> aFilterChangesNoSet() {
        Pod pod = live.pod().run();
        return Stream.of(false, true)
                .flatMap(noNewPrivs -> cases().stream()
                        .filter(one -> List.of("nothing asked for", "drop ALL in mixed case", "drop beats ambient")
                                .contains(one.name()))
                        .map(one -> DynamicTest.dynamicTest(
                                one.name() + (noNewPrivs ? ", no new privileges" : ""),
                                () -> sees(
                                        asking(pod, one.asked()).security(security -> {
                                            security.setNoNewPrivs(noNewPrivs);
                                            security.getSeccompBuilder();
                                        }),
                                        one.bounding(),
                                        one.bounding(),
                                        one.ambient()))));
    }

    @TestFactory
    Stream<DynamicTest> privilegedHasAllWhateverItAddsAndDrops() {
        Pod pod = live.pod().privileged().run();
        Set<String> all = ofTheServer();
        return Stream.of(
                        new Case("nothing asked for", asked -> {}, all),
                        new Case("drop ALL", drop("ALL"), all),
                        new Case("drop one", drop("SYS_ADMIN"), all),
                        new Case("add one", add("SYS_TIME"), all))
                .flatMap(one -> Stream.of(
                        DynamicTest.dynamicTest(
                                one.name(), () -> sees(asking(pod, one.asked()).privileged(), all, all, NONE)),
                        DynamicTest.dynamicTest(
                                one.name() + ", a user",
                                () -> sees(asking(pod, one.asked()).privileged().runAsUser(1000), all, NONE, NONE))));
    }

    @TestFactory
    Stream<DynamicTest> whatIsNoCapabilityIsRefusedWhereverItStands() {
        Pod pod = live.pod().run();
        List<String> wrong = List.of(
                "FLY",
                "CAP_FLY",
                "",
                " ",
                "CAP_",
                "CAP_ALL",
                "CAP_CAP_CHOWN",
                "CHOWN ",
                "CHOWN,KILL",
                "21",
                "SYS-TIME");
        return wrong.stream()
                .flatMap(name -> Stream.of(
                        DynamicTest.dynamicTest(
                                "add \"" + name + "\"", () -> refuses(asking(pod, add(name)), "add_capabilities")),
                        DynamicTest.dynamicTest(
                                "drop \"" + name + "\"", () -> refuses(asking(pod, drop(name)), "drop_capabilities")),
                        DynamicTest.dynamicTest(
                                "ambient \"" + name + "\"",
                                () -> refuses(asking(pod, ambient(name)), "add_ambient_capabilities"))));
    }

    @TestFactory
    Stream<DynamicTest> allIsNoAmbientCapability() {
        Pod pod = live.pod().run();
        return Stream.of("ALL", "all")
                .map(name -> DynamicTest.dynamicTest(
                        name, () -> refuses(asking(pod, ambient(name)), "add_ambient_capabilities")));
    }

    private static void refuses(ContainerFixture fixture, String field) {
        Refusal refusal = Refusal.of(fixture::create);
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains(field);
        assertThat(live.cri()
                        .runtime()
                        .listContainers(ListContainersRequest.getDefaultInstance())
                        .getContainersList())
                .isEmpty();
    }
}
