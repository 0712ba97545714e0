package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class IdMappingsPropertyTest {

    @Test
    void translatesWithinTheBlockAndNowhereElse() {
        RandomTries.each(one -> {
            long containerId = one.between(0, 1_000_000);
            long hostId = one.between(0, 1_000_000);
            long length = one.between(1, 100_000);
            List<IdMapping> line = List.of(new IdMapping(containerId, hostId, length));
            IdMappings ids = new IdMappings(line, line);
            // in the block, at both of its ends and beside them, anywhere
            List<Long> tried = List.of(
                    one.between(containerId, containerId + length - 1),
                    containerId + length,
                    Math.max(0, containerId - 1),
                    one.between(0, 2_000_000));
            for (long id : tried) {
                boolean inside = id >= containerId && id < containerId + length;
                assertThat(ids.mapsUid(id)).isEqualTo(inside);
                assertThat(ids.mapsGid(id)).isEqualTo(inside);
                if (inside) {
                    assertThat(ids.hostUid(id))
                            .isEqualTo(id - containerId + hostId)
                            .isBetween(hostId, hostId + length - 1);
                }
            }
        });
    }
}
