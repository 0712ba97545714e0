package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.ProcDirectory;

/**
 * The namespaces of a pod sandbox, or those that a container joins, as inode numbers of nsfs ({@code namespaces(7)}); 0
 * for one that is not known.
 */
record NamespaceInodes(long user, long mnt, long pid, long pidForChildren, long net, long ipc, long uts, long cgroup) {

    /** The server's, which it never leaves. */
    static final NamespaceInodes OWN = own();

    private static NamespaceInodes own() {
        try (ProcDirectory self = ProcDirectory.open(Kernel.getpid())) {
            return of(self);
        }
    }

    /** A process's own; what is born in its PID namespace for children has that one. */
    static NamespaceInodes of(ProcDirectory process) {
        return new NamespaceInodes(
                process.namespaceInode("user"),
                process.namespaceInode("mnt"),
                process.namespaceInode("pid"),
                process.namespaceInode("pid_for_children"),
                process.namespaceInode("net"),
                process.namespaceInode("ipc"),
                process.namespaceInode("uts"),
                process.namespaceInode("cgroup"));
    }

    static NamespaceInodes of(Monitor pod) {
        NamespaceInodes inodes = new NamespaceInodes(0, 0, 0, 0, 0, 0, 0, 0);
        for (String kind : ProgramWriter.KEPT_NAMESPACES) {
            try (Fd namespace = pod.podNamespace(kind)) {
                inodes = inodes.with(kind, Kernel.inode(namespace, "", AT_EMPTY_PATH));
            }
        }
        return inodes;
    }

    /** The same but for one kind. */
    NamespaceInodes with(String kind, long inode) {
        return new NamespaceInodes(
                kind.equals("user") ? inode : user,
                kind.equals("mnt") ? inode : mnt,
                kind.equals("pid") ? inode : pid,
                kind.equals("pid_for_children") ? inode : pidForChildren,
                kind.equals("net") ? inode : net,
                kind.equals("ipc") ? inode : ipc,
                kind.equals("uts") ? inode : uts,
                kind.equals("cgroup") ? inode : cgroup);
    }

    /** By the name of its file in {@code /proc/PID/ns}. */
    long of(String kind) {
        long inode = switch (kind) {
            case "user" -> user;
            case "mnt" -> mnt;
            case "pid" -> pid;
            case "pid_for_children" -> pidForChildren;
            case "net" -> net;
            case "ipc" -> ipc;
            case "uts" -> uts;
            case "cgroup" -> cgroup;
            default -> 0;
        };
        if (inode == 0) {
            throw new IllegalArgumentException("no namespace of kind " + kind);
        }
        return inode;
    }
}
