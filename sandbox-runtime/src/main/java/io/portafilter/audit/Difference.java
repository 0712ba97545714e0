package io.portafilter.audit;

/**
 * One thing in which a process is not as its container was given.
 *
 * @param sentence what is different, for people
 */
public record Difference(Kind kind, String sentence) {

    /** What it means for those who rely on what was given. */
    public enum Kind {
        /** The process may do what its container was not given. */
        MORE,
        /** The process gave something up. */
        LESS,
        /** Neither can be said: its rights count in a user namespace that it made, or are those of another profile. */
        ELSEWHERE
    }
}
