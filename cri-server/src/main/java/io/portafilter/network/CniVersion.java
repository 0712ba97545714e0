package io.portafilter.network;

import java.util.List;
import java.util.Optional;

/**
 * A version of the Container Network Interface specification that is spoken here.
 *
 * @param text as configurations write it
 */
record CniVersion(String text) implements Comparable<CniVersion> {

    /** In order. Before 0.3 a result had one address of each family and no list of interfaces: nobody writes it any more. */
    private static final List<CniVersion> KNOWN = List.of(
            new CniVersion("0.3.0"),
            new CniVersion("0.3.1"),
            new CniVersion("0.4.0"),
            new CniVersion("1.0.0"),
            new CniVersion("1.1.0"));

    /** From here on there is CHECK, and DEL is given the result of ADD. */
    static final CniVersion V0_4 = new CniVersion("0.4.0");

    /** From here on there are STATUS and GC. */
    static final CniVersion V1_1 = new CniVersion("1.1.0");

    static Optional<CniVersion> of(String text) {
        return KNOWN.stream().filter(version -> version.text.equals(text)).findFirst();
    }

    static String known() {
        return String.join(", ", KNOWN.stream().map(CniVersion::text).toList());
    }

    boolean isAtLeast(CniVersion other) {
        return compareTo(other) >= 0;
    }

    @Override
    public int compareTo(CniVersion other) {
        return Integer.compare(KNOWN.indexOf(this), KNOWN.indexOf(other));
    }

    @Override
    public String toString() {
        return text;
    }
}
