package io.portafilter.e2e;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * One call of a random sequence. It names places, not ids, so that it means something whatever came before it and a
 * sequence can be shortened by leaving steps out.
 *
 * @param pod which of the pods, from 0
 * @param place which of the pod's containers, from 0
 * @param naming how the id is given
 * @param program what a container that is created runs
 * @param patienceMicros after how long the caller goes away; 0: never
 */
record Step(Verb verb, int pod, int place, Naming naming, Program program, int patienceMicros) {

    static final int PODS = 2;
    static final int PLACES = 2;

    private static final int LONGEST_PATIENCE_MICROS = 12_000;

    enum Verb {
        RUN_POD,
        STOP_POD,
        REMOVE_POD,
        POD_STATUS,
        CREATE,
        START,
        STOP_GENTLY,
        KILL,
        REMOVE,
        EXEC,
        STATUS,
        REOPEN_LOG
    }

    enum Naming {
        WHOLE,
        /** Enough of it that no other id begins so. */
        PREFIX,
        /** One character: often several ids begin so. */
        SHORT,
        /** Of something that was removed. */
        STALE,
        UNKNOWN,
        EMPTY
    }

    enum Program {
        /** Runs until it is told to end. */
        IDLE,
        /** Ends by itself, with 3. */
        SHORT_LIVED,
        /** Is not there. */
        MISSING
    }

    /** More of what makes something than of what only looks, and mostly with a good id. */
    private static final List<Verb> VERBS = weighted();

    private static List<Verb> weighted() {
        List<Verb> verbs = new ArrayList<>(List.of(Verb.values()));
        verbs.addAll(List.of(Verb.RUN_POD, Verb.RUN_POD, Verb.RUN_POD));
        verbs.addAll(List.of(Verb.CREATE, Verb.CREATE, Verb.CREATE, Verb.CREATE));
        verbs.addAll(List.of(Verb.START, Verb.START, Verb.START, Verb.START));
        return List.copyOf(verbs);
    }

    static List<Step> sequence(RandomGenerator random, int steps) {
        List<Step> sequence = new ArrayList<>();
        for (int i = 0; i < steps; i++) {
            sequence.add(of(random));
        }
        return sequence;
    }

    private static Step of(RandomGenerator random) {
        Verb verb = VERBS.get(random.nextInt(VERBS.size()));
        Naming[] namings = Naming.values();
        Program[] programs = Program.values();
        return new Step(
                verb,
                random.nextInt(PODS),
                random.nextInt(PLACES),
                random.nextInt(10) < 7 ? Naming.WHOLE : namings[random.nextInt(namings.length)],
                random.nextInt(10) < 6 ? Program.IDLE : programs[random.nextInt(programs.length)],
                random.nextInt(4) == 0 ? 1 + random.nextInt(LONGEST_PATIENCE_MICROS) : 0);
    }

    /** As it is shown when a sequence fails. */
    @Override
    public String toString() {
        return verb + " pod " + pod
                + switch (verb) {
                    case RUN_POD -> "";
                    case STOP_POD, REMOVE_POD, POD_STATUS -> " " + naming;
                    case CREATE -> " place " + place + " " + naming + " " + program;
                    case START, STOP_GENTLY, KILL, REMOVE, EXEC, STATUS, REOPEN_LOG -> " place " + place + " " + naming;
                }
                + (patienceMicros > 0 ? ", caller leaves after " + patienceMicros + " us" : "");
    }
}
