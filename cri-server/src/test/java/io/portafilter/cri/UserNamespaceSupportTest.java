package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Status;
import io.portafilter.container.HostFeatures;
import io.portafilter.container.Outcome;
import io.portafilter.security.KernelVersion;
import org.junit.jupiter.api.Test;

class UserNamespaceSupportTest {
    private static final Outcome WORKS = new Outcome.Works("");

    @Test
    void aPodWithAUserNamespaceIsRefusedWhereLayersCannotBeMapped() {
        HostFeatures old = new HostFeatures(new Outcome.Missing("mount_setattr: ENOSYS"), WORKS);

        assertThatThrownBy(() -> PodLifecycle.requireUserNamespaces(old, new KernelVersion(5, 10)))
                .isInstanceOfSatisfying(
                        CriException.class,
                        refusal -> assertThat(refusal.status()).isEqualTo(Status.Code.FAILED_PRECONDITION))
                .hasMessageContaining("userns_options")
                .hasMessageContaining("mount_setattr: ENOSYS")
                .hasMessageContaining("Linux 5.19 or newer")
                .hasMessageContaining("5.10")
                .hasMessageContaining("hostUsers: true");
    }

    @Test
    void andNotWhereTheyCan() {
        PodLifecycle.requireUserNamespaces(new HostFeatures(WORKS, WORKS), new KernelVersion(5, 10));
    }
}
