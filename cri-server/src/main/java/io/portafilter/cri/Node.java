package io.portafilter.cri;

import io.portafilter.container.Host;
import io.portafilter.image.ImageStore;
import io.portafilter.linux.EventLoop;
import io.portafilter.state.ContainerLock;
import io.portafilter.state.Database;
import io.portafilter.state.PodLock;
import io.portafilter.streaming.LogLoop;
import java.time.Instant;
import java.util.concurrent.Executor;

/**
 * What the life cycles share: one for each server.
 *
 * @param events watches first processes for their end
 * @param logs writes all logs
 * @param exits does what is to be done at the end of a container, a bounded number of them at a time
 * @param bootId this boot, as records are marked with it
 */
record Node(
        Host host,
        Database database,
        ImageStore images,
        EventLoop events,
        LogLoop logs,
        Executor exits,
        Places places,
        PodLock podLock,
        ContainerLock containerLock,
        InFlight inFlight,
        String bootId) {

    /** Nanoseconds since the epoch, as CRI counts time. */
    static long now() {
        return nanos(Instant.now());
    }

    static long nanos(Instant at) {
        return at.getEpochSecond() * 1_000_000_000L + at.getNano();
    }
}
