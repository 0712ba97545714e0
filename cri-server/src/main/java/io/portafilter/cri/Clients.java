package io.portafilter.cri;

import io.grpc.Attributes;
import io.grpc.ServerTransportFilter;
import org.jspecify.annotations.Nullable;

/** Counts the connections of a server. */
final class Clients extends ServerTransportFilter {

    private int connected;

    @Override
    public synchronized Attributes transportReady(Attributes attributes) {
        connected++;
        return attributes;
    }

    /** Without attributes: one that was never ready, such as that of who only looks whether anybody listens. */
    @Override
    public synchronized void transportTerminated(@Nullable Attributes attributes) {
        if (attributes != null) {
            connected--;
            notifyAll();
        }
    }

    /** Waits for the last one to leave. */
    synchronized void awaitNone() throws InterruptedException {
        while (connected > 0) {
            wait();
        }
    }

    /** Waits a moment for the last one to leave; whether it has. */
    synchronized boolean areGoneWithin(long millis) throws InterruptedException {
        long end = System.nanoTime() + millis * 1_000_000;
        long left = millis;
        while (connected > 0 && left > 0) {
            wait(left);
            left = (end - System.nanoTime()) / 1_000_000;
        }
        return connected == 0;
    }
}
