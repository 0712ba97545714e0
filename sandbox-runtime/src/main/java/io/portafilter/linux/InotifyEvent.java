package io.portafilter.linux;

/**
 * What happened in a watched directory, inotify(7).
 *
 * @param watch the number that {@link Kernel#inotifyAddWatch} gave, -1 when events were lost ({@code IN_Q_OVERFLOW})
 * @param mask what happened, {@code IN_*}
 * @param name the name in the directory, empty if the watched file itself is meant
 */
public record InotifyEvent(int watch, int mask, String name) {}
