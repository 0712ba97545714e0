package io.portafilter.cgroup;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/** Changes of control files that are taken back together: all limits of an update hold, or none. */
final class Journal {
    /** A cpuset of version 2 is empty as long as its parent's is in force; a write of no bytes would write nothing. */
    static final String NOTHING = "\n";

    private record Change(CgroupDirectory cgroup, String file, String before) {}

    private final Deque<Change> changes = new ArrayDeque<>();
    private final boolean remembers;

    private Journal(boolean remembers) {
        this.remembers = remembers;
    }

    /** For a cgroup that is removed when something fails: no value before counts. */
    static Journal ofNewCgroup() {
        return new Journal(false);
    }

    /** For a cgroup that lives on. */
    static Journal ofUpdate() {
        return new Journal(true);
    }

    /** Writes a value, remembering the one before. */
    void write(CgroupDirectory cgroup, String file, String value) {
        if (remembers) {
            remember(cgroup, file);
        }
        cgroup.write(file, value);
    }

    /** The value in force; empty for a new cgroup, where nothing limits. */
    Optional<String> before(CgroupDirectory cgroup, String file) {
        return remembers ? cgroup.readIfPresent(file) : Optional.empty();
    }

    private void remember(CgroupDirectory cgroup, String file) {
        cgroup.readIfPresent(file)
                .filter(before -> !before.contains("\n"))
                .ifPresent(before -> changes.push(new Change(cgroup, file, before.isEmpty() ? NOTHING : before)));
    }

    /** Writes the values before, latest first. What fails is suppressed into the error that led here. */
    void undo(RuntimeException cause) {
        while (!changes.isEmpty()) {
            Change change = changes.pop();
            try {
                change.cgroup.write(change.file, change.before);
            } catch (RuntimeException e) {
                cause.addSuppressed(e);
            }
        }
    }
}
