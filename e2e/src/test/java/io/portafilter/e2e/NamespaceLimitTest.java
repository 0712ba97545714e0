package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Limits of namespaces, see namespaces(7): in the machine of {@code e2e/vm}, for they are the whole host's. */
@Tag("vm")
class NamespaceLimitTest {

    @RegisterExtension
    static final Live live = Live.server();

    private static final int FIRST_HOST_ID = 6_553_600;

    @BeforeAll
    static void mayBeSet() {
        assumeTrue(Boolean.getBoolean("portafilter.vm"), "sets sysctls of the host: only in e2e/vm");
    }

    @TestFactory
    Stream<DynamicTest> aLimitThatIsReachedIsNamedAndNothingIsLeft() {
        return Stream.of("user", "net", "ipc", "uts", "pid", "mnt")
                .map(kind -> DynamicTest.dynamicTest(kind, () -> {
                    // What a server makes once for itself is there before.
                    launch();
                    live.cri().pods().forEach(pod -> live.cri().removePod(pod.getId()));
                    Host before = live.host();
                    Path sysctl = Path.of("/proc/sys/user/max_" + kind + "_namespaces");
                    String limit = read(sysctl);
                    Files.writeString(sysctl, "0");
                    try {
                        assertThat(Refusal.of(NamespaceLimitTest::launch).message())
                                .contains("user.max_*_namespaces");
                    } finally {
                        Files.writeString(sysctl, limit);
                    }
                    live.cri().pods().forEach(pod -> live.cri().removePod(pod.getId()));
                    live.awaitAsBefore(before);
                    launch();
                }));
    }

    /** Of each kind it has one of its own. */
    private static void launch() {
        Container container = live.pod()
                .userNamespace(FIRST_HOST_ID)
                .run()
                .container(live.busybox())
                .idle()
                .start();
        assertThat(container.shell("echo runs")).isEqualTo("runs");
    }

    private static String read(Path sysctl) throws IOException {
        // Its size is not what stat(2) says.
        try (Stream<String> lines = Files.lines(sysctl)) {
            return lines.findFirst().orElseThrow();
        }
    }
}
