package io.portafilter.cri;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.portafilter.cgroup.Cgroup;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.network.PodNetwork;
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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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

    private static final Duration FIRST_RETRY = Duration.ofSeconds(1);
    private static final Duration LAST_RETRY = Duration.ofMinutes(1);

    private final Services services;
    private final Node node;

    /** Goes on with what could not be undone at once. */
    private Optional<Thread> retries = Optional.empty();

    /** What was begun and never recorded. */
    private record Orphan(String kind, String id) {
        @Override
        public String toString() {
            return kind + " " + id;
        }
    }

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
        List<Orphan> orphans = new ArrayList<>(
                orphans(Places.CONTAINERS, database.containers().stream().map(ContainerRecord::id)));
        orphans.addAll(orphans(Places.PODS, database.pods().stream().map(PodRecord::id)));
        // plugins may take their time: nobody waits for them
        List<Orphan> left = orphans.stream()
                .filter(orphan -> isInNetwork(orphan) || !one(orphan.toString(), () -> remove(orphan)))
                .toList();
        retries = Optional.of(Thread.ofPlatform().daemon().name("remains").start(() -> removeLater(left)));
        LOG.log(
                Level.INFO,
                "server.recovered pods=" + database.pods().size() + " containers="
                        + database.containers().size());
    }

    /** Ends what still goes on. */
    void close() {
        retries.ifPresent(Thread::interrupt);
    }

    /** One that cannot be taken over must not keep the others from it; false for such a one. */
    @CanIgnoreReturnValue
    private static boolean one(String what, Runnable work) {
        try {
            work.run();
            return true;
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "recovery.failed of " + what, e);
            return false;
        }
    }

    /** Nobody else knows of these, so nobody else will ask for their removal. */
    private void removeLater(List<Orphan> orphans) {
        List<Orphan> left = new ArrayList<>(orphans);
        left.removeIf(orphan -> isInNetwork(orphan) && one(orphan.toString(), () -> remove(orphan)));
        one("networks", () -> services.network().collectGarbage(podFiles()));
        Duration pause = FIRST_RETRY;
        while (!left.isEmpty()) {
            try {
                Thread.sleep(pause);
            } catch (InterruptedException e) {
                return; // the server ends; the next one finds them
            }
            pause = pause.multipliedBy(2).compareTo(LAST_RETRY) < 0 ? pause.multipliedBy(2) : LAST_RETRY;
            left.removeIf(this::isRemovedNow);
        }
    }

    private boolean isInNetwork(Orphan orphan) {
        return orphan.kind().equals(Places.PODS)
                && PodNetwork.isNoted(files(orphan.kind()).resolve(orphan.id()));
    }

    private List<Path> podFiles() {
        Path pods = files(Places.PODS);
        return Directories.names(pods).stream().map(pods::resolve).toList();
    }

    private boolean isRemovedNow(Orphan orphan) {
        try {
            remove(orphan);
            return true;
        } catch (RuntimeException e) {
            LOG.log(Level.DEBUG, "recovery.pending of " + orphan, e);
            return false;
        }
    }

    private LivePod take(Recovery.PodFate fate) {
        return switch (fate) {
            case Recovery.PodFate.Kept(PodRecord record) -> services.pods().adopt(record);
            case Recovery.PodFate.Became(PodRecord record) -> {
                node.database().note(new Change.PutPod(record));
                yield services.pods().adopt(record);
            }
            case Recovery.PodFate.Reopen(PodRecord record, var launched) -> {
                LivePod pod = services.pods().adopt(record);
                boolean runs = services.pods().reopen(pod, launched);
                if (!runs) {
                    node.database().note(new Change.PutPod(Recovery.afterReopen(record, false)));
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
                node.database().note(new Change.PutContainer(record));
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

    private List<Orphan> orphans(String kind, Stream<String> recorded) {
        List<String> names = Stream.of(states(kind), files(kind))
                .flatMap(directory -> Directories.names(directory).stream())
                .distinct()
                .toList();
        return Recovery.orphans(names, recorded.toList()).stream()
                .map(name -> new Orphan(kind, name))
                .toList();
    }

    private Path states(String kind) {
        return node.places().state().resolve(kind);
    }

    private Path files(String kind) {
        return node.places().root().resolve(kind);
    }

    /** Its directories, processes and cgroups. */
    private void remove(Orphan orphan) {
        Path state = states(orphan.kind()).resolve(orphan.id());
        removeCgroup(state.resolve(CGROUP));
        if (orphan.kind().equals(Places.PODS)) {
            node.places().ownPodCgroup(orphan.id()).ifPresent(this::remove);
            services.network().removeLeft(files(orphan.kind()).resolve(orphan.id()));
        }
        Directories.remove(files(orphan.kind()).resolve(orphan.id()));
        // the last, for it names the cgroup
        Directories.remove(state);
        LOG.log(Level.INFO, "recovery.undone kind=" + orphan.kind() + " id=" + Places.shortId(orphan.id()));
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
