package io.portafilter.cdi;

import java.util.Arrays;
import java.util.stream.Collectors;

/** The versions of the CDI specification that are understood, oldest first. */
enum CdiVersion {
    V0_3_0("0.3.0"),
    /** The type of a mount. */
    V0_4_0("0.4.0"),
    /** The host's path of a device node; names of devices that begin with a digit. */
    V0_5_0("0.5.0"),
    /** Annotations; dots in a class. */
    V0_6_0("0.6.0"),
    /** Additional groups, Intel RDT. */
    V0_7_0("0.7.0"),
    V0_8_0("0.8.0"),
    V1_0_0("1.0.0"),
    /** Network devices; schemata and monitoring of Intel RDT. */
    V1_1_0("1.1.0");

    private final String number;

    CdiVersion(String number) {
        this.number = number;
    }

    static CdiVersion parse(String text) {
        String bare = text.startsWith("v") ? text.substring(1) : text;
        return Arrays.stream(values())
                .filter(version -> version.number.equals(bare))
                .findFirst()
                .orElseThrow(() -> new CdiException("cdiVersion \"" + text + "\" is not known; known are "
                        + Arrays.stream(values()).map(CdiVersion::toString).collect(Collectors.joining(", "))));
    }

    @Override
    public String toString() {
        return number;
    }
}
