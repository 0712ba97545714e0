package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.List;
import org.junit.jupiter.api.Test;

class IdMappingsTest {

    private static final IdMapping LINE = new IdMapping(0, 100_000, 65_536);

    @Test
    void writesOneLineForEachMap() {
        IdMappings ids = new IdMappings(List.of(new IdMapping(0, 1000, 100_000)), List.of(new IdMapping(0, 7, 8)));
        assertThat(ids.uidMapText()).isEqualTo("0 1000 100000\n");
        assertThat(ids.gidMapText()).isEqualTo("0 7 8\n");
    }

    @Test
    void refusesMoreOrFewerThanOneLine() {
        assertRefused("userns_options.uids: 0 mappings", () -> new IdMappings(List.of(), List.of(LINE)));
        assertRefused("userns_options.uids: 2 mappings", () -> new IdMappings(List.of(LINE, LINE), List.of(LINE)));
        assertRefused("userns_options.gids: 0 mappings", () -> new IdMappings(List.of(LINE), List.of()));
        assertRefused("userns_options.gids: 2 mappings", () -> new IdMappings(List.of(LINE), List.of(LINE, LINE)));
    }

    @Test
    void refusesAnEmptyOrNegativeBlock() {
        assertRefused("a mapping of 0 ids", () -> new IdMapping(0, 100_000, 0));
        assertRefused("a mapping of -1 ids", () -> new IdMapping(0, 100_000, -1));
    }

    @Test
    void refusesBlocksThatTheKernelCannotHold() {
        assertThatCode(() -> new IdMapping(0, 0, 4_294_967_295L)).doesNotThrowAnyException();
        assertThatCode(() -> new IdMapping(4_294_967_294L, 4_294_967_294L, 1)).doesNotThrowAnyException();
        assertRefused("out of range", () -> new IdMapping(0, 0, 4_294_967_296L));
        assertRefused("out of range", () -> new IdMapping(0, 4_294_967_295L, 1));
        assertRefused("out of range", () -> new IdMapping(0, 4_294_967_290L, 6));
        assertRefused("userns_options.container_id", () -> new IdMapping(-1, 0, 1));
        assertRefused("userns_options.host_id", () -> new IdMapping(0, -1, 1));
        assertRefused("out of range", () -> new IdMapping(Long.MAX_VALUE, 0, 2));
        assertRefused("out of range", () -> new IdMapping(1, 0, Long.MAX_VALUE));
    }

    @Test
    void wantsRootMappedForAPod() {
        IdMapping withoutRoot = new IdMapping(1, 100_000, 65_536);
        assertThatCode(() -> new IdMappings(List.of(LINE), List.of(LINE)).requireRootMapped())
                .doesNotThrowAnyException();
        assertRefused(
                "userns_options.uids: container id 0 is not mapped",
                () -> new IdMappings(List.of(withoutRoot), List.of(LINE)).requireRootMapped());
        assertRefused(
                "userns_options.gids: container id 0 is not mapped",
                () -> new IdMappings(List.of(LINE), List.of(withoutRoot)).requireRootMapped());
    }

    @Test
    void refusesToTranslateWhatIsNotMapped() {
        IdMappings ids = new IdMappings(List.of(LINE), List.of(new IdMapping(0, 200_000, 10)));
        assertThat(ids.hostUid(65_535)).isEqualTo(165_535);
        assertRefused("user id: 65536 does not exist", () -> ids.hostUid(65_536));
        assertThat(ids.hostGid(9)).isEqualTo(200_009);
        assertRefused("give one from 0 to 9", () -> ids.hostGid(10));
        assertThat(ids.mapsUid(-1)).isFalse();
    }

    private static void assertRefused(String why, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatExceptionOfType(SecurityRefusal.class).isThrownBy(call).withMessageContaining(why);
    }
}
