package io.portafilter.linux;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

/** What a test needs of the machine; without it the test is skipped and says so. */
final class Needs {

    private Needs() {}

    static void root() {
        assumeTrue(Kernel.geteuid() == 0, "needs root");
    }

    static void capability(Capability capability) {
        root();
        CapabilitySet own =
                ProcStatus.parse(ProcFile.read("/proc/thread-self/status")).effective();
        assumeTrue(own.contains(capability), "needs " + capability);
    }

    static void kernel(int major, int minor) {
        SystemName kernel = Kernel.uname();
        assumeTrue(kernel.isAtLeast(major, minor), "needs Linux " + major + "." + minor + ", not " + kernel.release());
    }
}
