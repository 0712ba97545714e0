package io.portafilter.streaming;

import java.util.List;

/** A command as one log line shows it: quoted, bounded, without what a terminal would act on. */
final class LoggedCommand {

    private static final int LONGEST = 256;

    private LoggedCommand() {}

    static String of(List<String> command) {
        StringBuilder shown = new StringBuilder("\"");
        for (String argument : command) {
            if (shown.length() > 1) {
                shown.append(' ');
            }
            if (shown.length() + argument.length() > LONGEST) {
                shown.append(argument, 0, Math.max(0, LONGEST - shown.length())).append("...");
                break;
            }
            shown.append(argument);
        }
        return shown.substring(0, 1) + shown.substring(1).replaceAll("[\\p{Cntrl}\"\\\\]", "?") + '"';
    }
}
