package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.config.IdRange;
import io.portafilter.cri.v1.IDMapping;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PodIdsTest {
    private static final IdRange TWO_BLOCKS = new IdRange(1 << 20, 2 * 65536);

    private static IDMapping mapping(long hostId, int length) {
        return IDMapping.newBuilder().setHostId((int) hostId).setLength(length).build();
    }

    @Test
    void theLowestFreeBlockIsTaken() {
        assertThat(PodIds.free(TWO_BLOCKS, List.of())).contains(1L << 20);
        assertThat(PodIds.free(TWO_BLOCKS, List.of(mapping(1 << 20, 65536)))).contains((1L << 20) + 65536);
    }

    @Test
    void aMappingThatOnlyTouchesABlockTakesIt() {
        assertThat(PodIds.free(TWO_BLOCKS, List.of(mapping((1 << 20) + 65535, 1))))
                .contains((1L << 20) + 65536);
        assertThat(PodIds.free(TWO_BLOCKS, List.of(mapping((1 << 20) - 10, 11))))
                .contains((1L << 20) + 65536);
        assertThat(PodIds.free(TWO_BLOCKS, List.of(mapping((1 << 20) - 10, 10))))
                .contains(1L << 20);
    }

    @Test
    void aFullRangeHasNone() {
        assertThat(PodIds.free(TWO_BLOCKS, List.of(mapping(0, -1)))).isEqualTo(Optional.empty());
        List<IDMapping> used = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            used.add(mapping(PodIds.free(TWO_BLOCKS, used).orElseThrow(), 65536));
        }
        assertThat(PodIds.free(TWO_BLOCKS, used)).isEmpty();
    }
}
