package io.portafilter.security;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Libseccomp;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Which modes of a processor a filter knows. A program that makes system calls in another mode is killed. */
sealed interface SeccompModes {

    /** All that the machine's processor has. */
    record All() implements SeccompModes {}

    /** The machine's own and those of these names ({@code SCMP_ARCH_*}) that its processor has. */
    record Named(Set<String> names) implements SeccompModes {

        public Named {
            names = Set.copyOf(names);
        }
    }

    /** The machine's own and those that a map of Docker's has for it. */
    record Mapped(Map<String, Set<String>> byArchitecture) implements SeccompModes {

        public Mapped {
            byArchitecture = Map.copyOf(byArchitecture);
        }
    }

    /** The modes as libseccomp numbers them, the machine's own first. */
    default List<Integer> on(Architecture architecture) {
        List<Integer> modes = new ArrayList<>(List.of(own(architecture)));
        for (Foreign foreign : foreign(architecture)) {
            boolean wanted = switch (this) {
                case All() -> true;
                case Named(Set<String> names) -> names.contains(foreign.name());
                case Mapped(Map<String, Set<String>> byArchitecture) ->
                    byArchitecture.getOrDefault(ownName(architecture), Set.of()).contains(foreign.name());
            };
            if (wanted) {
                modes.add(foreign.number());
            }
        }
        return modes;
    }

    /** The mode of the machine itself. */
    static int own(Architecture architecture) {
        return switch (architecture) {
            case X86_64 -> Libseccomp.SCMP_ARCH_X86_64;
            case AARCH64 -> Libseccomp.SCMP_ARCH_AARCH64;
        };
    }

    private static String ownName(Architecture architecture) {
        return switch (architecture) {
            case X86_64 -> "SCMP_ARCH_X86_64";
            case AARCH64 -> "SCMP_ARCH_AARCH64";
        };
    }

    /** A mode beside the processor's own. */
    record Foreign(String name, int number) {}

    private static List<Foreign> foreign(Architecture architecture) {
        return switch (architecture) {
            case X86_64 ->
                List.of(
                        new Foreign("SCMP_ARCH_X86", Libseccomp.SCMP_ARCH_X86),
                        new Foreign("SCMP_ARCH_X32", Libseccomp.SCMP_ARCH_X32));
            case AARCH64 -> List.of(new Foreign("SCMP_ARCH_ARM", Libseccomp.SCMP_ARCH_ARM));
        };
    }
}
