package io.portafilter.container;

/**
 * What a {@link Probe} has found out.
 *
 * @param feature what was tried
 * @param need whether pods cannot be without it
 * @param outcome what came of it
 * @param lost what does not work where it is missing
 * @param cure what a person can do about it
 */
public record Finding(String feature, Probe.Need need, Outcome outcome, String lost, String cure) {

    /** Whether it works or is not needed. */
    public boolean isGood() {
        return switch (outcome) {
            case Outcome.Works _, Outcome.NotNeeded _ -> true;
            case Outcome.Missing _, Outcome.Untried _ -> false;
        };
    }
}
