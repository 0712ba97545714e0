package io.portafilter.container;

import io.portafilter.linux.ProcessRef;

/**
 * The two processes of a pod sandbox.
 *
 * @param monitor keeps the pod's namespaces
 * @param pause is the first process in them
 */
public record LaunchedPod(ProcessRef monitor, ProcessRef pause) {}
