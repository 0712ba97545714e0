package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What a hostile program tries in a container of the attacker's image, several attempts in one exec, each in a process of
 * its own. An attempt is an expression of perl: undefined when it failed, and then {@code $!} tells why.
 *
 * <p>In the expressions {@code c(NUMBER, ...)} makes a system call (numbers of x86-64), {@code w(PATH)} opens a file to
 * write and writes nothing, {@code r(PATH)} reads the first page of a file.
 */
final class Attempts {
    static final int EPERM = 1;
    static final int ENOENT = 2;
    static final int ENXIO = 6;
    static final int EACCES = 13;
    static final int EINVAL = 22;
    static final int ENOTTY = 25;
    static final int EROFS = 30;
    static final int ENOSYS = 38;
    static final int ENOKEY = 126;

    private static final String PRELUDE = """
            sub c { my @a = @_; my $r = syscall(shift @a, @a); $r == -1 ? undef : "ok $r" }
            sub w { sysopen(my $f, $_[0], 1) ? "ok" : undef }
            sub r { my $b; open(my $f, "<", $_[0]) or return undef; my $n = sysread($f, $b, 4096); defined $n ? $n ? "ok" : "empty" : undef }
            sub attempt { my ($name, $try) = @_;
              my $pid = fork; defined $pid or die "fork: $!";
              if (!$pid) {
                local $SIG{ALRM} = sub { syswrite(STDOUT, "$name\\thangs\\n"); kill 9, $$ }; alarm 10;
                my $said = eval { $try->() }; my $errno = $! + 0;
                $said = $@ ne "" ? "died $@" : "failed $errno" unless defined $said;
                $said =~ s/\\s+/ /g; syswrite(STDOUT, "$name\\t$said\\n"); kill 9, $$;
              }
              waitpid($pid, 0);
            }
            """;

    private final Map<String, String> expressions = new LinkedHashMap<>();

    /** The same name again takes the place of the first. */
    Attempts add(String name, String expression) {
        expressions.put(name, expression);
        return this;
    }

    Attempts addAll(Map<String, String> more) {
        more.forEach(this::add);
        return this;
    }

    /** Makes them all and answers what came of each. */
    Outcomes in(Container container) {
        return in(container, "");
    }

    /** @param first statements of perl before the first attempt, which may change who makes them */
    Outcomes in(Container container, String first) {
        String script = PRELUDE + first + "\n"
                + expressions.entrySet().stream()
                        .map(e -> "attempt('" + e.getKey().replace("'", "\\'") + "', sub { " + e.getValue() + " });\n")
                        .collect(Collectors.joining());
        Container.Output output = container.exec("/usr/bin/perl", "-e", script);
        assertThat(output.exitCode()).as(output.toString()).isZero();
        Map<String, Outcome> outcomes = output.stdout()
                .lines()
                .map(line -> line.split("\t", 2))
                .collect(Collectors.toMap(line -> line[0], line -> Outcome.parse(line[0], line[1])));
        assertThat(outcomes.keySet()).as("attempts that were made").isEqualTo(expressions.keySet());
        return new Outcomes(outcomes);
    }

    /** By the names of the attempts. */
    record Outcomes(Map<String, Outcome> byName) {
        Outcome of(String attempt) {
            return Objects.requireNonNull(byName.get(attempt), attempt);
        }

        List<Outcome> all() {
            return List.copyOf(byName.values());
        }
    }

    /**
     * @param errno why it failed; absent when it did not
     * @param said otherwise, what its expression was
     */
    record Outcome(String attempt, Optional<Integer> errno, String said) {
        private static Outcome parse(String attempt, String text) {
            assertThat(text).as(attempt).doesNotStartWith("died");
            return text.startsWith("failed ")
                    ? new Outcome(attempt, Optional.of(Integer.parseInt(text.substring(7))), "")
                    : new Outcome(attempt, Optional.empty(), text);
        }

        void failedWith(Integer... errnos) {
            assertThat(errno).as("errno of: %s (%s)", attempt, said).isPresent();
            assertThat(errno.orElseThrow()).as("errno of: %s", attempt).isIn((Object[]) errnos);
        }

        void succeeded() {
            assertThat(errno).as("errno of: %s", attempt).isEmpty();
        }
    }

    /** A container that only waits, of an image with perl, masked as kubelet would have it. */
    static ContainerFixture attacker(Pod pod, String image) {
        return pod.container(image).idle().masked();
    }
}
