package io.portafilter.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.portafilter.audit.AuditedProcess;
import io.portafilter.audit.Difference;
import io.portafilter.audit.Difference.Kind;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.linux.ProcStatus;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** What {@code audit} prints. */
record AuditReport(List<AuditedProcess> processes) {
    private static final JsonFactory JSON = new JsonFactory();

    AuditReport {
        processes = List.copyOf(processes);
    }

    /** Whether a process may do what its container was not given. */
    boolean hasMore() {
        return processes.stream().anyMatch(AuditedProcess::hasMore);
    }

    /** A table, the capability sets that occur in it, what is different, and the sum. */
    String text() {
        Table table = new Table(
                "", "CONTAINER", "PID", "COMMAND", "USER", "USER MAPPING", "SETS", "NO_NEW_PRIVS", "SECCOMP", "LABEL");
        Map<String, Integer> sets = new LinkedHashMap<>();
        StringBuilder differences = new StringBuilder();
        for (AuditedProcess process : processes) {
            ProcStatus status = process.status();
            int number = sets.computeIfAbsent(sets(status), _ -> sets.size() + 1);
            table.row(
                    mark(process),
                    printable(process.container().name()),
                    Integer.toString(process.pid()),
                    printable(status.name()),
                    user(process),
                    mapping(process),
                    Integer.toString(number),
                    status.noNewPrivileges() ? "on" : "off",
                    seccomp(status),
                    process.label().isEmpty() ? "-" : printable(process.label()));
            for (Difference difference : process.differences()) {
                differences
                        .append("  ")
                        .append(mark(difference.kind()))
                        .append(' ')
                        .append(process.pid())
                        .append(": ")
                        .append(difference.sentence())
                        .append('\n');
            }
        }
        StringBuilder text = new StringBuilder(table.toString());
        if (!sets.isEmpty()) {
            text.append("\nCapability sets\n");
            sets.forEach((names, number) ->
                    text.append("  ").append(number).append(": ").append(names).append('\n'));
        }
        if (!differences.isEmpty()) {
            text.append("\nNot as given\n").append(differences);
        }
        return text.append('\n').append(sum()).append('\n').toString();
    }

    private String sum() {
        long more = processes.stream().filter(AuditedProcess::hasMore).count();
        long containers = processes.stream()
                .map(process -> process.container().id())
                .distinct()
                .count();
        String all = count(processes.size(), "process", "processes") + " in "
                + count(containers, "container", "containers") + ": ";
        return all
                + (more == 0
                        ? "none has more than its container was given."
                        : more + " with more than the container was given.");
    }

    private static String count(long number, String one, String several) {
        return number + " " + (number == 1 ? one : several);
    }

    private static String mark(AuditedProcess process) {
        for (Kind kind : Kind.values()) {
            if (process.differences().stream().anyMatch(difference -> difference.kind() == kind)) {
                return mark(kind);
            }
        }
        return "=";
    }

    private static String mark(Kind kind) {
        return switch (kind) {
            case MORE -> ">";
            case LESS -> "<";
            case ELSEWHERE -> "~";
        };
    }

    /** A process names itself as it likes; a terminal must not obey it. */
    private static String printable(String text) {
        return text.codePoints()
                .mapToObj(c -> Character.isISOControl(c) || Character.getType(c) == Character.FORMAT
                        ? "?"
                        : Character.toString(c))
                .collect(Collectors.joining());
    }

    private static String user(AuditedProcess process) {
        return Integer.toUnsignedString(process.status().uids().effective()) + ":"
                + Integer.toUnsignedString(process.status().gids().effective());
    }

    /** The first line; a process can be in a user namespace with more. */
    private static String mapping(AuditedProcess process) {
        String[] line = process.uidMap().lines().findFirst().orElse("").strip().split("\\s+");
        return line.length == 3 && !line[0].equals(line[1]) ? line[0] + " is " + line[1] + " (" + line[2] + ")" : "-";
    }

    private static String seccomp(ProcStatus status) {
        return switch (status.seccompMode()) {
            case 0 -> "none";
            case LinuxConstants.SECCOMP_MODE_FILTER ->
                status.seccompFilters() < 0 ? "filter" : "filter (" + status.seccompFilters() + ")";
            default -> "mode " + status.seccompMode();
        };
    }

    private static String sets(ProcStatus status) {
        List<String> sets = new ArrayList<>();
        named(status)
                .forEach((name, set) -> sets.add(name + " "
                        + (!name.equals("bounding") && set.equals(status.bounding()) && !set.isEmpty()
                                ? "the same"
                                : set)));
        return String.join("; ", sets);
    }

    private static Map<String, CapabilitySet> named(ProcStatus status) {
        Map<String, CapabilitySet> sets = new LinkedHashMap<>();
        sets.put("bounding", status.bounding());
        sets.put("permitted", status.permitted());
        sets.put("effective", status.effective());
        sets.put("inheritable", status.inheritable());
        sets.put("ambient", status.ambient());
        return sets;
    }

    /** An array of objects, one for each process. */
    String json() {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(text)) {
            json.useDefaultPrettyPrinter();
            json.writeStartArray();
            for (AuditedProcess process : processes) {
                write(json, process);
            }
            json.writeEndArray();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text + "\n";
    }

    private static void write(JsonGenerator json, AuditedProcess process) throws IOException {
        ProcStatus status = process.status();
        json.writeStartObject();
        json.writeStringField("containerId", process.container().id());
        json.writeStringField("container", process.container().name());
        json.writeNumberField("pid", process.pid());
        json.writeStringField("command", status.name());
        json.writeNumberField("uid", Integer.toUnsignedLong(status.uids().effective()));
        json.writeNumberField("gid", Integer.toUnsignedLong(status.gids().effective()));
        json.writeArrayFieldStart("groups");
        for (int group : status.groups()) {
            json.writeNumber(Integer.toUnsignedLong(group));
        }
        json.writeEndArray();
        json.writeStringField(
                "uidMap", process.uidMap().replaceAll("[ \t]+", " ").strip());
        json.writeObjectFieldStart("capabilities");
        for (Map.Entry<String, CapabilitySet> set : named(status).entrySet()) {
            json.writeArrayFieldStart(set.getKey());
            if (!set.getValue().isEmpty()) {
                for (String name : set.getValue().toString().split(", ")) {
                    json.writeString(name);
                }
            }
            json.writeEndArray();
        }
        json.writeEndObject();
        json.writeBooleanField("noNewPrivileges", status.noNewPrivileges());
        json.writeNumberField("seccompMode", status.seccompMode());
        json.writeNumberField("seccompFilters", status.seccompFilters());
        json.writeStringField("label", process.label());
        json.writeBooleanField("more", process.hasMore());
        json.writeArrayFieldStart("differences");
        for (Difference difference : process.differences()) {
            json.writeStartObject();
            json.writeStringField(
                    "kind",
                    switch (difference.kind()) {
                        case MORE -> "more";
                        case LESS -> "less";
                        case ELSEWHERE -> "elsewhere";
                    });
            json.writeStringField("what", difference.sentence());
            json.writeEndObject();
        }
        json.writeEndArray();
        json.writeEndObject();
    }
}
