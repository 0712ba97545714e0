package io.portafilter.container;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.ProcDirectory;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The namespaces of a pod sandbox, or those that a container joins, by kind, as inode numbers of nsfs ({@code namespaces(7)}). */
record NamespaceInodes(Map<String, Long> byKind) {

    NamespaceInodes {
        byKind = Map.copyOf(byKind);
    }

    /** The kinds by which {@code /proc/PID/ns} names them; what is born in its PID namespace has one of its own. */
    private static final List<String> KINDS =
            List.of("user", "mnt", "pid", "pid_for_children", "net", "ipc", "uts", "cgroup");

    /** The server's, which it never leaves. */
    static final NamespaceInodes OWN = own();

    private static NamespaceInodes own() {
        try (ProcDirectory self = ProcDirectory.open(Kernel.getpid())) {
            return of(self);
        }
    }

    /** A process's own. */
    static NamespaceInodes of(ProcDirectory process) {
        Map<String, Long> inodes = new HashMap<>();
        for (String kind : KINDS) {
            inodes.put(kind, process.namespaceInode(kind));
        }
        return new NamespaceInodes(inodes);
    }

    static NamespaceInodes of(Monitor pod) {
        Map<String, Long> inodes = new HashMap<>();
        for (String kind : ProgramWriter.KEPT_NAMESPACES) {
            try (Fd namespace = pod.podNamespace(kind)) {
                inodes.put(kind, Kernel.fstat(namespace).inode());
            }
        }
        return new NamespaceInodes(inodes);
    }

    /** The same but for one kind. */
    NamespaceInodes with(String kind, long inode) {
        Map<String, Long> inodes = new HashMap<>(byKind);
        inodes.put(kind, inode);
        return new NamespaceInodes(inodes);
    }

    long of(String kind) {
        Long inode = byKind.get(kind);
        if (inode == null) {
            throw new IllegalArgumentException("no namespace of kind " + kind);
        }
        return inode;
    }
}
