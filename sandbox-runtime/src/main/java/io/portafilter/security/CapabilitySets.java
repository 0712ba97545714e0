package io.portafilter.security;

import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import java.util.List;

/**
 * The five capability sets of the program (capabilities(7)) as they are after its execve.
 *
 * @param bounding what the program can ever gain
 * @param permitted what it may use
 * @param effective what it uses
 * @param inheritable empty but for the ambient ones (CVE-2022-24769)
 * @param ambient what a user who is not root keeps across execve
 */
public record CapabilitySets(
        CapabilitySet bounding,
        CapabilitySet permitted,
        CapabilitySet effective,
        CapabilitySet inheritable,
        CapabilitySet ambient) {

    /** What a container has that asks for nothing. */
    public static final CapabilitySet DEFAULT = CapabilitySet.of(
            Capability.CAP_CHOWN,
            Capability.CAP_DAC_OVERRIDE,
            Capability.CAP_FSETID,
            Capability.CAP_FOWNER,
            Capability.CAP_MKNOD,
            Capability.CAP_NET_RAW,
            Capability.CAP_SETGID,
            Capability.CAP_SETUID,
            Capability.CAP_SETFCAP,
            Capability.CAP_SETPCAP,
            Capability.CAP_NET_BIND_SERVICE,
            Capability.CAP_SYS_CHROOT,
            Capability.CAP_KILL,
            Capability.CAP_AUDIT_WRITE);

    private static final String ALL = "ALL";

    public CapabilitySets {
        if (!bounding.containsAll(permitted)
                || !permitted.containsAll(effective)
                || !permitted.containsAll(ambient)
                || !inheritable.equals(ambient)) {
            throw new IllegalArgumentException("capability sets contradict one another: bounding " + bounding
                    + "; permitted " + permitted + "; effective " + effective + "; inheritable " + inheritable
                    + "; ambient " + ambient);
        }
    }

    /**
     * The sets for a request. First the default set, or all on add {@code ALL}; drop {@code ALL} empties it; then single
     * names are added, then single names are dropped. An ambient capability counts as added. Nothing beyond what the
     * server has itself is in the result. A privileged container gets all that; of its request only the ambient
     * capabilities count.
     *
     * <p>The kernel empties permitted and effective set when root becomes another user, so that user has the ambient
     * ones alone.
     *
     * @param root whether the program's user is root inside the container
     * @throws SecurityRefusal for an unknown name
     */
    static CapabilitySets of(CapabilityRequest asked, boolean privileged, boolean root, HostFacts host) {
        CapabilitySet added = names("add_capabilities", asked.add(), true);
        CapabilitySet dropped = names("drop_capabilities", asked.drop(), true);
        CapabilitySet keptAcrossExec = names("add_ambient_capabilities", asked.addAmbient(), false);
        CapabilitySet all = host.allCapabilities();

        CapabilitySet start = hasAll(asked.add()) ? all : DEFAULT;
        CapabilitySet kept = hasAll(asked.drop()) ? CapabilitySet.EMPTY : start;
        CapabilitySet wanted = kept.plus(added).plus(keptAcrossExec).minus(dropped);
        CapabilitySet bounding = privileged ? all : wanted.intersect(all);
        CapabilitySet ambient = keptAcrossExec.minus(dropped).intersect(bounding);
        CapabilitySet usable = root ? bounding : ambient;
        return new CapabilitySets(bounding, usable, usable, ambient, ambient);
    }

    /** The capabilities that a request adds by name, ambient ones included. */
    static CapabilitySet addedByName(CapabilityRequest asked) {
        return names("add_capabilities", asked.add(), true)
                .plus(names("add_ambient_capabilities", asked.addAmbient(), false))
                .minus(names("drop_capabilities", asked.drop(), true));
    }

    private static boolean hasAll(List<String> names) {
        return names.stream().anyMatch(ALL::equalsIgnoreCase);
    }

    private static CapabilitySet names(String field, List<String> names, boolean allIsKnown) {
        CapabilitySet set = CapabilitySet.EMPTY;
        for (String name : names) {
            if (allIsKnown && name.equalsIgnoreCase(ALL)) {
                continue;
            }
            set = set.plus(Capability.parse(name)
                    .orElseThrow(() -> new SecurityRefusal(
                            field,
                            "\"" + AccountId.shortened(name) + "\" is no capability",
                            "give names as in capabilities(7), such as NET_BIND_SERVICE"
                                    + (allIsKnown ? ", or ALL" : ""))));
        }
        return set;
    }
}
