package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** {@code portafilter audit}: what the kernel says of every process of every container, beside what it was given. */
class AuditTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static Commands.Outcome audit(String... arguments) {
        List<String> command = new ArrayList<>(List.of(
                Tree.launcher().toString(),
                "audit",
                "--listen",
                "unix://" + live.portafilter().socket()));
        command.addAll(List.of(arguments));
        return Commands.run(Duration.ofSeconds(60), Map.of(), command.toArray(new String[0]));
    }

    /** The table's row of a process. */
    private static String row(Commands.Outcome outcome, long pid) {
        return outcome.stdout()
                .lines()
                .filter(line -> line.contains("  " + pid + "  "))
                .findFirst()
                .orElse("no row of " + pid + " in:\n" + outcome.stdout() + outcome.stderr());
    }

    private static long child(Container container, String command) {
        AtomicLong child = new AtomicLong();
        Path children = container.process().path("task/" + container.process().pid() + "/children");
        Await.until("a child that runs " + command, Duration.ofSeconds(10), () -> {
            child.set(Long.parseLong(Files.readString(children).strip()));
            return new Proc(child.get()).read("comm").strip().equals(command);
        });
        return child.get();
    }

    @Test
    void aProcessAndItsChildAreAsTheContainerWasGiven() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("sleep 1000 & wait")
                .drop("ALL")
                .add("NET_BIND_SERVICE")
                .noNewPrivs()
                .seccomp(ProfileType.RuntimeDefault)
                .start();
        long child = child(container, "sleep");
        Commands.Outcome outcome = audit();
        assertThat(outcome.status()).as(outcome.stdout() + outcome.stderr()).isZero();
        for (long pid : List.of(container.process().pid(), child)) {
            assertThat(row(outcome, pid)).startsWith("=").contains("0:0", "on", "filter (");
        }
        assertThat(outcome.stdout())
                .contains("bounding NET_BIND_SERVICE; permitted the same; effective the same; inheritable none")
                .contains("none has more than its container was given");
    }

    @Test
    void anEndIsNoProcessAndAnotherContainerIsNotAskedFor() {
        Pod pod = live.pod().run();
        Container one = pod.container(live.busybox()).idle().start();
        Container other = pod.container(live.busybox()).idle().start();
        Commands.Outcome outcome = audit(one.id());
        assertThat(outcome.status()).isZero();
        assertThat(outcome.stdout()).contains("2 processes in 1 container: none");
        assertThat(row(outcome, one.process().pid())).startsWith("=");
        other.stop(Duration.ZERO);
        assertThat(audit().stdout()).contains("2 processes in 1 container: none");
    }

    @Test
    void aUserNamespaceShowsTheUserOfTheHost() {
        Container container = live.pod()
                .userNamespace(1_966_080)
                .run()
                .container(live.busybox())
                .idle()
                .runAsUser(7)
                .start();
        Commands.Outcome outcome = audit();
        assertThat(row(outcome, container.process().pid()))
                .startsWith("=")
                .contains("1966087:", "0 is 1966080 (65536)");
    }

    @Test
    void rootThatBecameAnotherUserGaveSomethingUp() {
        Container container = live.pod()
                .run()
                .container(live.attacker())
                .command("perl", "-e", "$) = 33; $( = 33; $< = 33; $> = 33; sleep 1000")
                .start();
        long pid = container.process().pid();
        Await.until(
                "the user to change",
                Duration.ofSeconds(10),
                () -> Proc.required(container.process().status(), "Uid").startsWith("33"));
        Commands.Outcome outcome = audit();
        assertThat(outcome.status()).as(outcome.stdout()).isZero();
        assertThat(row(outcome, pid)).startsWith("<");
        assertThat(outcome.stdout()).contains("its effective set lacks CHOWN").contains("its user on the host is 33");
    }

    @Test
    void aProcessThatAnAdministratorLeftInsideHasMoreAndFailsTheCommand() throws IOException {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .runAsUser(1000)
                .noNewPrivs()
                .seccomp(ProfileType.RuntimeDefault)
                .start();
        long init = container.process().pid();
        Process foreign =
                new ProcessBuilder("nsenter", "--target", Long.toString(init), "--mount", "/bin/sleep", "1000").start();
        try {
            Await.until(
                    "it to run inside",
                    Duration.ofSeconds(10),
                    () -> new Proc(foreign.pid()).read("comm").strip().equals("sleep"));
            Commands.Outcome outcome = audit();
            assertThat(outcome.status()).as(outcome.stdout() + outcome.stderr()).isEqualTo(1);
            assertThat(row(outcome, foreign.pid())).startsWith(">");
            assertThat(row(outcome, init)).startsWith("=");
            assertThat(outcome.stdout())
                    .contains("> " + foreign.pid() + ": it is outside of its container's cgroup and limits")
                    .contains("> " + foreign.pid() + ": no seccomp filter applies, given 1")
                    .contains("> " + foreign.pid() + ": no_new_privs is off, given on")
                    .contains("> " + foreign.pid() + ": its user on the host is 0, given 1000")
                    .containsPattern("> " + foreign.pid() + ": its bounding set holds .*SYS_ADMIN")
                    .contains("1 with more than the container was given");
            Commands.Outcome json = audit("--json");
            assertThat(json.status()).isEqualTo(1);
            assertThat(json.stdout()).contains("\"more\" : true", "\"kind\" : \"more\"", "\"SYS_ADMIN\"");
        } finally {
            foreign.destroyForcibly();
        }
    }

    @Test
    void aProcessCannotWriteToTheAuditorsTerminal() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("printf '\\033[2Jx' > /proc/self/comm; while true; do sleep 1; done")
                .start();
        long pid = container.process().pid();
        Await.until(
                "its name to change",
                Duration.ofSeconds(10),
                () -> container.process().read("comm").contains("[2J"));
        Commands.Outcome outcome = audit();
        assertThat(row(outcome, pid)).contains("?[2Jx");
        assertThat(outcome.stdout()).doesNotContain("\033");
        assertThat(audit("--json").stdout()).doesNotContain("\033");
    }

    @Test
    void aServerThatWasStartedAgainKnowsWhatWasGiven() {
        Container container =
                live.pod().run().container(live.busybox()).idle().drop("ALL").start();
        long pid = container.process().pid();
        live.portafilter().killAndStart();
        Commands.Outcome outcome = audit();
        assertThat(outcome.status()).as(outcome.stdout() + outcome.stderr()).isZero();
        assertThat(row(outcome, pid)).startsWith("=");
    }
}
