package io.portafilter.audit;

import static io.portafilter.linux.LinuxConstants.SECCOMP_MODE_FILTER;

import io.portafilter.audit.Difference.Kind;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.ProcStatus;
import io.portafilter.linux.ProcStatus.Ids;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.IdMappings;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Compares what a process may do with what its container was given. */
final class Comparison {

    private final GivenRights given;
    private final ProcStatus found;
    private final List<Difference> differences = new ArrayList<>();

    private Comparison(GivenRights given, ProcStatus found) {
        this.given = given;
        this.found = found;
    }

    /**
     * The differences of one process.
     *
     * @param uidMap its {@code uid_map}, as the host sees it
     * @param gidMap its {@code gid_map}, as the host sees it
     * @param ownUserNamespace it is not in the user namespace that the container was started in
     */
    static List<Difference> of(
            GivenRights given, ProcStatus found, String uidMap, String gidMap, boolean ownUserNamespace) {
        Comparison comparison = new Comparison(given, found);
        comparison.seccomp();
        comparison.noNewPrivileges();
        if (ownUserNamespace) {
            comparison.add(
                    Kind.ELSEWHERE, "it is in a user namespace that it made: its capabilities and user count there");
        } else {
            comparison.mapping("uid_map", uidMap, IdMappings::uidMapText);
            comparison.mapping("gid_map", gidMap, IdMappings::gidMapText);
            comparison.user();
            comparison.capabilities();
        }
        return comparison.differences;
    }

    private void add(Kind kind, String sentence) {
        differences.add(new Difference(kind, sentence));
    }

    private void seccomp() {
        int filters = given.seccompFilters();
        if (filters == 0) {
            return;
        }
        if (found.seccompMode() < SECCOMP_MODE_FILTER) {
            add(Kind.MORE, "no seccomp filter applies, given " + filters);
        } else if (found.seccompFilters() >= 0 && found.seccompFilters() < filters) {
            add(Kind.MORE, found.seccompFilters() + " seccomp filters apply, given " + filters);
        } else if (found.seccompFilters() > filters) {
            add(Kind.LESS, found.seccompFilters() + " seccomp filters apply, given " + filters);
        }
    }

    private void noNewPrivileges() {
        if (given.noNewPrivileges() && !found.noNewPrivileges()) {
            add(Kind.MORE, "no_new_privs is off, given on");
        } else if (!given.noNewPrivileges() && found.noNewPrivileges()) {
            add(Kind.LESS, "no_new_privs is on, given off");
        }
    }

    private interface MapText {
        String of(IdMappings ids);
    }

    private void mapping(String file, String text, MapText asked) {
        given.ids().ifPresent(ids -> {
            List<String> expected = words(asked.of(ids));
            if (!expected.equals(words(text))) {
                add(Kind.MORE, file + " is " + String.join(" ", words(text)) + ", given " + String.join(" ", expected));
            }
        });
    }

    private static List<String> words(String text) {
        return List.of(text.strip().split("\\s+"));
    }

    /** Root may become anybody with the rights that it was given; somebody else may not. */
    private void user() {
        Set<Long> users = others(found.uids(), given.hostUid(given.uid()));
        Set<Long> groups = others(found.gids(), given.hostGid(given.gid()));
        Kind kind = given.uid() == 0 ? Kind.LESS : Kind.MORE;
        if (!users.isEmpty()) {
            add(kind, "its user on the host is " + joined(users) + ", given " + given.hostUid(given.uid()));
        }
        if (!groups.isEmpty()) {
            add(kind, "its group on the host is " + joined(groups) + ", given " + given.hostGid(given.gid()));
        }
        if (given.uid() != 0) {
            Set<Long> supplementary =
                    found.groups().stream().map(Integer::toUnsignedLong).collect(Collectors.toCollection(TreeSet::new));
            given.groups().forEach(group -> supplementary.remove(given.hostGid(group)));
            if (!supplementary.isEmpty()) {
                add(Kind.MORE, "it has the groups " + joined(supplementary) + " of the host, which were not given");
            }
        }
    }

    private static Set<Long> others(Ids ids, long expected) {
        return IntStream.of(ids.real(), ids.effective(), ids.saved(), ids.fileSystem())
                .mapToObj(Integer::toUnsignedLong)
                .filter(id -> id != expected)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static String joined(Set<Long> ids) {
        return ids.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }

    /** The bounding set is what execve of a file with capabilities, or of a set-user-ID one, can bring. */
    private void capabilities() {
        CapabilitySets sets = given.capabilities();
        set("bounding", sets.bounding(), sets.bounding(), found.bounding());
        set("permitted", sets.permitted(), sets.bounding(), found.permitted());
        set("effective", sets.effective(), sets.bounding(), found.effective());
        set("inheritable", sets.inheritable(), sets.bounding(), found.inheritable());
        set("ambient", sets.ambient(), sets.bounding(), found.ambient());
    }

    private void set(String name, CapabilitySet started, CapabilitySet most, CapabilitySet now) {
        if (!most.containsAll(now)) {
            add(Kind.MORE, "its " + name + " set holds " + now.minus(most) + ", which were not given");
        } else if (!now.containsAll(started)) {
            add(Kind.LESS, "its " + name + " set lacks " + started.minus(now));
        }
    }
}
