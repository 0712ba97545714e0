package io.portafilter.linux;

import java.util.Locale;

/** A processor architecture whose system call numbers are known. */
public enum Architecture {
    X86_64,
    AARCH64;

    private static final Architecture CURRENT = ofName(System.getProperty("os.arch", ""));

    /** The architecture that this JVM runs on. */
    public static Architecture current() {
        return CURRENT;
    }

    private static Architecture ofName(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "amd64", "x86_64", "x86-64" -> X86_64;
            case "aarch64", "arm64" -> AARCH64;
            case String other ->
                throw new UnsupportedOperationException(
                        "the processor architecture " + other + " is not supported; x86-64 and AArch64 are");
        };
    }
}
