package io.portafilter.streaming;

import io.portafilter.container.ProcessEnds;
import io.portafilter.linux.Fd;
import java.util.List;
import java.util.concurrent.Callable;

/** What a token stands for: it was asked for over CRI, checked there, and is carried out when its client comes. */
public sealed interface StreamRequest {

    /** Which container or pod it is about, as {@code key=value} pairs for the log. */
    String where();

    /** The first part of the URL's path. */
    String path();

    /**
     * Exec or attach.
     *
     * @param kind which of the two
     * @param command what is run, for the log; empty for attach
     * @param open starts the program, or attaches to it; may wait. Throws {@link NotRun} when there is an answer for the
     *     client, anything else is an error
     */
    record Command(
            Kind kind,
            String where,
            List<String> command,
            boolean stdin,
            boolean stdout,
            boolean stderr,
            boolean tty,
            Callable<ProcessEnds> open)
            implements StreamRequest {

        public Command {
            command = List.copyOf(command);
            if (tty && stderr || !stdin && !stdout && !stderr) {
                throw new IllegalArgumentException("no such combination of streams");
            }
        }

        @Override
        public String path() {
            return kind.path;
        }
    }

    /** A new program in a container, or the one that it was made for. */
    enum Kind {
        EXEC("exec"),
        ATTACH("attach");

        private final String path;

        Kind(String path) {
            this.path = path;
        }
    }

    /**
     * Connections to ports of a pod.
     *
     * @param ports what the request named; a client of the WebSocket form without a tunnel can reach no others
     * @param sockets makes sockets in the pod's network namespace; may wait
     */
    record Forward(String where, List<Integer> ports, Callable<Sockets> sockets) implements StreamRequest {
        public Forward {
            ports = List.copyOf(ports);
        }

        @Override
        public String path() {
            return "portforward";
        }
    }

    /**
     * Non-blocking TCP sockets that are not connected; the receiver closes them.
     *
     * @param families in the order in which they are tried, IPv4 first
     */
    record Sockets(List<Fd> families) implements AutoCloseable {
        public Sockets {
            families = List.copyOf(families);
        }

        @Override
        public void close() {
            families.forEach(Fd::close);
        }
    }

    /** The program was not run, and that is told as a shell does. */
    final class NotRun extends Exception {
        private static final long serialVersionUID = 1L;

        private final int exitCode;

        /** With what goes to the client's stderr. */
        public NotRun(String message, int exitCode) {
            super(message);
            this.exitCode = exitCode;
        }

        int exitCode() {
            return exitCode;
        }
    }
}
