package io.portafilter.state;

/**
 * A container's state, never backwards. CRI knows no {@link #STARTING}: it is committed between the check of a
 * prepared container and the opening of its gate, so that no program ever ran that the records do not know.
 */
public enum ContainerState {
    CREATED,
    STARTING,
    RUNNING,
    EXITED
}
