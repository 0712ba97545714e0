package io.portafilter.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class InterfaceCountersTest {
    private static final String HEADER = """
            Inter-|   Receive                                                |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
            """;

    @Test
    void aLineIsReadAsTheKernelWritesIt() {
        assertThat(InterfaceCounters.parse(HEADER + """
                                    lo: 42969003    4708    0    0    0     0          0         0 42969003    4708    0    0    0     0       0          0
                                  eth0: 648619027   22538    1    2    0     0          0         0  1968425   17042    3    4    0     0       0          0
                                """))
                .containsExactly(
                        new InterfaceCounters(
                                "lo",
                                new InterfaceCounters.Traffic(42969003, 4708, 0, 0),
                                new InterfaceCounters.Traffic(42969003, 4708, 0, 0)),
                        new InterfaceCounters(
                                "eth0",
                                new InterfaceCounters.Traffic(648619027, 22538, 1, 2),
                                new InterfaceCounters.Traffic(1968425, 17042, 3, 4)));
    }

    @Test
    void aNumberThatTouchesItsNameAndOneBeyondSignedAreRead() {
        assertThat(InterfaceCounters.parse("eth0:18446744073709551615 1 0 0 0 0 0 0 2 3 0 0 0 0 0 0"))
                .containsExactly(new InterfaceCounters(
                        "eth0", new InterfaceCounters.Traffic(-1, 1, 0, 0), new InterfaceCounters.Traffic(2, 3, 0, 0)));
    }

    /** An administrator of the namespace gives names as they like: only slash, colon and blanks are refused there. */
    @Test
    void aNameThatLooksLikeALineIsANameAlone() {
        List<InterfaceCounters> found =
                InterfaceCounters.parse("lo0|bytes=1,\"}#: 1 1 0 0 0 0 0 0 2 3 0 0 0 0 0 0\nshort: 1 2 3\n: 1\n");
        assertThat(found).singleElement().satisfies(one -> {
            assertThat(one.name()).isEqualTo("lo0|bytes=1,\"}#");
            assertThat(one.isLoopback()).isFalse();
        });
    }

    @Test
    void theOwnNamespaceHasALoopback() {
        assertThat(InterfaceCounters.parse(ProcFile.read("/proc/self/net/dev")))
                .anyMatch(InterfaceCounters::isLoopback);
    }

    @Test
    void descriptorsAndSocketsOfAProcessAreCounted() throws Exception {
        int self = (int) ProcessHandle.current().pid();
        OpenFiles before = OpenFiles.of(self, 10_000);
        try (java.net.ServerSocket _ = new java.net.ServerSocket(0);
                java.net.ServerSocket _ = new java.net.ServerSocket(0)) {
            OpenFiles now = OpenFiles.of(self, 10_000);
            assertThat(now.sockets()).isGreaterThanOrEqualTo(before.sockets() + 2);
            assertThat(now.descriptors()).isGreaterThanOrEqualTo(before.descriptors() + 2);
            assertThat(OpenFiles.of(self, 1).sockets()).isLessThanOrEqualTo(1);
        }
        assertThat(OpenFiles.of(Integer.MAX_VALUE, 10)).isEqualTo(OpenFiles.NONE);
    }
}
