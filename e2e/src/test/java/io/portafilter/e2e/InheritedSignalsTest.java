package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cri.v1.NamespaceMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * A server that was started by nohup(1), or by a program that ignores or blocks signals, does not hand that on: whoever
 * runs in a container is stopped by the signals that stop programs.
 */
class InheritedSignalsTest {
    @RegisterExtension
    static final Live live = Live.server();

    /** HUP, INT, QUIT, PIPE, TERM, CHLD, USR1, USR2, and the two that glibc keeps to itself. */
    private static final String IGNORING = """
            use POSIX;
            $SIG{$_} = 'IGNORE' for qw(HUP INT QUIT PIPE USR1 USR2 TTOU TSTP);
            sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1, 2, 10, 12, 13, 14, 15, 17, 28, 34, 40, 64));
            exec { $ARGV[0] } @ARGV or die $!;
            """;

    private static List<String> signalsOf(Map<String, String> status) {
        List<String> sets = new ArrayList<>();
        for (String set : List.of("SigIgn", "SigBlk")) {
            sets.add(set + " " + Proc.required(status, set));
        }
        return sets;
    }

    private static final List<String> NONE = List.of("SigIgn 0000000000000000", "SigBlk 0000000000000000");

    @Test
    void noSignalIsIgnoredOrBlockedInContainersAndExecs() {
        assumeTrue(Commands.run("perl", "-e", "1").status() == 0, "perl is missing");
        String image = live.busybox();
        live.portafilter().kill();
        var _ = live.portafilter().start(List.of("perl", "-e", IGNORING));
        live.portafilter().awaitRecovery();
        // it is as the test wants it: what the server itself does not need stays ignored
        assertThat(signalsOf(new Proc(live.portafilter().pid()).status()).getFirst())
                .isNotEqualTo(NONE.getFirst());
        for (Pod pod : List.of(
                live.pod().run(),
                live.pod().pid(NamespaceMode.POD).run(),
                live.pod().userNamespace(3_932_160).run())) {
            Container container =
                    pod.container(image).command("/bin/sleep", "1000").start();
            Map<String, String> first = container.process().status();
            assertThat(signalsOf(first)).isEqualTo(NONE);
            assertThat(signalsOf(Proc.parseStatus(
                            container.exec("/bin/cat", "/proc/self/status").stdout())))
                    .isEqualTo(NONE);
            // pause reaps by ignoring SIGCHLD, and nothing else
            assertThat(signalsOf(pod.pause().status())).isEqualTo(List.of("SigIgn 0000000000010000", NONE.getLast()));
            // monitors block all that can be blocked, on purpose, and ignore nothing
            long monitor = Long.parseLong(Proc.required(first, "PPid"));
            assertThat(signalsOf(new Proc(monitor).status()))
                    .isEqualTo(List.of(NONE.getFirst(), "SigBlk fffffffffffbfeff"));
            assertThat(container
                            .exec("/bin/sh", "-c", "yes | head -1; sleep 100 & kill -HUP $!; wait $!; echo $?")
                            .stdout())
                    .isEqualTo("y\n129\n");
        }
    }
}
