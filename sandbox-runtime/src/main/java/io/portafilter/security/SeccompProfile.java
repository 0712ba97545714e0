package io.portafilter.security;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Libseccomp.Comparison;
import io.portafilter.linux.Libseccomp.Operator;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A seccomp profile before it is known for which container and host it will be compiled.
 *
 * @param name the name for people
 * @param identity what tells its content from that of any other profile
 * @param defaultAction the answer to calls without a matching rule, as the kernel encodes it
 * @param rows in any order; several of one call are alternatives
 */
record SeccompProfile(String name, String identity, int defaultAction, List<Row> rows) {

    /** A rule and what must hold for it to be part of the filter. */
    record Row(SeccompRule rule, List<SeccompGuard> guards) {

        Row {
            guards = List.copyOf(guards);
        }
    }

    private static final String RUNTIME_DEFAULT_TABLE = "seccomp-runtime-default.tsv";

    SeccompProfile {
        rows = List.copyOf(rows);
    }

    /** The runtime's own profile, from the table in this package's resources. */
    static SeccompProfile runtimeDefault() {
        return RuntimeDefaultHolder.PROFILE;
    }

    private static final class RuntimeDefaultHolder {
        private static final SeccompProfile PROFILE =
                new SeccompProfile("RuntimeDefault", "RuntimeDefault", SeccompAction.errno(Errno.EPERM), readTable());
    }

    /** The rules that are part of the filter of a container with this bounding set on such a host. */
    List<SeccompRule> rules(CapabilitySet bounding, Architecture architecture, KernelVersion kernel) {
        return rows.stream()
                .filter(row -> row.guards().stream().allMatch(guard -> guard.holds(bounding, architecture, kernel)))
                .map(Row::rule)
                .toList();
    }

    /** The capabilities on which the profile depends. */
    CapabilitySet conditionalCapabilities() {
        CapabilitySet set = CapabilitySet.EMPTY;
        for (Row row : rows) {
            for (SeccompGuard guard : row.guards()) {
                if (guard instanceof SeccompGuard.HasCapability(Capability capability, boolean _)) {
                    set = set.plus(capability);
                }
            }
        }
        return set;
    }

    private static List<Row> readTable() {
        try (BufferedReader table = new BufferedReader(new InputStreamReader(
                Objects.requireNonNull(SeccompProfile.class.getResourceAsStream(RUNTIME_DEFAULT_TABLE)),
                StandardCharsets.UTF_8))) {
            List<Row> rows = new ArrayList<>();
            table.lines()
                    .filter(line -> !line.startsWith("#"))
                    .map(SeccompProfile::row)
                    .forEach(rows::add);
            return rows;
        } catch (IOException e) {
            throw new UncheckedIOException(RUNTIME_DEFAULT_TABLE, e);
        }
    }

    /** Syscall, action, condition on an argument, guards; the last two may be empty or missing. */
    private static Row row(String line) {
        String[] fields = line.split("\t", -1);
        String condition = fields.length > 2 ? fields[2] : "";
        String guards = fields.length > 3 ? fields[3] : "";
        List<Comparison> comparisons = condition.isEmpty() ? List.of() : List.of(comparison(condition));
        SeccompRule rule =
                new SeccompRule(fields[0], action(fields[1]), comparisons, condition.startsWith(INT_ARGUMENT));
        return new Row(rule, guards.isEmpty() ? List.of() : guards(guards));
    }

    private static int action(String text) {
        return switch (text) {
            case "ALLOW" -> SeccompAction.SECCOMP_RET_ALLOW;
            case "ERRNO:ENOSYS" -> SeccompAction.errno(Errno.ENOSYS);
            default -> throw new IllegalArgumentException("unknown action " + text);
        };
    }

    private static final String INT_ARGUMENT = "int ";
    private static final Pattern CONDITION =
            Pattern.compile("(?:int )?arg([0-5]) (?:(==|<|>) (\\w+)|& (\\w+) == (\\w+))");

    private static Comparison comparison(String text) {
        Matcher matcher = CONDITION.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("unknown condition " + text);
        }
        int argument = Integer.parseInt(matcher.group(1));
        if (matcher.group(2) == null) {
            return new Comparison(
                    argument, Operator.MASKED_EQUAL, Long.decode(matcher.group(4)), Long.decode(matcher.group(5)));
        }
        Operator operator = switch (matcher.group(2)) {
            case "==" -> Operator.EQUAL;
            case "<" -> Operator.LESS;
            default -> Operator.GREATER;
        };
        return new Comparison(argument, operator, Long.decode(matcher.group(3)), 0);
    }

    private static List<SeccompGuard> guards(String text) {
        List<SeccompGuard> guards = new ArrayList<>();
        for (String guard : text.split("; ", -1)) {
            guards.add(guard(guard));
        }
        return guards;
    }

    private static SeccompGuard guard(String text) {
        int blank = text.indexOf(' ');
        String word = text.substring(0, blank);
        String rest = text.substring(blank + 1);
        return switch (word) {
            case "has" -> new SeccompGuard.HasCapability(capability(rest), true);
            case "no" -> new SeccompGuard.HasCapability(capability(rest), false);
            case "arch" -> new SeccompGuard.OnArchitecture(Set.of(rest.split("\\|", -1)), true);
            case "not-arch" -> new SeccompGuard.OnArchitecture(Set.of(rest.split("\\|", -1)), false);
            case "kernel" -> new SeccompGuard.KernelAtLeast(KernelVersion.parse(rest.replace(">= ", "")));
            default -> throw new IllegalArgumentException("unknown guard " + text);
        };
    }

    private static Capability capability(String name) {
        return Capability.parse(name).orElseThrow(() -> new IllegalArgumentException("unknown capability " + name));
    }
}
