package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_EXCL;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Goes along a path below a root, component by component, and makes what is missing. Each step is one name below an open
 * directory, and no step follows a link: a link's text is read and walked here, an absolute one from the root again,
 * {@code ..} by going back to the directory that we came from and never above the root. So nothing that an image or
 * another container puts there leads out.
 *
 * <p>It knows what will be mounted where: at a mount point it goes on in the tree that will be there.
 */
final class Walk implements AutoCloseable {
    /** The kernel's own limit (path_resolution(7)). */
    private static final int MAX_LINKS = 40;

    private static final int MAX_PATH_LENGTH = 4096;

    /** What the path should lead to, and what is made in its place when it is missing. */
    enum Kind {
        DIRECTORY,
        FILE
    }

    /**
     * Mode and owner of what is made.
     *
     * @param uid owner as the host counts
     * @param gid group as the host counts
     */
    record Creation(int directoryMode, int fileMode, long uid, long gid) {}

    /**
     * What will be mounted at a place.
     *
     * @param tree empty for a file system that the container will mount itself: what it holds is not known here
     */
    record Tree(Optional<Fd> tree) {}

    /** Something that was made in a volume: where, and what. */
    record Made(Fd parent, String name, boolean isDirectory) {}

    private record Step(String name, Optional<Fd> opened, boolean isDirectory, boolean inVolume) {}

    private final Map<String, Tree> mounts;
    private final Optional<Creation> creation;
    private final String asked;
    private final List<Step> steps = new ArrayList<>();
    private final List<Made> made = new ArrayList<>();
    private final Deque<String> ahead = new ArrayDeque<>();
    private int links;

    /**
     * @param mounts what will be mounted, by path from the root without links
     * @param creation empty to make nothing: what is missing, and all below it, is taken by its name
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // a step owns its descriptor
    Walk(Fd root, Map<String, Tree> mounts, Optional<Creation> creation, String path) {
        if (path.length() > MAX_PATH_LENGTH || path.indexOf('\0') >= 0 || !path.startsWith("/")) {
            throw new MountRefusal("path \"" + path + "\" in the container: an absolute path of at most "
                    + MAX_PATH_LENGTH + " characters was expected");
        }
        this.mounts = mounts;
        this.creation = creation;
        this.asked = path;
        steps.add(new Step("", Optional.of(root.duplicate()), true, false));
        lookAhead(path);
    }

    /** Walks to the end. */
    void toThe(Kind kind) {
        while (!ahead.isEmpty()) {
            String name = ahead.pop();
            if (name.isEmpty() || name.equals(".")) {
                continue;
            }
            if (name.equals("..")) {
                back();
            } else {
                forward(
                        name,
                        ahead.stream().allMatch(rest -> rest.isEmpty() || rest.equals(".")) ? kind : Kind.DIRECTORY);
            }
        }
    }

    /** Where it stands: the path from the root without links. */
    String path() {
        StringBuilder path = new StringBuilder();
        for (Step step : steps.subList(1, steps.size())) {
            path.append('/').append(step.name);
        }
        return path.isEmpty() ? "/" : path.toString();
    }

    /** What it stands on, opened with {@code O_PATH} as a rule; empty inside what the container mounts itself. */
    Optional<Fd> opened() {
        return steps.getLast().opened;
    }

    boolean isDirectory() {
        return steps.getLast().isDirectory;
    }

    /** What was made in volumes on the way, outermost first; the receiver closes the descriptors. */
    List<Made> handOverMade() {
        List<Made> all = List.copyOf(made);
        made.clear();
        return all;
    }

    private void forward(String name, Kind kind) {
        Step here = steps.getLast();
        if (!here.isDirectory) {
            throw new MountRefusal("path " + asked + " in the container: " + path() + " is not a directory");
        }
        Tree mounted = mounts.get((steps.size() == 1 ? "" : path()) + "/" + name);
        if (mounted != null) {
            enter(name, mounted);
        } else if (here.opened.isEmpty()) {
            steps.add(new Step(name, Optional.empty(), true, true));
        } else {
            step(name, kind, here.opened.get(), here.inVolume);
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // the step owns it
    private void enter(String name, Tree mounted) {
        Optional<Fd> opened = mounted.tree.map(Fd::duplicate);
        boolean directory = opened.map(tree -> Kernel.fstat(tree).isDirectory()).orElse(true);
        steps.add(new Step(name, opened, directory, true));
    }

    @SuppressWarnings("MustBeClosedChecker") // a step owns it, or it is closed here
    private void step(String name, Kind kind, Fd directory, boolean inVolume) {
        Optional<Fd> found = openOrMake(name, kind, directory, inVolume);
        if (found.isEmpty()) {
            steps.add(new Step(name, Optional.empty(), true, inVolume));
            return;
        }
        Fd next = found.get();
        boolean kept = false;
        try {
            FileStatus status = Kernel.fstat(next);
            if (status.isSymbolicLink()) {
                follow(Kernel.readlinkat(next, ""));
            } else {
                steps.add(new Step(name, Optional.of(next), status.isDirectory(), inVolume));
                kept = true;
            }
        } finally {
            if (!kept) {
                next.close();
            }
        }
    }

    private void follow(String target) {
        links++;
        if (links > MAX_LINKS) {
            throw new MountRefusal("path " + asked + " in the container: more than " + MAX_LINKS + " links");
        }
        if (target.startsWith("/")) {
            while (steps.size() > 1) {
                back();
            }
        }
        lookAhead(target);
    }

    private void lookAhead(String path) {
        for (String name : List.of(path.split("/")).reversed()) {
            ahead.push(name);
        }
    }

    private void back() {
        Step here = steps.getLast();
        if (here.opened.isEmpty()) {
            throw new MountRefusal("path " + asked + " in the container: \"..\" is not allowed below " + path());
        }
        if (steps.size() > 1) {
            steps.removeLast().opened.ifPresent(Fd::close);
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // the caller closes it
    private Optional<Fd> openOrMake(String name, Kind kind, Fd directory, boolean inVolume) {
        while (true) {
            try {
                return Optional.of(Kernel.openat(directory, name, O_PATH | O_NOFOLLOW));
            } catch (KernelException e) {
                if (!e.is(Errno.ENOENT)) {
                    throw refused(name, e);
                }
            }
            if (creation.isEmpty()) {
                return Optional.empty();
            }
            try {
                make(creation.get(), name, kind, directory, inVolume);
            } catch (KernelException e) {
                // EEXIST: somebody else made it, we look at what it is
                if (!e.is(Errno.EEXIST)) {
                    throw refused(name, e);
                }
            }
        }
    }

    /**
     * What is made in a volume stays the server's: someone else may be at work there and put another thing in its place,
     * which must not be given away.
     */
    @SuppressWarnings("MustBeClosedChecker") // the list owns it
    private void make(Creation creation, String name, Kind kind, Fd directory, boolean inVolume) {
        switch (kind) {
            case DIRECTORY -> {
                Kernel.mkdirat(directory, name, creation.directoryMode);
                if (!inVolume) {
                    try (Fd opened = Kernel.openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
                        give(opened, creation, creation.directoryMode);
                    }
                }
            }
            case FILE -> {
                int flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW;
                try (Fd opened = Kernel.openat(directory, name, flags, creation.fileMode)) {
                    if (!inVolume) {
                        give(opened, creation, creation.fileMode);
                    }
                }
            }
        }
        if (inVolume) {
            made.add(new Made(directory.duplicate(), name, kind == Kind.DIRECTORY));
        }
    }

    private static void give(Fd opened, Creation creation, int mode) {
        Kernel.fchown(opened, (int) creation.uid, (int) creation.gid);
        Kernel.fchmod(opened, mode); // making it obeyed our umask
    }

    private MountRefusal refused(String name, KernelException e) {
        String at = steps.size() == 1 ? "/" + name : path() + "/" + name;
        return new MountRefusal("path " + asked + " in the container: " + at + ": " + e.getMessage(), e);
    }

    @Override
    public void close() {
        steps.forEach(step -> step.opened.ifPresent(Fd::close));
        made.forEach(one -> one.parent.close());
    }
}
