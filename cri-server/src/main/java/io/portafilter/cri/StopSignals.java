package io.portafilter.cri;

import io.portafilter.cri.v1.Signal;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Stop signals: CRI's enumeration, images' texts, and the kernel's numbers (signal(7), x86-64 and AArch64 alike). */
final class StopSignals {

    static final int SIGTERM = 15;

    private static final int SIGRTMIN = 34;
    private static final int SIGRTMAX = 64;

    private static final Map<String, Integer> NUMBERS = new HashMap<>();
    private static final Map<Integer, Signal> SIGNALS = new HashMap<>();

    static {
        String[] standard = {
            "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
            "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
            "WINCH", "IO", "PWR", "SYS"
        };
        for (int i = 0; i < standard.length; i++) {
            NUMBERS.put(standard[i], i + 1);
        }
        NUMBERS.put("IOT", NUMBERS.get("ABRT"));
        NUMBERS.put("CLD", NUMBERS.get("CHLD"));
        NUMBERS.put("POLL", NUMBERS.get("IO"));
        NUMBERS.put("RTMIN", SIGRTMIN);
        NUMBERS.put("RTMAX", SIGRTMAX);
        for (int n = 1; n <= 15; n++) {
            NUMBERS.put("RTMIN+" + n, SIGRTMIN + n);
        }
        for (int n = 1; n <= 14; n++) {
            NUMBERS.put("RTMAX-" + n, SIGRTMAX - n);
        }
        for (Signal signal : Signal.values()) {
            number(signal).ifPresent(number -> SIGNALS.putIfAbsent(number, signal));
        }
    }

    private StopSignals() {}

    /** The kernel's number; absent for RUNTIME_DEFAULT and unknown values. */
    static Optional<Integer> number(Signal signal) {
        String name = signal.name();
        if (!name.startsWith("SIGNAL_SIG")) {
            return Optional.empty();
        }
        return Optional.ofNullable(NUMBERS.get(
                name.substring("SIGNAL_SIG".length()).replace("PLUS", "+").replace("MINUS", "-")));
    }

    /** CRI's value for a kernel's number. */
    static Signal signal(int number) {
        return SIGNALS.getOrDefault(number, Signal.SIGNAL_RUNTIME_DEFAULT);
    }

    /** The number of what an image's configuration says: {@code SIGQUIT}, {@code quit}, {@code 3}, {@code SIGRTMIN+3}. */
    static Optional<Integer> parse(String text) {
        String name = text.strip().toUpperCase(Locale.ROOT);
        if (name.matches("\\d{1,2}")) {
            int number = Integer.parseInt(name);
            return number >= 1 && number <= SIGRTMAX ? Optional.of(number) : Optional.empty();
        }
        return Optional.ofNullable(NUMBERS.get(name.startsWith("SIG") ? name.substring(3) : name));
    }

    /** The request's, else the image's, else SIGTERM. */
    static int effective(Signal asked, Optional<String> image) {
        if (asked == Signal.UNRECOGNIZED) {
            throw CriException.invalid(
                    "config.stop_signal", "is no signal of CRI", "use one that the enumeration names");
        }
        return number(asked)
                .or(() -> image.filter(text -> !text.isBlank())
                        .map(text -> parse(text)
                                .orElseThrow(() -> CriException.invalid(
                                        "config.stop_signal",
                                        "the image's stop signal " + CriException.shown(text) + " is none",
                                        "give one in the request, which wins"))))
                .orElse(SIGTERM);
    }
}
