package io.portafilter.launch;

/** What a launch program's processes say on the status pipe. */
public sealed interface StatusRecord {

    /** All is prepared; the process waits at the gate. */
    record Ready() implements StatusRecord {}

    /** A process was started. */
    record Started(int pid) implements StatusRecord {}

    /** An operation failed; the process may still try another way. */
    record Failed(LaunchException failure) implements StatusRecord {}

    /** A process of ours is about to end. */
    record Ending() implements StatusRecord {}

    /** Nobody holds the pipe any more: executed, or ended. */
    record Closed() implements StatusRecord {}
}
