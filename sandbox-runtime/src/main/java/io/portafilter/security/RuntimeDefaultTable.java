package io.portafilter.security;

import io.portafilter.linux.Capability;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Libseccomp.Comparison;
import io.portafilter.linux.Libseccomp.Operator;
import io.portafilter.security.SeccompProfile.Row;
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

/** The table of the profile RuntimeDefault among this package's resources; its head explains the columns. */
final class RuntimeDefaultTable {

    private static final String NAME = "seccomp-runtime-default.tsv";
    private static final String INT_ARGUMENT = "int ";
    private static final Pattern CONDITION =
            Pattern.compile("(?:int )?arg([0-5]) (?:(==|<|>) (\\w+)|& (\\w+) == (\\w+))");

    private RuntimeDefaultTable() {}

    static List<Row> read() {
        try (BufferedReader table = new BufferedReader(new InputStreamReader(
                Objects.requireNonNull(RuntimeDefaultTable.class.getResourceAsStream(NAME)), StandardCharsets.UTF_8))) {
            List<Row> rows = new ArrayList<>();
            table.lines()
                    .filter(line -> !line.startsWith("#"))
                    .map(RuntimeDefaultTable::row)
                    .forEach(rows::add);
            return rows;
        } catch (IOException e) {
            throw new UncheckedIOException(NAME, e);
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
            case "kernel" -> new SeccompGuard.KernelAtLeast(KernelVersion.parse(rest.replace(">= ", "")), true);
            default -> throw new IllegalArgumentException("unknown guard " + text);
        };
    }

    private static Capability capability(String name) {
        return Capability.parse(name).orElseThrow(() -> new IllegalArgumentException("unknown capability " + name));
    }
}
