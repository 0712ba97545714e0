package io.portafilter.launch;

import io.portafilter.linux.ArgumentKind;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** A launch program for people: one line an operation, as {@code strace(1)} would print it before it happened. */
public final class ProgramText {

    private final LaunchProgram program;
    private final Map<Integer, String> targets = new TreeMap<>();
    private final Set<Label> results = new HashSet<>();

    private ProgramText(LaunchProgram program) {
        this.program = program;
        Map<Integer, String> names = new HashMap<>();
        program.labels().forEach((label, index) -> {
            if (!label.name().equals(program.operations().get(index).call().callName())) {
                names.put(index, label.name());
            }
        });
        for (int i = 0; i < program.operations().size(); i++) {
            Operation operation = program.operations().get(i);
            target(names, operation.next(), i + 1);
            target(names, operation.onZero(), operation.next());
            target(names, operation.onError(), Operation.NONE);
            for (Operand argument : operation.arguments()) {
                switch (argument) {
                    case Operand.ResultOf(Label producer) -> results.add(producer);
                    case Operand.AddressOfResult(Label producer) -> results.add(producer);
                    case Operand.Literal _,
                            Operand.Text _,
                            Operand.AddressOf _,
                            Operand.LastFailure _,
                            Operand.ProgressPage _,
                            Operand.EndRecord _ -> {}
                }
            }
        }
        target(names, program.first(), Operation.NONE);
    }

    private void target(Map<Integer, String> names, int index, int unremarkable) {
        if (index != Operation.NONE && index != unremarkable) {
            targets.put(index, names.getOrDefault(index, "at " + index));
        }
    }

    /** The whole program. */
    public static String of(LaunchProgram program) {
        ProgramText text = new ProgramText(program);
        StringBuilder lines = new StringBuilder();
        String purpose = "";
        for (int i = 0; i < program.operations().size(); i++) {
            Operation operation = program.operations().get(i);
            String target = text.targets.get(i);
            if (target != null) {
                lines.append(target).append(":\n");
            }
            if (!operation.purpose().equals(purpose)) {
                purpose = operation.purpose();
                lines.append("  # ").append(purpose).append('\n');
            }
            lines.append(text.line(i)).append('\n');
        }
        return lines.toString();
    }

    /** One operation's call, without its successors: {@code fsmount(60, FSMOUNT_CLOEXEC, 0)}. */
    public static String call(LaunchProgram program, int index) {
        return new ProgramText(program).call(program.operations().get(index));
    }

    private String line(int index) {
        Operation operation = program.operations().get(index);
        StringBuilder line = new StringBuilder(String.format("%4d  %s", index, call(operation)));
        program.labels().entrySet().stream()
                .filter(entry -> entry.getValue() == index && results.contains(entry.getKey()))
                .findAny()
                .ifPresent(entry -> line.append(" = r").append(index));
        operation
                .tolerated()
                .ifPresent(t -> line.append("  [")
                        .append(t.errno().name())
                        .append(" tolerated: ")
                        .append(t.why())
                        .append(']'));
        if (operation.onZero() != operation.next()) {
            line.append("  [0: ").append(name(operation.onZero())).append(']');
        }
        if (operation.next() == Operation.NONE) {
            line.append("  [ends]");
        } else if (operation.next() != index + 1) {
            line.append("  -> ").append(name(operation.next()));
        }
        if (operation.onError() != Operation.NONE
                && !"failed".equals(name(operation.onError()))
                && operation.onError() != operation.next()) {
            line.append("  [error: ").append(name(operation.onError())).append(']');
        }
        return line.toString();
    }

    private String name(int index) {
        return targets.getOrDefault(index, "at " + index);
    }

    private String call(Operation operation) {
        StringBuilder text = new StringBuilder(operation.call().callName()).append('(');
        List<ArgumentKind> kinds = operation.call().arguments();
        List<Operand> arguments = operation.arguments();
        for (int i = 0; i < arguments.size(); i++) {
            if (i > 0) {
                text.append(", ");
            }
            text.append(argument(i < kinds.size() ? kinds.get(i) : ArgumentKind.DECIMAL, arguments.get(i)));
        }
        return text.append(')').toString();
    }

    private String argument(ArgumentKind kind, Operand operand) {
        return switch (operand) {
            case Operand.Literal(long value) ->
                value == 0 && (kind == ArgumentKind.POINTER || kind == ArgumentKind.TEXT) ? "NULL" : kind.print(value);
            case Operand.Text(String value) -> Operand.Text.quoted(value);
            case Operand.AddressOf(Block block) -> block.toString();
            case Operand.ResultOf(Label producer) -> "r" + program.indexOf(producer);
            case Operand.AddressOfResult(Label producer) -> "&r" + program.indexOf(producer);
            case Operand.LastFailure _ -> "&failure";
            case Operand.ProgressPage _ -> "&progress";
            case Operand.EndRecord _ -> "&end";
        };
    }
}
