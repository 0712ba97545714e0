package io.portafilter.security;

/**
 * What is asked of the Linux security modules.
 *
 * @param appArmor the AppArmor profile
 * @param selinux the container's SELinux options, completed by those of its pod
 * @param sharesHostProcesses the pod has the host's PID or IPC namespace: SELinux would keep it from what it is given
 */
public record LabelRequest(AppArmorRequest appArmor, SelinuxOptions selinux, boolean sharesHostProcesses) {

    /** Nothing is said of either. */
    public static final LabelRequest NONE =
            new LabelRequest(new AppArmorRequest.Unspecified(), SelinuxOptions.NONE, false);
}
