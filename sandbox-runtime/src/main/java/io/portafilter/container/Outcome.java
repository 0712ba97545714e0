package io.portafilter.container;

/** What trying something has shown; each with words for people, which may be empty. */
public sealed interface Outcome {
    /** What it is about this host, or why. */
    String detail();

    /** It works. */
    record Works(String detail) implements Outcome {}

    /** It was tried and does not work. */
    record Missing(String detail) implements Outcome {}

    /** It could not be tried, so nothing is known. */
    record Untried(String detail) implements Outcome {}

    /** This host does not need it. */
    record NotNeeded(String detail) implements Outcome {}
}
