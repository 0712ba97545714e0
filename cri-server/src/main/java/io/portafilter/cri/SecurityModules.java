package io.portafilter.cri;

import static io.portafilter.cri.CriException.unsupported;

import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The Linux security modules that this host enforces. A container that asks for one of them is refused, for this version
 * applies none: it must not run less confined than it asked to be. Where the host enforces none there is nothing to
 * apply, as with every other runtime.
 */
public record SecurityModules(boolean appArmor, boolean selinux) {

    private static final String SECURITY = "config.linux.security_context";

    /**
     * Looks at the host.
     *
     * @param sys where sysfs is mounted
     */
    public static SecurityModules of(Path sys) {
        Path enabled = sys.resolve("module/apparmor/parameters/enabled");
        try {
            return new SecurityModules(
                    Files.exists(enabled) && Files.readString(enabled).startsWith("Y"),
                    Files.exists(sys.resolve("fs/selinux/enforce")));
        } catch (IOException e) {
            throw new UncheckedIOException("whether AppArmor is enabled cannot be read from " + enabled, e);
        }
    }

    /** Refuses what would have to be enforced here. */
    void refuseUnenforced(LinuxContainerSecurityContext asked) {
        if (asked.getPrivileged()) {
            return;
        }
        if (appArmor && asksForAppArmor(asked)) {
            throw unsupported(
                    SECURITY + ".apparmor",
                    "RuntimeDefault is asked for, this host enforces AppArmor, and this version applies no profile",
                    "use Unconfined");
        }
        if (selinux
                && asked.hasSelinuxOptions()
                && !asked.getSelinuxOptions().equals(SELinuxOption.getDefaultInstance())) {
            throw unsupported(
                    SECURITY + ".selinux_options",
                    "this host enforces SELinux, and this version sets no labels",
                    "leave the options out");
        }
    }

    @SuppressWarnings("deprecation") // an older kubelet still sends it
    private static boolean asksForAppArmor(LinuxContainerSecurityContext asked) {
        return asked.hasApparmor()
                ? asked.getApparmor().getProfileType() == SecurityProfile.ProfileType.RuntimeDefault
                : asked.getApparmorProfile().equals("runtime/default");
    }
}
