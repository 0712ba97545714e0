package io.portafilter.container;

import io.portafilter.launch.LaunchProgram;
import io.portafilter.security.IdMappings;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What a pod sandbox's launch will do.
 *
 * @param name the monitor's name
 * @param hostname of the pod's UTS namespace, empty for the host's
 * @param hostNetwork no network and UTS namespace of its own
 * @param hostIpc no IPC namespace of its own
 * @param hostPid no PID namespace of its own
 * @param ids the pod's user namespace
 * @param sysctls to set, by name, in a stable order
 * @param oomScoreAdj as far as the server may set it
 * @param limits resource limits
 * @param facts what the plan rests on
 */
public record PausePlan(
        String name,
        String hostname,
        boolean hostNetwork,
        boolean hostIpc,
        boolean hostPid,
        Optional<IdMappings> ids,
        Map<String, String> sysctls,
        int oomScoreAdj,
        List<ProcessLimit> limits,
        LaunchFacts facts) {

    /** Where the pause process's root has the pod's shared memory, for containers to clone. */
    static final String SHARED_MEMORY = "/shm";

    /** Where it has an empty directory, for containers to mask directories with. */
    static final String EMPTY = "/empty";

    /** Copies the collections. */
    public PausePlan {
        sysctls = java.util.Collections.unmodifiableMap(new TreeMap<>(sysctls));
        limits = List.copyOf(limits);
    }

    /** Decides. */
    public static PausePlan of(PodRequest asked, LaunchFacts facts) {
        asked.ids().ifPresent(IdMappings::requireRootMapped);
        return new PausePlan(
                ContainerPlan.monitorName("pod-" + asked.id()),
                asked.hostname(),
                asked.hostNetwork(),
                asked.hostIpc(),
                asked.hostPid(),
                asked.ids(),
                asked.sysctls(),
                Math.max(asked.oomScoreAdj(), facts.lowestOomScoreAdj()),
                ContainerPlan.limits(facts),
                facts);
    }

    /**
     * Whether the network namespace is made beforehand and joined: so it can be set up while the sandbox is launched. One
     * that a user namespace shall own can only be made in there.
     */
    boolean joinsNetwork() {
        return !hostNetwork && ids.isEmpty();
    }

    /** The launch program that carries this plan out. */
    public LaunchProgram program() {
        return PauseProgram.of(this).program();
    }
}
