package io.portafilter.security;

import static io.portafilter.security.SecurityFixture.hostWith;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class CapabilitySetsPropertyTest {

    private static final List<String> NAMES = Stream.concat(
                    Arrays.stream(Capability.values()).map(Capability::shortName), Stream.of("ALL"))
            .toList();

    private static final List<String> SINGLE_NAMES =
            Arrays.stream(Capability.values()).map(Capability::name).toList();

    @Test
    void neverGivesMoreThanWasAskedAndTheServerHas() {
        RandomTries.each(one -> check(
                one.list(0, 8, name -> name.oneOf(NAMES)),
                one.list(0, 8, name -> name.oneOf(NAMES)),
                one.list(0, 4, name -> name.oneOf(SINGLE_NAMES)),
                one.random().nextBoolean(),
                one.random().nextBoolean(),
                one.random().nextInt(4) == 0 ? -1 : one.random().nextLong()));
    }

    private static void check(
            List<String> add, List<String> drop, List<String> ambient, boolean root, boolean privileged, long own) {
        HostFacts host = hostWith(
                new CapabilitySet(own & CapabilitySet.of(Capability.values()).mask()));
        CapabilitySets sets = CapabilitySets.of(new CapabilityRequest(add, drop, ambient), privileged, root, host);

        assertThat(host.ownCapabilities().containsAll(sets.bounding())).isTrue();
        assertThat(sets.bounding().containsAll(sets.permitted())).isTrue();
        assertThat(sets.permitted().containsAll(sets.effective())).isTrue();
        assertThat(sets.permitted().containsAll(sets.ambient())).isTrue();
        assertThat(sets.inheritable()).isEqualTo(sets.ambient());
        assertThat(sets.permitted()).isEqualTo(root ? sets.bounding() : sets.ambient());
        if (privileged) {
            return;
        }
        for (Capability capability : Capability.values()) {
            String name = capability.shortName();
            boolean named = add.contains(name) || ambient.contains(capability.name());
            boolean wanted = !drop.contains(name)
                    && (named
                            || !drop.contains("ALL")
                                    && (add.contains("ALL") || CapabilitySets.DEFAULT.contains(capability)));
            assertThat(sets.bounding().contains(capability))
                    .as(name)
                    .isEqualTo(wanted && host.ownCapabilities().contains(capability));
        }
    }
}
