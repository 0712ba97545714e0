package io.portafilter.container;

import org.jspecify.annotations.Nullable;

/**
 * A descriptor that a launch program is given, by its role. Which number it has is decided by the program's
 * {@link Slots}.
 *
 * @param role what it is for
 * @param index tells several of one role apart; 0 otherwise
 */
record Slot(Role role, int index) {

    enum Role {
        /** The file that takes the raw {@code siginfo_t} of the first process's end. */
        EXIT_FILE,
        /** Read end of the pipe behind descriptor 1 of the program. */
        STDOUT_READ,
        STDOUT_WRITE,
        STDERR_READ,
        STDERR_WRITE,
        /** The null device of the container's own /dev: descriptor 0 of a program that is given no input. */
        STDIN,
        /** Read end of the pipe that is descriptor 0 of a program that takes input. */
        INPUT,
        /** Non-blocking pipe whose one byte makes a monitor stay until the server has taken what it keeps. */
        STAY,
        /** Socket over which the monitor is sent the namespaces to keep. */
        MONITOR_SOCKET,
        /** Write end of the pipe that tells the server how the launch goes. */
        STATUS,
        /** Pipe whose one byte lets a prepared process go on. */
        GATE,
        /** The page that tells how far the process has come. */
        PROGRESS,
        /** The detached root mount. */
        ROOT,
        /** The detached mount for /dev. */
        DEVICES,
        /** {@code O_PATH} descriptor of the null device on {@link #DEVICES}. */
        NULL_DEVICE,
        /** A prepared mount, numbered as in the plan. */
        MOUNT,
        /** The detached mount for the v1 cgroups. */
        CGROUP_TREE,
        /** The container's own cgroup in a v1 hierarchy, numbered as joined. */
        CGROUP_VIEW,
        /** A number for the program's own use, taken from the start so that no new descriptor gets it. */
        SCRATCH,
        /** As {@link #SCRATCH}, for the root of the container's devpts. */
        TERMINALS,
        /** As {@link #SCRATCH}, for the master of its program's terminal. */
        TERMINAL,
        /** A v1 {@code tasks} file. */
        TASKS,
        /** The v2 cgroup's directory. */
        CGROUP,
        /** The root of a proc file system that nobody else has, to tell security modules of labels. */
        PROC,
        NETWORK_NAMESPACE,
        IPC_NAMESPACE,
        UTS_NAMESPACE,
        USER_NAMESPACE,
        PID_NAMESPACE,
        CGROUP_NAMESPACE,
        MOUNT_NAMESPACE,
        /** That of the container whose PID namespace is joined. */
        TARGET_MOUNT_NAMESPACE,
        /** The host's mount namespace, to return to. */
        HOST_MOUNT_NAMESPACE
    }

    // A record's own go through method handles, which the first compiler does not look into; a launch asks a thousand
    // times.

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Slot slot && role == slot.role && index == slot.index;
    }

    @Override
    public int hashCode() {
        return 31 * role.hashCode() + index;
    }

    static Slot of(Role role) {
        return new Slot(role, 0);
    }

    static Slot of(Role role, int index) {
        return new Slot(role, index);
    }
}
