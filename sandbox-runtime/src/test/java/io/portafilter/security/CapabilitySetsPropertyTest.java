package io.portafilter.security;

import static io.portafilter.security.SecurityFixture.hostWith;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class CapabilitySetsPropertyTest {

    @Provide
    Arbitrary<List<String>> names() {
        List<String> names = new ArrayList<>(
                Arrays.stream(Capability.values()).map(Capability::shortName).toList());
        names.add("ALL");
        return Arbitraries.of(names).list().ofMaxSize(8);
    }

    @Provide
    Arbitrary<List<String>> singleNames() {
        return Arbitraries.of(Capability.values()).map(Capability::name).list().ofMaxSize(4);
    }

    @Property
    void neverGivesMoreThanWasAskedAndTheServerHas(
            @ForAll("names") List<String> add,
            @ForAll("names") List<String> drop,
            @ForAll("singleNames") List<String> ambient,
            @ForAll boolean root,
            @ForAll boolean privileged,
            @ForAll long own) {
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
