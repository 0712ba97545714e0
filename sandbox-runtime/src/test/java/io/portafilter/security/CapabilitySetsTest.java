package io.portafilter.security;

import static io.portafilter.security.SecurityFixture.container;
import static io.portafilter.security.SecurityFixture.hostWith;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CapabilitySetsTest {

    private static final CapabilitySet EVERY = CapabilitySet.of(Capability.values());

    private static CapabilitySet bounding(SecurityFixture asked) {
        return asked.plan().capabilities().bounding();
    }

    @Test
    void givesFourteenByDefault() {
        assertThat(bounding(container()).toString())
                .isEqualTo("CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE,"
                        + " NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP");
    }

    @Test
    void addsAndDropsSingleNames() {
        assertThat(bounding(container().add("NET_ADMIN").drop("CHOWN")))
                .isEqualTo(CapabilitySets.DEFAULT.plus(Capability.CAP_NET_ADMIN).minus(Capability.CAP_CHOWN));
    }

    @Test
    void letsADropBeatAnAddOfTheSameName() {
        assertThat(bounding(container().add("NET_ADMIN").drop("NET_ADMIN"))).isEqualTo(CapabilitySets.DEFAULT);
        assertThat(bounding(container().ambient("NET_ADMIN").drop("NET_ADMIN"))).isEqualTo(CapabilitySets.DEFAULT);
    }

    @Test
    void letsASingleAddBeatDropAll() {
        assertThat(bounding(container().drop("ALL").add("KILL")).toString()).isEqualTo("KILL");
    }

    @Test
    void dropsEveryCapabilityThatWasNotAdded() {
        assertThat(bounding(container().drop("ALL"))).isEqualTo(CapabilitySet.EMPTY);
    }

    @Test
    void addsAllAndDropsSingleNamesFromIt() {
        assertThat(bounding(container().add("ALL").drop("SYS_ADMIN", "SYS_MODULE")))
                .isEqualTo(EVERY.minus(Capability.CAP_SYS_ADMIN).minus(Capability.CAP_SYS_MODULE));
    }

    @Test
    void letsDropAllBeatAddAll() {
        assertThat(bounding(container().add("ALL").drop("ALL"))).isEqualTo(CapabilitySet.EMPTY);
        assertThat(bounding(container().add("ALL", "CHOWN").drop("ALL")).toString())
                .isEqualTo("CHOWN");
    }

    @ParameterizedTest
    @ValueSource(strings = {"NET_ADMIN", "CAP_NET_ADMIN", "net_admin", "cap_Net_Admin"})
    void takesNamesInAnyCaseWithOrWithoutPrefix(String name) {
        assertThat(bounding(container().drop("all").add(name)).toString()).isEqualTo("NET_ADMIN");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "NET", "CAP_", "CAP_CAP_CHOWN", "NET_ADMIN ", "12", "CAP_ALL", "ALL "})
    void refusesUnknownNamesWhereverTheyStand(String name) {
        assertRefused("add_capabilities", container().add(name));
        assertRefused("drop_capabilities", container().drop(name));
        assertRefused("add_ambient_capabilities", container().ambient(name));
        assertRefused("add_capabilities", container().privileged().add(name));
    }

    @Test
    void wantsAmbientCapabilitiesByName() {
        assertRefused("add_ambient_capabilities", container().ambient("ALL"));
    }

    @Test
    void leavesAUserWhoIsNotRootOnlyAmbientCapabilities() {
        CapabilitySets plain =
                container().runAsUser(1000).add("NET_ADMIN").plan().capabilities();
        assertThat(plain.permitted()).isEqualTo(CapabilitySet.EMPTY);
        assertThat(plain.effective()).isEqualTo(CapabilitySet.EMPTY);
        assertThat(plain.inheritable()).isEqualTo(CapabilitySet.EMPTY);
        assertThat(plain.bounding().contains(Capability.CAP_NET_ADMIN)).isTrue();

        CapabilitySets ambient = container()
                .runAsUser(1000)
                .drop("ALL")
                .ambient("NET_BIND_SERVICE")
                .plan()
                .capabilities();
        CapabilitySet wanted = CapabilitySet.of(Capability.CAP_NET_BIND_SERVICE);
        assertThat(ambient).isEqualTo(new CapabilitySets(wanted, wanted, wanted, wanted, wanted));
    }

    @Test
    void cutsEverythingToWhatTheServerHas() {
        HostFacts poor = hostWith(EVERY.minus(Capability.CAP_SYS_RESOURCE).minus(Capability.CAP_CHOWN));
        assertThat(bounding(container().on(poor)).contains(Capability.CAP_CHOWN))
                .isFalse();
        assertThat(bounding(container().add("ALL").on(poor))).isEqualTo(poor.ownCapabilities());
        assertThat(bounding(container().privileged().on(poor))).isEqualTo(poor.ownCapabilities());
        SecurityPlan plan = container().add("SYS_RESOURCE").on(poor).plan();
        assertThat(plan.capabilities().bounding().contains(Capability.CAP_SYS_RESOURCE))
                .isFalse();
        assertThat(plan.notes())
                .containsExactly(
                        "capabilities: SYS_RESOURCE was asked for, but the server or its kernel does not have it");
    }

    @Test
    void knowsNoCapabilityBeyondTheKernelsLast() {
        HostFacts old = new HostFacts(
                new CapabilitySet(-1L >>> 1),
                37,
                new KernelVersion(4, 19),
                Architecture.X86_64,
                false,
                false,
                false,
                SecurityModules.NONE);
        assertThat(bounding(container().add("ALL", "BPF").on(old))).isEqualTo(CapabilitySet.upTo(37));
    }

    @Test
    void givesPrivilegedContainersAllThatTheServerHasWhateverTheyDrop() {
        CapabilitySets sets = container().privileged().drop("ALL").plan().capabilities();
        assertThat(sets.bounding()).isEqualTo(EVERY);
        assertThat(sets.effective()).isEqualTo(EVERY);
        assertThat(sets.inheritable()).isEqualTo(CapabilitySet.EMPTY);
        assertThat(container()
                        .privileged()
                        .runAsUser(1000)
                        .plan()
                        .capabilities()
                        .effective())
                .isEqualTo(CapabilitySet.EMPTY);
    }

    private static void assertRefused(String field, SecurityFixture asked) {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(asked::plan)
                .withMessageStartingWith(field + ": \"");
    }
}
