package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import org.junit.jupiter.api.Test;

class NamespaceInodesTest {

    @Test
    void aNamespaceThatIsNotKnownIsRefused() {
        NamespaceInodes own = NamespaceInodes.OWN;
        for (String kind : List.of("user", "mnt", "pid", "pid_for_children", "net", "ipc", "uts", "cgroup")) {
            assertThat(own.with(kind, 4711).of(kind)).isEqualTo(4711);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> own.with(kind, 0))
                    .withMessageContaining(kind + " namespace");
        }
    }
}
