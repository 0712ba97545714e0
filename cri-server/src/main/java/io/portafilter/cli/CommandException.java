package io.portafilter.cli;

/** A command ends here: with this exit status, after this sentence on stderr. */
final class CommandException extends Exception {
    private static final long serialVersionUID = 1;

    private final int status;

    CommandException(int status, String sentence) {
        super(sentence);
        this.status = status;
    }

    int status() {
        return status;
    }
}
