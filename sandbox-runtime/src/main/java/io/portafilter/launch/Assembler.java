package io.portafilter.launch;

import io.portafilter.linux.Errno;
import io.portafilter.linux.SystemCall;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Puts a launch program together, operation after operation. Operations follow one another unless it is said
 * otherwise; an error leads to the label last given to {@link #failTo}.
 */
public final class Assembler {

    private static final class Draft {
        final SystemCall call;
        final List<Operand> arguments;
        final String purpose;
        Optional<Operation.Tolerated> tolerated = Optional.empty();

        @Nullable
        Label next;

        @Nullable
        Label onZero;

        @Nullable
        Label onError;

        boolean last;

        Draft(SystemCall call, List<Operand> arguments, String purpose, @Nullable Label onError) {
            this.call = call;
            this.arguments = arguments;
            this.purpose = purpose;
            this.onError = onError;
        }
    }

    private final String name;
    private final List<Draft> drafts = new ArrayList<>();
    private final Map<Label, Integer> places = new HashMap<>();
    private String purpose = "";
    private @Nullable Label failure;

    /** Begins a program. */
    public Assembler(String name) {
        this.name = name;
    }

    /** Says what the operations from here on are for, in the words of a failure's sentence. */
    public void step(String purpose) {
        this.purpose = purpose;
    }

    /** From here on an error leads to {@code label}. */
    public void failTo(Label label) {
        this.failure = label;
    }

    /** Binds a label to the operation that comes next. */
    public void place(Label label) {
        if (places.put(label, drafts.size()) != null) {
            throw new IllegalStateException("label " + label + " is placed twice");
        }
    }

    /** Appends an operation; the label stands for it and for its result. */
    public Label call(SystemCall call, Operand... arguments) {
        Label label = new Label(call.callName());
        place(label);
        drafts.add(new Draft(call, List.of(arguments), purpose, failure));
        return label;
    }

    /** Appends an operation whose arguments are numbers. */
    public Label call(SystemCall call, long... arguments) {
        Operand[] operands = new Operand[arguments.length];
        for (int i = 0; i < arguments.length; i++) {
            operands[i] = new Operand.Literal(arguments[i]);
        }
        return call(call, operands);
    }

    /** Lets the last operation fail with one errno as if it had not. */
    public void tolerate(Errno errno, String why) {
        last().tolerated = Optional.of(new Operation.Tolerated(errno, why));
    }

    /** The last operation is followed by another than the next one. */
    public void continueAt(Label next) {
        last().next = next;
    }

    /** The last operation's result 0 leads elsewhere. */
    public void onZero(Label label) {
        last().onZero = label;
    }

    /** The last operation's errors lead elsewhere. */
    public void onError(Label label) {
        last().onError = label;
    }

    /** The last operation does not return; where it does all the same, the process dies. */
    public void neverReturns() {
        Draft draft = last();
        draft.last = true;
        draft.onError = null;
    }

    /** The last operation, an {@code execve(2)}, returns only with an error, and 0 is one too. */
    public void returnsOnlyOnError(Label failed) {
        Draft draft = last();
        draft.next = failed;
        draft.onZero = failed;
        draft.onError = failed;
    }

    /** The program, which begins with the operation that {@code first} is bound to. */
    public LaunchProgram assemble(Label first) {
        List<Operation> operations = new ArrayList<>(drafts.size());
        for (int i = 0; i < drafts.size(); i++) {
            Draft draft = drafts.get(i);
            int next = draft.last ? Operation.NONE : draft.next == null ? i + 1 : index(draft.next);
            if (next == drafts.size()) {
                throw new IllegalStateException("program " + name + " runs over its end at " + draft.call.callName());
            }
            int onZero = draft.onZero == null ? next : index(draft.onZero);
            int onError = draft.onError == null ? Operation.NONE : index(draft.onError);
            operations.add(
                    new Operation(draft.call, draft.arguments, draft.purpose, draft.tolerated, next, onZero, onError));
        }
        return new LaunchProgram(name, operations, index(first), places);
    }

    private int index(Label label) {
        Integer index = places.get(label);
        if (index == null) {
            throw new IllegalStateException("label " + label + " is not placed in program " + name);
        }
        return index;
    }

    private Draft last() {
        if (drafts.isEmpty()) {
            throw new IllegalStateException("no operation yet");
        }
        return drafts.getLast();
    }
}
