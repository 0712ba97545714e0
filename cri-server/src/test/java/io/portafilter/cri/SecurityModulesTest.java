package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SecurityModulesTest {

    private static final LinuxContainerSecurityContext DEFAULT_PROFILE = LinuxContainerSecurityContext.newBuilder()
            .setApparmor(SecurityProfile.newBuilder().setProfileType(SecurityProfile.ProfileType.RuntimeDefault))
            .build();
    private static final LinuxContainerSecurityContext LABELLED = LinuxContainerSecurityContext.newBuilder()
            .setSelinuxOptions(SELinuxOption.newBuilder().setLevel("s0:c4,c5"))
            .build();

    @TempDir
    private Path sys;

    @Test
    @SuppressWarnings("deprecation") // an older kubelet still sends the second spelling
    void aHostWithAppArmorRefusesTheProfileThatItWouldNotGet() throws IOException {
        write("module/apparmor/parameters/enabled", "Y\n");
        SecurityModules host = SecurityModules.of(sys);

        assertThatThrownBy(() -> host.refuseUnenforced(DEFAULT_PROFILE)).hasMessageContaining("apparmor");
        assertThatThrownBy(() -> host.refuseUnenforced(LinuxContainerSecurityContext.newBuilder()
                        .setApparmorProfile("runtime/default")
                        .build()))
                .hasMessageContaining("apparmor");
        assertThatCode(() -> host.refuseUnenforced(LABELLED)).doesNotThrowAnyException();
        assertThatCode(() -> host.refuseUnenforced(LinuxContainerSecurityContext.getDefaultInstance()))
                .doesNotThrowAnyException();
    }

    @Test
    void aHostWithSelinuxRefusesLabels() throws IOException {
        write("fs/selinux/enforce", "1");
        SecurityModules host = SecurityModules.of(sys);

        assertThatThrownBy(() -> host.refuseUnenforced(LABELLED)).hasMessageContaining("selinux_options");
        assertThatCode(() -> host.refuseUnenforced(DEFAULT_PROFILE)).doesNotThrowAnyException();
    }

    @Test
    void aHostWithoutEitherHasNothingToApply() throws IOException {
        write("module/apparmor/parameters/enabled", "N\n");
        SecurityModules host = SecurityModules.of(sys);

        assertThat(host).isEqualTo(new SecurityModules(false, false));
        assertThatCode(() -> host.refuseUnenforced(DEFAULT_PROFILE)).doesNotThrowAnyException();
        assertThatCode(() -> host.refuseUnenforced(LABELLED)).doesNotThrowAnyException();
    }

    private void write(String file, String text) throws IOException {
        Path path = sys.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }
}
