package io.portafilter.rootfs;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class IdMappedFileSystemsTest {
    @Test
    void namesTheKernelThatAFileSystemNeeds() {
        assertThat(IdMappedFileSystems.since(Optional.of("tmpfs"))).isEqualTo(", which tmpfs can since Linux 6.3");
        assertThat(IdMappedFileSystems.since(Optional.of("ext4"))).isEqualTo(", which ext4 can since Linux 5.12");
    }

    @Test
    void saysNothingOfOneThatNoKernelMaps() {
        assertThat(IdMappedFileSystems.since(Optional.of("sysfs"))).isEmpty();
        assertThat(IdMappedFileSystems.since(Optional.empty())).isEmpty();
    }
}
