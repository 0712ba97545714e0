package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

class IdMappingsPropertyTest {

    @Property
    void translatesWithinTheBlockAndNowhereElse(
            @ForAll @LongRange(min = 0, max = 1_000_000) long containerId,
            @ForAll @LongRange(min = 0, max = 1_000_000) long hostId,
            @ForAll @LongRange(min = 1, max = 100_000) long length,
            @ForAll @LongRange(min = 0, max = 2_000_000) long id) {
        List<IdMapping> line = List.of(new IdMapping(containerId, hostId, length));
        IdMappings ids = new IdMappings(line, line);
        boolean inside = id >= containerId && id < containerId + length;
        assertThat(ids.mapsUid(id)).isEqualTo(inside);
        assertThat(ids.mapsGid(id)).isEqualTo(inside);
        if (inside) {
            assertThat(ids.hostUid(id)).isEqualTo(id - containerId + hostId).isBetween(hostId, hostId + length - 1);
        }
    }
}
