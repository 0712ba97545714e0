package io.portafilter.e2e;

import java.nio.file.Path;

/** A container runtime on a socket of its own, its files and cgroups apart from those of all others. */
public sealed interface CriServer extends AutoCloseable permits PortafilterServer, UnitServer, Containerd {
    Cri cri();

    /** Below it lie the directories of this server and, in {@code logs}, those of its containers' logs. */
    Path base();

    /** What does not outlive a reboot. */
    Path state();

    /** Absolute; below it are the cgroups of its pods. */
    String cgroupParent();

    /** Removes pods, ends the server, removes what it left. */
    @Override
    void close();
}
