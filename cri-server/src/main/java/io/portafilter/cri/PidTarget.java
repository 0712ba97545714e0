package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.container.LaunchedContainer;
import io.portafilter.container.PidMode;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import java.util.Optional;

/** The running container whose PID namespace another container of the pod is to live in: mode TARGET. */
final class PidTarget {

    private static final String FIELD = "config.linux.security_context.namespace_options.target_id";

    private PidTarget() {}

    /**
     * The target's processes, of which the monitor keeps the namespace; empty for a container that asks for none.
     *
     * @throws CriException of status INVALID_ARGUMENT if it is not a running container of the same pod
     */
    static Optional<LaunchedContainer> of(ContainerSpec spec, Node node, LiveTable<LiveContainer> containers) {
        if (spec.pidMode() != PidMode.TARGET) {
            return Optional.empty();
        }
        String id = targetId(spec);
        LiveContainer target = containers
                .find(id)
                .filter(found -> found.podId().equals(spec.podId()))
                .orElseThrow(() -> refused(id, "is no container of this pod sandbox"));
        if (target.spec().pidMode() == PidMode.NODE) {
            throw refused(id, "lives in the host's PID namespace, which is to be asked for with the mode NODE");
        }
        ContainerRecord record = node.database()
                .container(target.id())
                .filter(found -> found.state() == ContainerState.RUNNING)
                .orElseThrow(() -> refused(id, "is not running"));
        return Optional.of(record.launched().orElseThrow(() -> refused(id, "is not running")));
    }

    private static String targetId(ContainerSpec spec) {
        return spec.config()
                .getLinux()
                .getSecurityContext()
                .getNamespaceOptions()
                .getTargetId();
    }

    private static CriException refused(String id, String wrong) {
        return invalid(FIELD, shown(id) + " " + wrong, "give the id of a running container of the pod");
    }
}
