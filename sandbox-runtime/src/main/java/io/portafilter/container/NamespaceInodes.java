package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.ProcDirectory;

/**
 * The namespaces of a pod sandbox, or those that a container joins, as inode numbers of nsfs ({@code namespaces(7)}).
 * All are known: a 0 would compare equal to another 0.
 */
record NamespaceInodes(long user, long mnt, long pid, long pidForChildren, long net, long ipc, long uts, long cgroup) {

    NamespaceInodes {
        require("user", user);
        require("mnt", mnt);
        require("pid", pid);
        require("pid_for_children", pidForChildren);
        require("net", net);
        require("ipc", ipc);
        require("uts", uts);
        require("cgroup", cgroup);
    }

    private static void require(String kind, long inode) {
        if (inode == 0) {
            throw new IllegalArgumentException("no inode of the " + kind + " namespace");
        }
    }

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

    /** A pod's: what joins its PID namespace starts its children there. */
    static NamespaceInodes of(Monitor pod) {
        long pid = kept(pod, "pid");
        return new NamespaceInodes(
                kept(pod, "user"),
                kept(pod, "mnt"),
                pid,
                pid,
                kept(pod, "net"),
                kept(pod, "ipc"),
                kept(pod, "uts"),
                kept(pod, "cgroup"));
    }

    private static long kept(Monitor pod, String kind) {
        try (Fd namespace = pod.podNamespace(kind)) {
            return Kernel.inode(namespace, "", AT_EMPTY_PATH);
        }
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
        return switch (kind) {
            case "user" -> user;
            case "mnt" -> mnt;
            case "pid" -> pid;
            case "pid_for_children" -> pidForChildren;
            case "net" -> net;
            case "ipc" -> ipc;
            case "uts" -> uts;
            case "cgroup" -> cgroup;
            default -> throw new IllegalArgumentException("no namespace of kind " + kind);
        };
    }
}
