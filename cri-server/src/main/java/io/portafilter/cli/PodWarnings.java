package io.portafilter.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Where a manifest does not do what its author may think, as far as kubelet or nobody decides it. */
final class PodWarnings {
    private PodWarnings() {}

    /** What to know of one field. */
    record Warning(String field, String sentence) {}

    /** Those of a pod whose images are not known. */
    static List<Warning> of(Pod pod) {
        List<Warning> warnings = new ArrayList<>();
        List<String> places = new ArrayList<>();
        for (int i = 0; i < pod.initContainers().size(); i++) {
            places.add("spec.initContainers[" + i + "]");
        }
        for (int i = 0; i < pod.containers().size(); i++) {
            places.add("spec.containers[" + i + "]");
        }
        for (int i = 0; i < places.size(); i++) {
            nonRoot(pod, pod.allContainers().get(i), places.get(i)).ifPresent(warnings::add);
        }
        for (String name : pod.security().sysctls().keySet().stream().sorted().toList()) {
            if (!PodStandards.SAFE_SYSCTLS.contains(name)) {
                warnings.add(new Warning(
                        "spec.securityContext.sysctls",
                        name + " is not among those that kubelet takes unasked: it refuses the pod unless"
                                + " --allowed-unsafe-sysctls names it"));
            }
        }
        for (int i = 0; i < pod.volumes().size(); i++) {
            if (pod.volumes().get(i)
                            instanceof Pod.Volume.EmptyDir(String _, boolean inMemory, Optional<Quantity> limit)
                    && !inMemory
                    && limit.isPresent()) {
                warnings.add(new Warning(
                        "spec.volumes[" + i + "].emptyDir.sizeLimit",
                        "is no quota on a disk: kubelet looks now and then and evicts the pod, and portafilter run does"
                                + " not; medium: Memory is bounded by it"));
            }
        }
        return List.copyOf(warnings);
    }

    private static Optional<Warning> nonRoot(Pod pod, Pod.Container container, String place) {
        boolean ofContainer = container.security().runAsNonRoot().isPresent();
        if (!container
                .security()
                .runAsNonRoot()
                .or(pod.security()::runAsNonRoot)
                .orElse(false)) {
            return Optional.empty();
        }
        String field = (ofContainer ? place + "." : "spec.") + "securityContext.runAsNonRoot";
        Optional<Long> uid = container.security().runAsUser().or(pod.security()::runAsUser);
        if (uid.isEmpty()) {
            return Optional.of(new Warning(
                    field,
                    "sets no user: kubelet refuses the container unless the user of its image is a number other than 0;"
                            + " give runAsUser"));
        }
        return uid.get() == 0
                ? Optional.of(
                        new Warning(field, "and runAsUser is 0: kubelet refuses the container; give another runAsUser"))
                : Optional.empty();
    }
}
