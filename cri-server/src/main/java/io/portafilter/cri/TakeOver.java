package io.portafilter.cri;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.state.Change;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import io.portafilter.state.Database;
import io.portafilter.state.PodRecord;
import io.portafilter.state.PodState;
import io.portafilter.state.Recovery;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What a server does with what an earlier one left, before it answers: pods and containers that live are watched again,
 * ends that nobody saw are recorded, and what was never finished is undone.
 */
final class TakeOver {

    private static final Logger LOG = System.getLogger(TakeOver.class.getName());
    private static final Duration KILL_LIMIT = Duration.ofSeconds(10);
    private static final int MAX_PATH_BYTES = 4096;
    private static final String CGROUP = "cgroup";

    private final Services services;
    private final Node node;

    TakeOver(Services services) {
        this.services = services;
        this.node = services.node();
    }

    /** Notes in the state directory of something which cgroup it gets, so that its remains can be found. */
    static void noteCgroup(Path stateDirectory, String path) {
        int flags = LinuxConstants.O_WRONLY | LinuxConstants.O_CREAT | LinuxConstants.O_TRUNC;
        try (Fd file = Kernel.openat(Fd.CWD, stateDirectory.resolve(CGROUP).toString(), flags, 0600)) {
            Kernel.writeFully(file, path.getBytes(StandardCharsets.UTF_8));
        }
    }

    void run() {
        Database database = node.database();
        Recovery recovery = Recovery.of(database.pods(), database.containers(), node.bootId(), Node.now());
        Map<String, LivePod> pods = new HashMap<>();
        for (Recovery.PodFate fate : recovery.pods()) {
            one("pod " + fate.pod().id(), () -> pods.put(fate.pod().id(), take(fate)));
        }
        for (Recovery.ContainerFate fate : recovery.containers()) {
            LivePod pod = pods.get(fate.container().podId());
            if (pod == null) {
                LOG.log(Level.ERROR, "container.orphan id=" + fate.container().id() + " cause=its pod is not recorded");
            } else {
                one("container " + fate.container().id(), () -> take(fate, pod));
            }
        }
        pods.values().stream()
                .filter(pod -> services.pods().record(pod).state() == PodState.NOTREADY)
                .forEach(pod -> one("pod " + pod.id(), () -> services.pods().release(pod)));
        removeOrphans(
                Places.CONTAINERS,
                database.containers().stream().map(ContainerRecord::id).toList());
        removeOrphans(Places.PODS, database.pods().stream().map(PodRecord::id).toList());
        LOG.log(
                Level.INFO,
                "server.recovered pods=" + database.pods().size() + " containers="
                        + database.containers().size());
    }

    /** One that cannot be taken over must not keep the others from it. */
    private static void one(String what, Runnable work) {
        try {
            work.run();
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "recovery.failed of " + what, e);
        }
    }

    private LivePod take(Recovery.PodFate fate) {
        return switch (fate) {
            case Recovery.PodFate.Kept(PodRecord record) -> services.pods().adopt(record);
            case Recovery.PodFate.Became(PodRecord record) -> {
                node.database().commit(new Change.PutPod(record));
                yield services.pods().adopt(record);
            }
            case Recovery.PodFate.Reopen(PodRecord record, var launched) -> {
                LivePod pod = services.pods().adopt(record);
                boolean runs = services.pods().reopen(pod, launched);
                if (!runs) {
                    node.database().commit(new Change.PutPod(Recovery.afterReopen(record, false)));
                }
                yield pod;
            }
        };
    }

    private void take(Recovery.ContainerFate fate, LivePod pod) {
        ContainerLifecycle containers = services.containers();
        switch (fate) {
            case Recovery.ContainerFate.Kept(ContainerRecord record) -> release(containers.adopt(record, pod));
            case Recovery.ContainerFate.Became(ContainerRecord record) -> {
                node.database().commit(new Change.PutContainer(record));
                release(containers.adopt(record, pod));
            }
            case Recovery.ContainerFate.Reopen(ContainerRecord record, var launched) ->
                containers.reopen(containers.adopt(record, pod), launched);
        }
    }

    private void release(LiveContainer container) {
        if (services.containers().record(container).state() != ContainerState.RUNNING) {
            services.containers().release(container);
        }
    }

    /** Directories, processes and cgroups of what was begun and never recorded. */
    private void removeOrphans(String kind, List<String> recorded) {
        Path states = node.places().state().resolve(kind);
        Path files = node.places().root().resolve(kind);
        List<String> names = Stream.concat(Directories.names(states).stream(), Directories.names(files).stream())
                .distinct()
                .toList();
        for (String name : Recovery.orphans(names, recorded)) {
            one(kind + " " + name, () -> {
                removeCgroup(states.resolve(name).resolve(CGROUP));
                if (kind.equals(Places.PODS)) {
                    node.places().ownPodCgroup(name).ifPresent(this::remove);
                }
                Directories.remove(states.resolve(name));
                Directories.remove(files.resolve(name));
                LOG.log(Level.INFO, "recovery.undone kind=" + kind + " id=" + Places.shortId(name));
            });
        }
    }

    private void removeCgroup(Path note) {
        try (Fd file = Kernel.open(note.toString(), LinuxConstants.O_RDONLY)) {
            String path = new String(Kernel.readAll(file, MAX_PATH_BYTES), StandardCharsets.UTF_8);
            if (!path.isEmpty()) {
                remove(path);
            }
        } catch (KernelException e) {
            if (!e.is(Errno.ENOENT)) {
                throw e;
            }
        }
    }

    private void remove(String path) {
        Cgroup cgroup = Cgroup.at(node.host().cgroups(), path);
        if (cgroup.exists()) {
            cgroup.kill(KILL_LIMIT);
            cgroup.remove(KILL_LIMIT);
        }
    }
}
