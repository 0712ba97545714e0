package io.portafilter.cli;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.TerminalSettings;
import io.portafilter.linux.WindowSize;

/** The terminal of this process, which passes every key on as it is: the program at the other end has its own. */
final class OwnTerminal {
    private final Fd stdin;
    private final TerminalSettings before;
    private final Thread atExit = Thread.ofPlatform().unstarted(this::giveBack);

    private OwnTerminal(Fd stdin, TerminalSettings before) {
        this.stdin = stdin;
        this.before = before;
    }

    /** Puts it into raw mode, cfmakeraw(3), until {@link #restore} or the end of this process. */
    @SuppressWarnings("MustBeClosedChecker") // stdin stays open
    static OwnTerminal raw() throws CommandException {
        Fd stdin = Fd.own(0);
        try {
            OwnTerminal terminal = new OwnTerminal(stdin, Kernel.terminalSettings(stdin));
            Runtime.getRuntime().addShutdownHook(terminal.atExit);
            Kernel.setTerminalSettings(stdin, terminal.before.raw());
            return terminal;
        } catch (KernelException e) {
            if (e.is(Errno.ENOTTY)) {
                throw new CommandException(ExitStatus.FAILED, "-t wants a terminal, and stdin is none: leave it out");
            }
            throw e;
        }
    }

    /** Whether stdin is a terminal. */
    @SuppressWarnings("MustBeClosedChecker") // stdin stays open
    static boolean isThere() {
        try {
            TerminalSettings _ = Kernel.terminalSettings(Fd.own(0));
            return true;
        } catch (KernelException e) {
            return false;
        }
    }

    /** As resize streams want it. */
    String sizeJson() {
        WindowSize size = Kernel.windowSize(stdin);
        return "{\"Width\":" + size.columns() + ",\"Height\":" + size.rows() + "}";
    }

    private void giveBack() {
        try {
            Kernel.setTerminalSettings(stdin, before);
        } catch (KernelException e) {
            if (!e.is(Errno.EIO)) {
                throw e;
            }
            // it was hung up: nobody sits at it any more
        }
    }

    void restore() {
        giveBack();
        try {
            boolean _ = Runtime.getRuntime().removeShutdownHook(atExit);
        } catch (IllegalStateException ending) {
            // the process is ending, and the hook does the same once more
            return;
        }
    }
}
