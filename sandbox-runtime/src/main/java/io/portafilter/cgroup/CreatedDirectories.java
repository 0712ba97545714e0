package io.portafilter.cgroup;

import io.portafilter.linux.Errno;
import io.portafilter.linux.KernelException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;

/** The cgroups that an operation makes, parents included, so that they can be removed when it fails. */
final class CreatedDirectories {
    /** A parent may be removed by another thread between its making and ours: once or twice, not for ever. */
    private static final int ATTEMPTS = 5;

    private final Deque<CgroupDirectory> created = new ArrayDeque<>();

    /**
     * Makes a cgroup and the parents that are missing.
     *
     * @param root where the hierarchy is mounted
     * @param prepare what has to be done with each directory on the way before it can have children or processes
     * @return whether the cgroup itself was made, or there before
     */
    boolean make(String root, CgroupPath path, Consumer<CgroupDirectory> prepare) {
        for (int attempt = 1; ; attempt++) {
            try {
                boolean made = false;
                for (String each : path.fromTheTop()) {
                    CgroupDirectory directory = new CgroupDirectory(root + each);
                    made = directory.create();
                    if (made) {
                        created.push(directory);
                    }
                    prepare.accept(directory);
                }
                return made;
            } catch (KernelException e) {
                if (!e.is(Errno.ENOENT) || attempt == ATTEMPTS) {
                    throw e;
                }
            }
        }
    }

    /** Removes what was made and is still empty. What fails is suppressed into the error that led here. */
    void undo(RuntimeException cause) {
        while (!created.isEmpty()) {
            try {
                // stays when someone else uses a parent by now, who then has to remove it
                created.pop().removeIfUnused();
            } catch (RuntimeException e) {
                cause.addSuppressed(e);
            }
        }
    }
}
