package io.portafilter.container;

/** Whose PID namespace a container's processes live in. */
public enum PidMode {
    /** The pod's, shared by its containers; the pause process is process 1. */
    POD,
    /** One of its own; the program is process 1. */
    CONTAINER,
    /** The host's. */
    NODE,
    /** That of another container of the pod. */
    TARGET
}
