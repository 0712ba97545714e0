package io.portafilter.cri;

import io.portafilter.config.Config;

/**
 * What a container is made from besides its request: files of the node, or the container's copies of them.
 *
 * @param profiles of seccomp
 * @param devices of the Container Device Interface
 * @param devicesOfTheUser whether devices belong to the user that the security context names
 */
record ContainerSources(SecurityProfiles.ProfileSource profiles, CdiDevices.Source devices, boolean devicesOfTheUser) {

    /** The node's files and the copies, for one container. */
    record Of(SeccompFiles profiles, CdiDevices devices, boolean devicesOfTheUser) {

        static Of container(Config config, Places places, String id) {
            return new Of(
                    new SeccompFiles(places.containerState(id)),
                    new CdiDevices(config.cdiSpecDirs(), places.containerState(id)),
                    config.deviceOwnershipFromSecurityContext());
        }

        /** As the node has them now: for a new container. */
        ContainerSources fromNode() {
            return new ContainerSources(profiles::fromNode, devices::fromNode, devicesOfTheUser);
        }

        /** As the container has kept them. */
        ContainerSources kept() {
            return new ContainerSources(profiles::kept, devices::kept, devicesOfTheUser);
        }

        /** Keeps copies of what was used; the container's directory is there. */
        void keep(ContainerSpec spec) {
            profiles.keep(spec.security().seccomp());
            devices.keep(spec.cdi());
        }
    }
}
