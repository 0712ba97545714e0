package io.portafilter.state;

/** The two states of a pod sandbox in CRI: never back from {@link #NOTREADY}. */
public enum PodState {
    READY,
    NOTREADY
}
