package io.portafilter.linux;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * How a terminal treats what goes through it: {@code struct termios} of asm-generic/termbits.h, four words of flags, the
 * line discipline, 19 control characters.
 */
public final class TerminalSettings {
    static final int BYTES = 36;

    private static final int INPUT_FLAGS = 0;
    private static final int OUTPUT_FLAGS = 4;
    private static final int CONTROL_FLAGS = 8;
    private static final int LOCAL_FLAGS = 12;
    private static final int CHARACTERS = 17;
    private static final int VTIME = 5;
    private static final int VMIN = 6;

    // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
    private static final int COOKED_INPUT = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x400;
    private static final int OPOST = 0x1;
    // ISIG ICANON ECHO ECHONL IEXTEN
    private static final int COOKED_LOCAL = 0x1 | 0x2 | 0x8 | 0x40 | 0x8000;
    private static final int CS8 = 0x30;
    private static final int PARENB = 0x100;

    private final byte[] termios;

    TerminalSettings(byte[] termios) {
        this.termios = termios.clone();
    }

    byte[] bytes() {
        return termios.clone();
    }

    /** The same, but every byte passes as it is, and no key means anything: cfmakeraw(3). */
    public TerminalSettings raw() {
        ByteBuffer raw = ByteBuffer.wrap(bytes()).order(ByteOrder.nativeOrder());
        raw.putInt(INPUT_FLAGS, raw.getInt(INPUT_FLAGS) & ~COOKED_INPUT);
        raw.putInt(OUTPUT_FLAGS, raw.getInt(OUTPUT_FLAGS) & ~OPOST);
        raw.putInt(CONTROL_FLAGS, raw.getInt(CONTROL_FLAGS) & ~PARENB | CS8);
        raw.putInt(LOCAL_FLAGS, raw.getInt(LOCAL_FLAGS) & ~COOKED_LOCAL);
        raw.put(CHARACTERS + VTIME, (byte) 0);
        raw.put(CHARACTERS + VMIN, (byte) 1);
        return new TerminalSettings(raw.array());
    }
}
