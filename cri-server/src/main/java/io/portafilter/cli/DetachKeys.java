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
     * Takes the first {@code count} of some bytes.
     *
     * @param keys gets what of them is the program's
     * @return whether the two keys came behind that; what was typed after those is nobody's
     */
    boolean typed(byte[] bytes, int count, ByteArrayOutputStream keys) {
        for (int i = 0; i < count; i++) {
            if (held && bytes[i] == CTRL_Q) {
                return true;
            }
            if (held) {
                keys.write(CTRL_P);
            }
            held = bytes[i] == CTRL_P;
            if (!held) {
                keys.write(bytes[i]);
            }
        }
        return false;
    }

    /** What is kept back when no more keys come. */
    byte[] rest() {
        return held ? new byte[] {CTRL_P} : new byte[0];
    }
}
