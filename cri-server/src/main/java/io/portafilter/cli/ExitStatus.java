package io.portafilter.cli;

/** Exit statuses that mean something to scripts. */
final class ExitStatus {
    /** A command other than run failed. */
    static final int FAILED = 1;

    /** The command line is wrong. */
    static final int USAGE = 2;

    /** run itself failed, not the pod. */
    static final int RUN_FAILED = 125;

    /** The program cannot be executed. */
    static final int NOT_EXECUTABLE = 126;

    /** The program was not found. */
    static final int NOT_FOUND = 127;

    /** Stopped by Ctrl-C: 128 + SIGINT. */
    static final int INTERRUPTED = 130;

    private ExitStatus() {}
}
