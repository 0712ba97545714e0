package io.portafilter.security;

import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * A seccomp filter made shorter: the same answers by a search tree over the ranges of system call numbers that are
 * answered alike. The kernel compiles a filter anew each time that one is installed, which takes as long as the filter:
 * 0.33 ms of a processor for the 1253 instructions that libseccomp makes of RuntimeDefault, 0.12 for the 232 that are left
 * of them here (ADR 4).
 *
 * <p>A filter is first taken apart: it is followed for all numbers and architectures at once, in ranges that are split
 * where the filter compares them; what it asks of the arguments is kept as it is. From that the new one is written, and
 * taken apart again: unless both say exactly the same, the filter stays as it was. Since the same code reads both,
 * {@link BpfEvaluator}, which has none of it, runs both on the ends of every range too. A filter with instructions that
 * are not known here stays as it was.
 */
final class BpfSearchTree {

    // include/uapi/linux/bpf_common.h; all with a constant operand
    private static final int LD_W_ABS = 0x20;
    private static final int RET = 0x06;
    private static final int JA = 0x05;
    private static final int JEQ = 0x15;
    private static final int JGT = 0x25;
    private static final int JGE = 0x35;
    private static final int JSET = 0x45;
    private static final int ALU_AND = 0x54;

    // offsets in struct seccomp_data
    private static final int NR = 0;
    private static final int ARCH = 4;

    /** What a conditional jump can skip at most. */
    private static final int MAX_JUMP = 255;

    /** So many calls with answers of their own, among others that are answered alike, are compared one by one. */
    private static final int MAX_EXCEPTIONS = 3;

    /** Following a filter may take this many steps; libseccomp's need less than a tenth. */
    private static final int MAX_STEPS = 4_000_000;

    /**
     * So many questions may follow one another, and so deep may they be looked for: each is a call of a method within
     * another.
     */
    private static final int MAX_DEPTH = 500;

    private static final int SECCOMP_DATA_BYTES = 64;

    private static final System.Logger LOG = System.getLogger(BpfSearchTree.class.getName());

    private BpfSearchTree() {}

    /** What becomes of a filter. */
    sealed interface Result {}

    /** The same answers, with fewer instructions. */
    @SuppressWarnings("ArrayRecordComponent") // handed on, never compared
    record Shortened(byte[] filter) implements Result {}

    /** It stays as it was, for it would not be shorter, or does what libseccomp's filters do not. */
    record Kept(String why) implements Result {}

    /** What was written does not answer alike: a mistake of this class. The filter stays as it was. */
    record Contradicted(String where) implements Result {}

    /** The same filter with fewer instructions, or the one that was given. */
    static byte[] shortened(byte[] filter, String name) {
        return switch (shorten(filter)) {
            case Shortened made -> made.filter();
            case Kept(String why) -> {
                LOG.log(Level.DEBUG, "seccomp.filter.kept name=" + name + " why=" + why);
                yield filter;
            }
            case Contradicted(String where) -> {
                LOG.log(Level.ERROR, "seccomp.filter.contradicted name=" + name + " where=" + where);
                yield filter;
            }
        };
    }

    static Result shorten(byte[] filter) {
        try {
            Decisions decisions = new Decisions();
            List<Mode> modes = new Walk(filter, decisions).modes();
            byte[] written = new Writer().write(modes);
            if (written.length >= filter.length) {
                return new Kept("it would have " + written.length / SeccompProgram.INSTRUCTION_BYTES
                        + " instructions instead of " + filter.length / SeccompProgram.INSTRUCTION_BYTES);
            }
            return contradiction(filter, modes, written, decisions)
                    .<Result>map(Contradicted::new)
                    .orElseGet(() -> new Shortened(written));
        } catch (NotUnderstood e) {
            return new Kept(e.why);
        }
    }

    /** What is written for a filter, however long that is; nothing for one that is left alone. For tests. */
    static Optional<byte[]> written(byte[] filter) {
        try {
            return Optional.of(new Writer().write(new Walk(filter, new Decisions()).modes()));
        } catch (NotUnderstood e) {
            return Optional.empty();
        }
    }

    /** Where the second filter does not answer as the first. For tests. */
    static Optional<String> contradiction(byte[] filter, byte[] written) {
        Decisions decisions = new Decisions();
        return contradiction(filter, new Walk(filter, decisions).modes(), written, decisions);
    }

    private static Optional<String> contradiction(
            byte[] filter, List<Mode> modes, byte[] written, Decisions decisions) {
        try {
            List<Mode> again = new Walk(written, decisions).modes();
            if (!again.equals(modes)) {
                return Optional.of("taken apart again it says something else");
            }
        } catch (NotUnderstood e) {
            return Optional.of("it is not understood: " + e.why);
        }
        return evaluated(filter, modes, written);
    }

    /** Both filters run on the ends of every range, with arguments of zeros and of ones. */
    private static Optional<String> evaluated(byte[] filter, List<Mode> modes, byte[] written) {
        SeccompProgram before = new SeccompProgram(filter, 0, "before");
        SeccompProgram after = new SeccompProgram(written, 0, "after");
        for (Mode mode : modes) {
            for (long architecture : mode.architectures().ends()) {
                for (Calls calls : mode.calls()) {
                    for (long number : calls.numbers().ends()) {
                        for (long argument : new long[] {0, -1}) {
                            long[] arguments = {argument, argument, argument, argument, argument, argument};
                            int asked = BpfEvaluator.evaluate(before, (int) architecture, (int) number, arguments);
                            int answer = BpfEvaluator.evaluate(after, (int) architecture, (int) number, arguments);
                            if (asked != answer) {
                                return Optional.of("architecture 0x" + Long.toHexString(architecture) + ", call "
                                        + number + ", arguments " + argument + ": " + SeccompAction.text(asked)
                                        + " became " + SeccompAction.text(answer));
                            }
                        }
                    }
                }
            }
        }
        return Optional.empty();
    }

    /** A filter that this class leaves alone. */
    private static final class NotUnderstood extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final String why;

        NotUnderstood(String why) {
            super(why, null, false, false);
            this.why = why;
        }
    }

    /** Numbers from one to another, both included, unsigned. */
    private record Range(long first, long last) {

        static final Range ALL = new Range(0, 0xffff_ffffL);

        boolean isOne() {
            return first == last;
        }

        long[] ends() {
            return new long[] {first, last};
        }

        /** The part that a comparison with a constant is true of, and those that it is not. */
        Split split(int comparison, long k) {
            return switch (comparison) {
                case JEQ -> new Split(between(k, k), between(first, k - 1), between(k + 1, last));
                case JGT -> new Split(between(k + 1, last), between(first, k), Optional.empty());
                case JGE -> new Split(between(k, last), between(first, k - 1), Optional.empty());
                default -> throw new NotUnderstood("comparison " + comparison + " of a call's number");
            };
        }

        private Optional<Range> between(long from, long to) {
            long begin = Math.max(first, from);
            long end = Math.min(last, to);
            return begin <= end ? Optional.of(new Range(begin, end)) : Optional.empty();
        }
    }

    private record Split(Optional<Range> whenTrue, Optional<Range> whenFalse, Optional<Range> alsoFalse) {}

    /** Half of an argument, or of the instruction pointer, and the masks that were put on it. */
    private record Value(int offset, List<Integer> masks) {}

    /** What is left to decide when architecture and number are known; see {@link Decisions}. */
    private sealed interface Decision {}

    private static final class Answer implements Decision {
        private final int action;

        Answer(int action) {
            this.action = action;
        }
    }

    private static final class Question implements Decision {
        private final Key key;
        private final int depth;

        Question(Key key) {
            this.key = key;
            this.depth = 1 + Math.max(depth(key.whenTrue()), depth(key.whenFalse()));
            if (depth > MAX_DEPTH) {
                throw new NotUnderstood("more than " + MAX_DEPTH + " questions of arguments in a row");
            }
        }

        private static int depth(Decision decision) {
            return switch (decision) {
                case Answer _ -> 0;
                case Question question -> question.depth;
            };
        }
    }

    /** A question by what it is made of; two decisions are the same if they are one object. */
    private record Key(Value value, int comparison, int k, Decision whenTrue, Decision whenFalse) {}

    /** All decisions that there are, each of them once: so that comparing them is cheap. */
    private static final class Decisions {

        private final Map<Integer, Decision> answers = new HashMap<>();
        private final Map<Key, Decision> questions = new HashMap<>();

        Decision answer(int action) {
            return answers.computeIfAbsent(action, Answer::new);
        }

        Decision question(Key key) {
            return key.whenTrue() == key.whenFalse() ? key.whenTrue() : questions.computeIfAbsent(key, Question::new);
        }
    }

    /** Calls of these numbers are decided so. */
    private record Calls(Range numbers, Decision decision) {}

    /** The calls of these architectures: all numbers, ascending, neighbours decided differently. */
    private record Mode(Range architectures, List<Calls> calls) {}

    /** Takes a filter apart. */
    private static final class Walk {

        /** What the accumulator holds. */
        private enum Held {
            NOTHING,
            NUMBER,
            ARCHITECTURE
        }

        private record State(int position, Held held, Range architectures, Range numbers) {
            State with(int next, Range range) {
                return held == Held.NUMBER
                        ? new State(next, held, architectures, range)
                        : new State(next, held, range, numbers);
            }
        }

        private record Found(Range architectures, Range numbers, Decision decision) {}

        private record Asked(int position, Value value) {}

        private final ByteBuffer code;
        private final Decisions decisions;
        private final Deque<State> open = new ArrayDeque<>();
        private final List<Found> found = new ArrayList<>();
        private int steps;
        private int depth;

        Walk(byte[] filter, Decisions decisions) {
            this.code = ByteBuffer.wrap(filter).order(ByteOrder.nativeOrder());
            this.decisions = decisions;
        }

        List<Mode> modes() {
            open.add(new State(0, Held.NOTHING, Range.ALL, Range.ALL));
            while (!open.isEmpty()) {
                follow(open.removeLast());
            }
            TreeSet<Long> begins = new TreeSet<>();
            found.forEach(each -> begins.add(each.architectures().first()));
            List<Mode> modes = new ArrayList<>();
            for (long begin : begins) {
                Long next = begins.higher(begin);
                Range architectures = new Range(begin, next == null ? Range.ALL.last() : next - 1);
                List<Calls> calls = calls(architectures);
                Mode last = modes.isEmpty() ? null : modes.getLast();
                if (last != null && last.calls().equals(calls)) {
                    modes.removeLast();
                    architectures = new Range(last.architectures().first(), architectures.last());
                }
                modes.add(new Mode(architectures, calls));
            }
            return modes;
        }

        /** Of architectures that are all treated alike. */
        private List<Calls> calls(Range architectures) {
            List<Found> ascending = found.stream()
                    .filter(each -> each.architectures().first() <= architectures.first()
                            && architectures.first() <= each.architectures().last())
                    .sorted(Comparator.comparingLong(each -> each.numbers().first()))
                    .toList();
            List<Calls> calls = new ArrayList<>();
            for (Found each : ascending) {
                Calls last = calls.isEmpty() ? null : calls.getLast();
                if (last != null && last.decision() == each.decision()) {
                    calls.removeLast();
                    calls.add(new Calls(
                            new Range(last.numbers().first(), each.numbers().last()), each.decision()));
                } else {
                    calls.add(new Calls(each.numbers(), each.decision()));
                }
            }
            return calls;
        }

        private void follow(State state) {
            State at = state;
            while (true) {
                count();
                int position = at.position();
                int k = k(position);
                switch (operation(position)) {
                    case LD_W_ABS -> {
                        requireOffset(k);
                        if (k != NR && k != ARCH) {
                            found.add(new Found(at.architectures(), at.numbers(), decision(at, new HashMap<>())));
                            return;
                        }
                        at = new State(
                                position + 1,
                                k == NR ? Held.NUMBER : Held.ARCHITECTURE,
                                at.architectures(),
                                at.numbers());
                    }
                    case RET -> {
                        found.add(new Found(at.architectures(), at.numbers(), decisions.answer(k)));
                        return;
                    }
                    case JA -> at = new State(jump(position, k), at.held(), at.architectures(), at.numbers());
                    case JEQ, JGT, JGE -> {
                        State asking = at;
                        Split split = compared(at).split(operation(position), Integer.toUnsignedLong(k));
                        split.whenTrue().ifPresent(range -> open.add(asking.with(whenTrue(position), range)));
                        split.whenFalse().ifPresent(range -> open.add(asking.with(whenFalse(position), range)));
                        split.alsoFalse().ifPresent(range -> open.add(asking.with(whenFalse(position), range)));
                        return;
                    }
                    default -> throw new NotUnderstood("instruction " + operation(position));
                }
            }
        }

        private static Range compared(State state) {
            return switch (state.held()) {
                case NUMBER -> state.numbers();
                case ARCHITECTURE -> state.architectures();
                case NOTHING -> throw new NotUnderstood("comparison of nothing");
            };
        }

        /** From where the first argument is loaded; what is asked of the number after that must have one answer here. */
        private Decision decision(State state, Map<Asked, Decision> known) {
            return decision(state, new Value(NR, List.of()), state.position(), known);
        }

        private Decision decision(State state, Value held, int from, Map<Asked, Decision> known) {
            Asked asked = new Asked(from, held);
            Decision before = known.get(asked);
            if (before != null) {
                return before;
            }
            depth++;
            if (depth > MAX_DEPTH) {
                throw new NotUnderstood("more than " + MAX_DEPTH + " questions of arguments in a row");
            }
            Decision decision = undecided(state, held, from, known);
            depth--;
            known.put(asked, decision);
            return decision;
        }

        private Decision undecided(State state, Value before, int from, Map<Asked, Decision> known) {
            Value held = before;
            int position = from;
            while (true) {
                count();
                int k = k(position);
                int operation = operation(position);
                switch (operation) {
                    case LD_W_ABS -> {
                        requireOffset(k);
                        held = new Value(k, List.of());
                        position++;
                    }
                    case ALU_AND -> {
                        if (held.offset() == NR || held.offset() == ARCH) {
                            throw new NotUnderstood("a mask on a call's number");
                        }
                        List<Integer> masks = new ArrayList<>(held.masks());
                        masks.add(k);
                        held = new Value(held.offset(), List.copyOf(masks));
                        position++;
                    }
                    case RET -> {
                        return decisions.answer(k);
                    }
                    case JA -> position = jump(position, k);
                    case JEQ, JGT, JGE, JSET -> {
                        if (held.offset() == NR || held.offset() == ARCH) {
                            Range range = held.offset() == NR ? state.numbers() : state.architectures();
                            position = onlyWay(range.split(operation, Integer.toUnsignedLong(k)), position);
                        } else {
                            return decisions.question(new Key(
                                    held,
                                    operation,
                                    k,
                                    decision(state, held, whenTrue(position), known),
                                    decision(state, held, whenFalse(position), known)));
                        }
                    }
                    default -> throw new NotUnderstood("instruction " + operation);
                }
            }
        }

        private int onlyWay(Split split, int position) {
            boolean otherwise =
                    split.whenFalse().isPresent() || split.alsoFalse().isPresent();
            if (split.whenTrue().isPresent() == otherwise) {
                throw new NotUnderstood("numbers are told apart behind their arguments");
            }
            return otherwise ? whenFalse(position) : whenTrue(position);
        }

        private void count() {
            steps++;
            if (steps > MAX_STEPS) {
                throw new NotUnderstood("too long");
            }
        }

        private static void requireOffset(int k) {
            if (k < 0 || k >= SECCOMP_DATA_BYTES || k % Integer.BYTES != 0) {
                throw new NotUnderstood("a load from offset " + Integer.toUnsignedString(k));
            }
        }

        /** Where an instruction is in the bytes; every read of one asks here. */
        private int at(int position) {
            int at = position * SeccompProgram.INSTRUCTION_BYTES;
            if (at > code.capacity() - SeccompProgram.INSTRUCTION_BYTES) {
                throw new NotUnderstood("past the end");
            }
            return at;
        }

        private int operation(int position) {
            return Short.toUnsignedInt(code.getShort(at(position)));
        }

        private int k(int position) {
            return code.getInt(at(position) + 4);
        }

        private static int jump(int position, int k) {
            if (k < 0 || k > SeccompProgram.MAX_INSTRUCTIONS) {
                throw new NotUnderstood("jump");
            }
            return position + 1 + k;
        }

        private int whenTrue(int position) {
            return position + 1 + Byte.toUnsignedInt(code.get(at(position) + 2));
        }

        private int whenFalse(int position) {
            return position + 1 + Byte.toUnsignedInt(code.get(at(position) + 3));
        }
    }

    /**
     * Writes a filter from its end: classic BPF jumps forward only, so that where a jump leads to is known when it is
     * written. Places are counted from the end.
     */
    private static final class Writer {

        private record Instruction(int operation, int whenTrue, int whenFalse, int k) {}

        /** A decision, and the value that the accumulator holds when it is begun. */
        private record Begin(Decision decision, Optional<Value> held) {}

        private final List<Instruction> fromEnd = new ArrayList<>();
        private final Map<Begin, Integer> places = new HashMap<>();

        /** The native mode is asked for first: of an architecture's modes it has the highest number. */
        byte[] write(List<Mode> modes) {
            List<Calls> others = modes.getFirst().calls();
            int place = tree(others);
            for (Mode mode : modes) {
                if (mode.architectures().isOne() && !mode.calls().equals(others)) {
                    int calls = tree(mode.calls());
                    place = compare(JEQ, (int) mode.architectures().first(), calls, place);
                } else if (!mode.calls().equals(others)) {
                    throw new NotUnderstood("architectures in ranges");
                }
            }
            add(new Instruction(LD_W_ABS, 0, 0, ARCH));
            Collections.reverse(fromEnd);
            ByteBuffer bytes = ByteBuffer.allocate(fromEnd.size() * SeccompProgram.INSTRUCTION_BYTES)
                    .order(ByteOrder.nativeOrder());
            for (Instruction each : fromEnd) {
                bytes.putShort((short) each.operation())
                        .put((byte) each.whenTrue())
                        .put((byte) each.whenFalse())
                        .putInt(each.k());
            }
            return bytes.array();
        }

        private int tree(List<Calls> calls) {
            if (calls.size() == 1) {
                return decision(calls.getFirst().decision(), Optional.empty());
            }
            int _ = branch(grouped(calls));
            return add(new Instruction(LD_W_ABS, 0, 0, NR));
        }

        /** Neighbours that are decided alike but for single numbers between them: those cost one comparison each, not two. */
        private static List<List<Calls>> grouped(List<Calls> calls) {
            List<List<Calls>> groups = new ArrayList<>();
            int begin = 0;
            while (begin < calls.size()) {
                int end = begin + 1;
                while (end + 1 < calls.size()
                        && end - begin < 2 * MAX_EXCEPTIONS
                        && calls.get(end).numbers().isOne()
                        && calls.get(end + 1).decision() == calls.get(begin).decision()) {
                    end += 2;
                }
                groups.add(calls.subList(begin, end));
                begin = end;
            }
            return groups;
        }

        /** The accumulator holds the number. */
        private int branch(List<List<Calls>> groups) {
            if (groups.size() == 1) {
                return group(groups.getFirst());
            }
            int middle = groups.size() / 2;
            int upper = branch(groups.subList(middle, groups.size()));
            int lower = branch(groups.subList(0, middle));
            return compare(JGE, (int) groups.get(middle).getFirst().numbers().first(), upper, lower);
        }

        private int group(List<Calls> calls) {
            int place = decision(calls.getFirst().decision(), Optional.empty());
            for (int i = 1; i < calls.size(); i += 2) {
                int exception = decision(calls.get(i).decision(), Optional.empty());
                place = compare(JEQ, (int) calls.get(i).numbers().first(), exception, place);
            }
            return place;
        }

        private int decision(Decision decision, Optional<Value> held) {
            Begin begin = new Begin(
                    decision,
                    decision instanceof Question asked ? held.filter(asked.key.value()::equals) : Optional.empty());
            Integer known = places.get(begin);
            if (known != null && (decision instanceof Question || isNear(known))) {
                return known;
            }
            int place = switch (decision) {
                case Answer answer -> add(new Instruction(RET, 0, 0, answer.action));
                case Question asked -> question(asked.key, begin.held().isPresent());
            };
            places.put(begin, place);
            return place;
        }

        private int question(Key asked, boolean held) {
            Optional<Value> value = Optional.of(asked.value());
            int whenTrue = decision(asked.whenTrue(), value);
            int whenFalse = decision(asked.whenFalse(), value);
            int place = compare(asked.comparison(), asked.k(), whenTrue, whenFalse);
            if (held) {
                return place;
            }
            for (int mask : asked.value().masks().reversed()) {
                add(new Instruction(ALU_AND, 0, 0, mask));
            }
            return add(new Instruction(LD_W_ABS, 0, 0, asked.value().offset()));
        }

        /** What is too far away is jumped to by another jump on the way. */
        private int compare(int comparison, int k, int whenTrue, int whenFalse) {
            int yes = whenTrue;
            int no = whenFalse;
            while (!isNear(yes) || !isNear(no)) {
                if (isNear(yes)) {
                    no = add(new Instruction(JA, 0, 0, distance(no)));
                } else {
                    yes = add(new Instruction(JA, 0, 0, distance(yes)));
                }
            }
            return add(new Instruction(comparison, distance(yes), distance(no), k));
        }

        /** How many instructions the next one would skip to come there. */
        private int distance(int place) {
            return fromEnd.size() - place - 1;
        }

        private boolean isNear(int place) {
            return distance(place) <= MAX_JUMP;
        }

        private int add(Instruction instruction) {
            fromEnd.add(instruction);
            return fromEnd.size() - 1;
        }
    }
}
