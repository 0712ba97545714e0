package io.portafilter.cli;

import java.io.ByteArrayOutputStream;

/**
 * Finds Ctrl-P Ctrl-Q in what is typed, as docker has it. A Ctrl-P is kept back until the next key says whether it was the
 * program's.
 */
final class DetachKeys {
    private static final int CTRL_P = 0x10;
    private static final int CTRL_Q = 0x11;

    private boolean held;

    /**
     * What of the next keys is the program's.
     *
     * @param keys for the program
     * @param detach whether the two keys came behind them; what was typed after those is nobody's
     */
    record Typed(byte[] keys, boolean detach) {}

    /** Takes the first {@code count} of some bytes. */
    Typed typed(byte[] bytes, int count) {
        ByteArrayOutputStream keys = new ByteArrayOutputStream(count + 1);
        for (int i = 0; i < count; i++) {
            if (held && bytes[i] == CTRL_Q) {
                return new Typed(keys.toByteArray(), true);
            }
            if (held) {
                keys.write(CTRL_P);
            }
            held = bytes[i] == CTRL_P;
            if (!held) {
                keys.write(bytes[i]);
            }
        }
        return new Typed(keys.toByteArray(), false);
    }

    /** What is kept back when no more keys come. */
    byte[] rest() {
        return held ? new byte[] {CTRL_P} : new byte[0];
    }
}
