package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.precondition;

import io.grpc.Status;
import io.portafilter.cgroup.Cgroup;
import io.portafilter.container.ContainerLaunch;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.state.ContainerLock;
import io.portafilter.state.ContainerState;
import io.portafilter.streaming.ContainerLog;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Ends containers: by their stop signal and a grace period, by killing, or before they ever ran. */
final class ContainerStop {

    private static final Logger LOG = System.getLogger(ContainerStop.class.getName());

    private static final Duration KILL_LIMIT = Duration.ofSeconds(10);

    /** More would be no wait but for ever. */
    private static final Duration LONGEST_GRACE = Duration.ofDays(3650);

    private final Node node;
    private final LiveTable<LiveContainer> containers;

    ContainerStop(Node node, LiveTable<LiveContainer> containers) {
        this.node = node;
        this.containers = containers;
    }

    /** The start of a container, as what is under way. */
    record Starting(String id) {}

    /** Ends a prepared process, if there is one, and closes its log. */
    static void unprepare(LiveContainer container) {
        container.log().ifPresent(ContainerLog::close);
        container.log(Optional.empty());
        container.prepared().ifPresent(ContainerLaunch::close);
        container.prepared(Optional.empty());
    }

    /**
     * Stops a container: unknown or not running ones are stopped already.
     *
     * @param timeoutSeconds how long after the stop signal its processes are killed; 0 kills at once
     */
    void stop(String idOrPrefix, long timeoutSeconds) {
        if (timeoutSeconds < 0) {
            throw invalid("timeout", timeoutSeconds + " is negative", "give seconds, 0 to kill at once");
        }
        containers.find(idOrPrefix).ifPresent(container -> {
            node.inFlight().awaitNone(new Starting(container.id()));
            stop(container, Duration.ofSeconds(Math.min(timeoutSeconds, LONGEST_GRACE.toSeconds())));
        });
    }

    /** Holds no lock over the grace period; whoever's time is over first kills. */
    private void stop(LiveContainer container, Duration grace) {
        if (!isRunning(container)) {
            return;
        }
        if (grace.isPositive()) {
            if (container.sendsStopSignal()) {
                signal(container, container.spec().stopSignal());
            }
            if (awaitExit(container, grace)) {
                return;
            }
        }
        kill(container);
    }

    boolean isRunning(LiveContainer container) {
        return node.database()
                .container(container.id())
                .filter(record -> record.state() == ContainerState.RUNNING)
                .isPresent();
    }

    private void signal(LiveContainer container, int signal) {
        try (ContainerLock.Held held = node.containerLock().hold(container.id())) {
            held.require(container.id());
            container.running().ifPresent(running -> {
                try {
                    Kernel.pidfdSendSignal(running.init(), signal);
                } catch (KernelException e) {
                    if (e.is(Errno.EACCES)) {
                        // an AppArmor profile without a rule for signals from unconfined: it is killed by its cgroup
                        LOG.log(
                                Level.WARNING,
                                "container.unsignalled container=" + container.name() + " id="
                                        + Places.shortId(container.id())
                                        + " cause=its AppArmor profile takes no signals from the server");
                    } else if (!e.is(Errno.ESRCH)) {
                        throw e;
                    }
                }
            });
        }
    }

    /** Kills all its processes, frozen, stopped or not, and waits until its end is recorded. */
    void kill(LiveContainer container) {
        Cgroup cgroup = Cgroup.at(node.host().cgroups(), ContainerEnd.cgroupPath(node, container));
        container.killing(cgroup.oomKills());
        cgroup.kill(KILL_LIMIT);
        if (!awaitExit(container, KILL_LIMIT)) {
            throw precondition(
                    "container " + container.id(),
                    "its processes are killed, but its end is not seen after " + KILL_LIMIT.toSeconds() + " s",
                    "look for what its processes wait for in the kernel, then try again");
        }
    }

    private static boolean awaitExit(LiveContainer container, Duration limit) {
        try {
            return container.exited().get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CriException(
                    Status.Code.UNAVAILABLE, "container " + container.id(), "the server is ending", "try again", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("the end of container " + container.id() + " was not recorded", e);
        }
    }

    /** Kills all containers of a pod that has stopped, and ends those that wait at their gate. */
    void stopAll(List<LiveContainer> all) {
        for (LiveContainer container : all) {
            node.inFlight().awaitNone(new Starting(container.id()));
            if (!isRunning(container)) {
                try (ContainerLock.Held held = node.containerLock().hold(container.id())) {
                    held.require(container.id());
                    unprepare(container);
                }
            }
        }
        all.forEach(container -> stop(container, Duration.ZERO));
    }
}
