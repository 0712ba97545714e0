package io.portafilter.launch;

/** An argument of an operation. */
public sealed interface Operand {

    /** NULL, or zero. */
    Literal ZERO = new Literal(0);

    /** A number that is known when the program is assembled. */
    record Literal(long value) implements Operand {}

    /** The address of a text, NUL-terminated, in the program's string table. */
    record Text(String value) implements Operand {
        /** Refuses text that the kernel would see cut short. */
        public Text {
            if (value.indexOf('\0') >= 0) {
                throw new IllegalArgumentException("text with a NUL byte: " + quoted(value));
            }
        }

        static String quoted(String text) {
            StringBuilder quoted = new StringBuilder("\"");
            for (int i = 0; i < text.length(); i++) {
                char c = text.charAt(i);
                switch (c) {
                    case '"' -> quoted.append("\\\"");
                    case '\\' -> quoted.append("\\\\");
                    case '\n' -> quoted.append("\\n");
                    case '\t' -> quoted.append("\\t");
                    default -> {
                        if (c < ' ' || c == 0x7f) {
                            quoted.append(String.format("\\%o", (int) c));
                        } else {
                            quoted.append(c);
                        }
                    }
                }
            }
            return quoted.append('"').toString();
        }
    }

    /** The address of a block. */
    record AddressOf(Block block) implements Operand {}

    /**
     * What an earlier operation returned: a descriptor, a pid. The earlier operation writes it straight into this
     * argument, so that a result can be the argument of one operation only; others take its address.
     */
    record ResultOf(Label operation) implements Operand {}

    /** The address of the eight bytes into which an operation's result is written. */
    record AddressOfResult(Label operation) implements Operand {}

    /** The address of the record of the last failure: the failed operation's address and its errno, 4 bytes each. */
    record LastFailure() implements Operand {}

    /** The address of the progress page. */
    record ProgressPage() implements Operand {}

    /** The address of the eight bytes that say on the status pipe: this process is about to end. */
    record EndRecord() implements Operand {}
}
