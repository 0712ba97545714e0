package io.portafilter.e2e;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Who a process is and what it may do, as its {@code status} file says (proc_pid_status(5)): ids are those of the user
 * namespace of the process that read it.
 *
 * @param uids the different ones of its four user ids: one, unless a setuid program runs
 * @param gids likewise
 * @param groups as setgroups(2) got them
 * @param seccomp 0 without a filter, 2 with one
 * @param filters how many
 */
record ProcessRights(
        Set<Long> uids,
        Set<Long> gids,
        List<Long> groups,
        Set<String> inheritable,
        Set<String> permitted,
        Set<String> effective,
        Set<String> bounding,
        Set<String> ambient,
        boolean noNewPrivs,
        int seccomp,
        int filters) {

    static ProcessRights of(Map<String, String> status) {
        return new ProcessRights(
                new TreeSet<>(numbers(status, "Uid")),
                new TreeSet<>(numbers(status, "Gid")),
                numbers(status, "Groups"),
                capabilities(status, "CapInh"),
                capabilities(status, "CapPrm"),
                capabilities(status, "CapEff"),
                capabilities(status, "CapBnd"),
                capabilities(status, "CapAmb"),
                Proc.required(status, "NoNewPrivs").equals("1"),
                Integer.parseInt(Proc.required(status, "Seccomp")),
                Integer.parseInt(Proc.required(status, "Seccomp_filters")));
    }

    /** Of the container's first process, seen from the host, with the host's ids. */
    static ProcessRights ofFirst(Container container) {
        return of(container.process().status());
    }

    /** Of an exec, seen by itself. */
    static ProcessRights ofExec(Container container) {
        Container.Output output = container.exec("/bin/cat", "/proc/self/status");
        if (output.exitCode() != 0) {
            throw new AssertionError("cat of its own status: " + output);
        }
        return of(Proc.parseStatus(output.stdout()));
    }

    /** The same without ids, which differ between inside and outside of a user namespace. */
    ProcessRights withoutIds() {
        return new ProcessRights(
                Set.of(),
                Set.of(),
                List.of(),
                inheritable,
                permitted,
                effective,
                bounding,
                ambient,
                noNewPrivs,
                seccomp,
                filters);
    }

    private static List<Long> numbers(Map<String, String> status, String line) {
        return Arrays.stream(Proc.required(status, line).split(" "))
                .filter(word -> !word.isEmpty())
                .map(Long::valueOf)
                .toList();
    }

    private static Set<String> capabilities(Map<String, String> status, String line) {
        return Proc.capabilityNames(Proc.required(status, line));
    }
}
