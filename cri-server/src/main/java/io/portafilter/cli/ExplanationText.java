package io.portafilter.cli;

import io.portafilter.container.PlanWarning;
import io.portafilter.cri.Cause;
import io.portafilter.cri.Provenance;
import io.portafilter.launch.ProgramText;
import io.portafilter.security.PlanLine;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** An explanation for people: three columns, what, how it is, and why. */
final class ExplanationText {
    private static final int NAME = 16;
    private static final int FACT = 46;
    private static final int WIDTH = 116;
    private static final int MANY = 5;

    /** Sets that are mostly the same as the one before. */
    private static final Set<String> SETS = Set.of("permitted", "effective");

    private final StringBuilder text = new StringBuilder();

    private ExplanationText() {}

    /** The plan with its causes, then what to know of it, then what it rests on. */
    static String plan(Explanation explained) {
        ExplanationText written = new ExplanationText();
        written.text.append("pod ").append(explained.pod()).append('\n');
        explained.parts().forEach(written::part);
        written.warnings(
                "pod",
                explained.warnings().stream()
                        .map(warning -> warning.field() + ": " + warning.sentence())
                        .toList());
        written.standards(explained.standards());
        written.text.append("\nassumed\n");
        explained.assumed().forEach(written::plain);
        written.text.append("\nhost\n");
        HostFile.text(explained.host())
                .lines()
                .forEach(fact -> written.text.append("  ").append(fact).append('\n'));
        return written.text.toString();
    }

    /** The launch programs, as they would be run. */
    static String programs(Explanation explained) {
        StringBuilder text = new StringBuilder();
        for (Explanation.Part part : explained.parts()) {
            text.append("\nprogram of ")
                    .append(part.isSandbox() ? "the sandbox" : "container " + part.name())
                    .append(", ")
                    .append(part.program().operations().size())
                    .append(" operations\n");
            ProgramText.of(part.program())
                    .lines()
                    .forEach(operation -> text.append("  ").append(operation).append('\n'));
        }
        return text.toString();
    }

    /** A container of a server. */
    static String container(String title, List<Provenance.Line> plan, List<String> warnings) {
        ExplanationText written = new ExplanationText();
        written.text.append(title).append('\n');
        written.lines(plan);
        written.warnings("it", warnings);
        return written.text.toString();
    }

    private void part(Explanation.Part part) {
        text.append('\n')
                .append(part.isSandbox() ? "sandbox" : "container " + part.name())
                .append('\n');
        lines(part.plan());
        part.facts().forEach((name, value) -> {
            if (!name.equals("arguments") && !name.equals("environment")) {
                plain(name, value);
            }
        });
        warnings(part.isSandbox() ? "the sandbox" : part.name(), warnings(part.notes(), part.warnings()));
    }

    /** What the plan itself says, without what the installed libseccomp cannot, then where it misleads. */
    static List<String> warnings(List<String> notes, List<PlanWarning> warnings) {
        return Stream.concat(
                        notes.stream().filter(note -> !note.startsWith("seccomp: ")),
                        warnings.stream().map(PlanWarning::text))
                .toList();
    }

    /** Mounts that nobody asked for are one row. */
    private void lines(List<Provenance.Line> plan) {
        int at = 0;
        while (at < plan.size()) {
            int end = at;
            while (end < plan.size() && isDefaultMount(plan.get(end))) {
                end++;
            }
            if (end > at) {
                List<Provenance.Line> mounts = plan.subList(at, end);
                row(
                        "mounts",
                        mounts.stream().map(line -> line.line().subject()).collect(Collectors.joining(", ")),
                        mounts.stream()
                                .flatMap(line -> line.causes().stream())
                                .map(cause ->
                                        "default: " + cause.origin().name().toLowerCase(Locale.ROOT))
                                .distinct()
                                .sorted(Comparator.reverseOrder())
                                .toList());
                at = end;
            } else {
                Provenance.Line line = plan.get(at);
                row(
                        line.line().name(),
                        fact(line, plan),
                        line.causes().stream()
                                .flatMap(cause -> Stream.of(cause.text().split("(?<= with) ")))
                                .toList());
                at++;
            }
        }
    }

    private static boolean isDefaultMount(Provenance.Line line) {
        return line.line().name().equals("mount")
                && line.causes().stream().allMatch(cause -> switch (cause.origin()) {
                    case RUNTIME, KUBELET -> true;
                    case REQUEST, IMAGE, UNKNOWN -> false;
                });
    }

    private static String fact(Provenance.Line line, List<Provenance.Line> plan) {
        PlanLine shown = line.line();
        List<String> items = shown.items();
        if (SETS.contains(shown.name()) && items.size() > 2) {
            boolean same = plan.stream()
                    .map(Provenance.Line::line)
                    .anyMatch(other ->
                            other.name().equals("bounding") && other.value().equals(shown.value()));
            if (same) {
                return "as bounding";
            }
        }
        boolean asked = line.causes().stream().anyMatch(cause -> cause.origin() == Cause.Origin.REQUEST);
        boolean isSet = shown.name().equals("bounding") || SETS.contains(shown.name());
        if (shown.isList() && !isSet && !asked && items.size() > MANY) {
            return items.size() + ": " + items.get(0) + ", " + items.get(1) + ", ...";
        }
        return shown.fact();
    }

    private void row(String name, String fact, List<String> causes) {
        List<String> left = wrapped(fact, FACT);
        for (int i = 0; i < Math.max(left.size(), causes.size()); i++) {
            String row = "  " + padded(i == 0 ? name : "", NAME) + " "
                    + padded(i < left.size() ? left.get(i) : "", FACT) + "  "
                    + (i < causes.size() ? causes.get(i) : "");
            text.append(row.stripTrailing()).append('\n');
        }
    }

    private void plain(String name, String value) {
        List<String> rows = wrapped(value, WIDTH - NAME - 3);
        for (int i = 0; i < rows.size(); i++) {
            text.append("  ")
                    .append(padded(i == 0 ? name : "", NAME))
                    .append(' ')
                    .append(rows.get(i))
                    .append('\n');
        }
    }

    private void warnings(String of, List<String> warnings) {
        if (warnings.isEmpty()) {
            return;
        }
        text.append("\nwarnings for ").append(of).append('\n');
        for (String warning : warnings) {
            List<String> rows = wrapped(warning, WIDTH - 4);
            for (int i = 0; i < rows.size(); i++) {
                text.append(i == 0 ? "  ! " : "    ").append(rows.get(i)).append('\n');
            }
        }
    }

    private void standards(PodStandards standards) {
        text.append("\npod security standards ").append(PodStandards.VERSION).append('\n');
        for (PodStandards.Level level : PodStandards.Level.values()) {
            List<PodStandards.Violation> against = standards.against(level);
            plain(
                    level.name().toLowerCase(Locale.ROOT),
                    against.isEmpty()
                            ? "allowed"
                            : "refused, for " + against.size() + (against.size() == 1 ? " violation" : " violations"));
        }
        for (String relaxed : standards.relaxed()) {
            plain("relaxed", relaxed);
        }
        for (PodStandards.Violation violation : standards.violations()) {
            List<String> rows = wrapped(
                    violation.level().name().toLowerCase(Locale.ROOT) + ", " + violation.control() + ": "
                            + violation.field() + " is " + violation.found() + "; wanted: " + violation.wanted(),
                    WIDTH - 4);
            for (int i = 0; i < rows.size(); i++) {
                text.append(i == 0 ? "  - " : "    ").append(rows.get(i)).append('\n');
            }
        }
    }

    private static String padded(String value, int width) {
        return value + " ".repeat(Math.max(0, width - value.length()));
    }

    /** Broken at spaces; a word that is too long stays whole. */
    private static List<String> wrapped(String value, int width) {
        List<String> rows = new ArrayList<>();
        StringBuilder row = new StringBuilder();
        for (String word : value.split(" ")) {
            if (!row.isEmpty() && row.length() + 1 + word.length() > width) {
                rows.add(row.toString());
                row.setLength(0);
            }
            row.append(row.isEmpty() ? "" : " ").append(word);
        }
        rows.add(row.toString());
        return rows;
    }
}
