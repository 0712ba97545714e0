package io.portafilter.cri;

import static io.portafilter.linux.LinuxConstants.O_PATH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.rootfs.Relabelling;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PodFilesTest {

    private static final String LABEL = "system_u:object_r:container_file_t:s0:c4,c5";

    @TempDir
    private Path directory;

    @BeforeEach
    void isRoot() {
        assumeTrue(Kernel.geteuid() == 0, "root is needed to label files");
    }

    private Optional<String> labelOf(String name) {
        try (Fd file = Kernel.open(directory.resolve(name).toString(), O_PATH)) {
            return Kernel.getxattr(file, Relabelling.ATTRIBUTE)
                    .map(value -> new String(value, StandardCharsets.UTF_8).replace("\0", "|"));
        }
    }

    @Test
    void whatThePodsContainersShareHasTheirLabel() {
        new PodFiles(directory, "node-1").write(RequestFixture.podSpec(_ -> {}), Optional.of(LABEL));
        for (String name : new String[] {"hosts", "hostname", "resolv.conf"}) {
            assertThat(labelOf(name)).as(name).contains(LABEL + "|");
        }
        assertThat(directory.resolve("hostname")).hasContent("web-0\n");
    }

    @Test
    void withoutALabelTheFilesKeepTheOneThatTheyWereMadeWith() {
        new PodFiles(directory, "node-1").write(RequestFixture.podSpec(_ -> {}), Optional.empty());
        assertThat(labelOf("hosts")).isEmpty();
    }
}
