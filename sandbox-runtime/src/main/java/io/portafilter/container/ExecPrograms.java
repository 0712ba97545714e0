package io.portafilter.container;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * The launch programs of the last execs: a probe asks for the same one every few seconds, and to write and encode it is a
 * tenth of what an exec costs. A program follows from its plan and its request alone, so the one of equal ones is taken.
 */
final class ExecPrograms {

    /** They take about a megabyte, and a node with more different probes makes its programs anew as before. */
    private static final int MOST = 32;

    /** A command or an environment may be made as large as 2 MiB: the heap is not theirs. */
    private static final int LARGEST_BYTES = 32 * 1024;

    /** All that a program is made from. The hash leaves the plan out, which is large; equality does not. */
    private record Key(ContainerPlan plan, int tasksFiles, List<String> arguments, boolean terminal) {
        @Override
        public int hashCode() {
            return Objects.hash(plan.name(), tasksFiles, arguments, terminal);
        }
    }

    /** A program with its slots, ready to run. */
    record Written(PreparedLaunch.Encoded program, Slots slots) {}

    @GuardedBy("this")
    private final Map<Key, Written> written = new LinkedHashMap<>(MOST, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, Written> eldest) {
            return size() > MOST;
        }
    };

    /** As {@link ExecProgram#of}. */
    Written of(ContainerPlan plan, int tasksFiles, ExecRequest exec) {
        Key key = new Key(plan, tasksFiles, exec.arguments(), exec.terminal());
        synchronized (this) {
            Written known = written.get(key);
            if (known != null) {
                return known;
            }
        }
        ExecProgram program = ExecProgram.of(plan, tasksFiles, exec);
        Written fresh = new Written(PreparedLaunch.Encoded.of(program.program()), program.slots());
        if (fresh.program().image().size() <= LARGEST_BYTES) {
            synchronized (this) {
                written.put(key, fresh);
            }
        }
        return fresh;
    }

    synchronized int size() {
        return written.size();
    }
}
