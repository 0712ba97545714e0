package io.portafilter.container;

import io.portafilter.linux.ProcessRef;

/**
 * The two processes of a container.
 *
 * @param monitor keeps its namespaces and log pipes, and writes how it ended
 * @param init runs its program
 */
public record LaunchedContainer(ProcessRef monitor, ProcessRef init) {}
