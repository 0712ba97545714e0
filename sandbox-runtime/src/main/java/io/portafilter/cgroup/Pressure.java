package io.portafilter.cgroup;

import java.util.Optional;

/**
 * How much a cgroup's processes waited for a resource, as pressure stall information tells it (Linux 4.20,
 * {@code Documentation/accounting/psi.rst}).
 *
 * @param some while one at least waited
 * @param full while all waited; absent for the CPU before Linux 5.13
 */
public record Pressure(Stall some, Optional<Stall> full) {

    /**
     * A share of the time.
     *
     * @param average10 of the last 10 seconds, in percent
     * @param average60 of the last minute
     * @param average300 of the last five minutes
     * @param totalNanos since the cgroup was made
     */
    public record Stall(double average10, double average60, double average300, long totalNanos) {
        private static final long NANOS_OF_A_MICROSECOND = 1000;

        /** From {@code avg10=0.00 avg60=0.00 avg300=0.00 total=0}. */
        private static Stall parse(String words) {
            double[] averages = new double[3];
            long total = 0;
            for (String word : words.split(" ")) {
                int sign = word.indexOf('=');
                String value = word.substring(sign + 1);
                switch (word.substring(0, Math.max(sign, 0))) {
                    case "avg10" -> averages[0] = Double.parseDouble(value);
                    case "avg60" -> averages[1] = Double.parseDouble(value);
                    case "avg300" -> averages[2] = Double.parseDouble(value);
                    case "total" -> total = Long.parseLong(value) * NANOS_OF_A_MICROSECOND;
                    default -> {} // a later kernel may tell more
                }
            }
            return new Stall(averages[0], averages[1], averages[2], total);
        }
    }

    /** From a file such as {@code cpu.pressure}; empty when it is of another form. */
    static Optional<Pressure> parse(String text) {
        Optional<Stall> some = line(text, "some ");
        return some.map(found -> new Pressure(found, line(text, "full ")));
    }

    private static Optional<Stall> line(String text, String beginning) {
        return text.lines()
                .filter(line -> line.startsWith(beginning))
                .map(line -> Stall.parse(line.substring(beginning.length())))
                .findFirst();
    }
}
