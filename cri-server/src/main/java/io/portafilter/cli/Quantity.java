package io.portafilter.cli;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An amount as Kubernetes writes it: {@code 500m}, {@code 0.5}, {@code 64Mi}, {@code 1e3}. Not negative. */
record Quantity(BigDecimal amount) {
    private static final Pattern FORM =
            Pattern.compile("\\+?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{1,2}|n|u|m|k|Ki|[MGTPE]i?|)");
    private static final Map<String, BigDecimal> SCALES = Map.ofEntries(
            Map.entry("", BigDecimal.ONE),
            Map.entry("n", BigDecimal.ONE.movePointLeft(9)),
            Map.entry("u", BigDecimal.ONE.movePointLeft(6)),
            Map.entry("m", BigDecimal.ONE.movePointLeft(3)),
            Map.entry("k", BigDecimal.ONE.movePointRight(3)),
            Map.entry("M", BigDecimal.ONE.movePointRight(6)),
            Map.entry("G", BigDecimal.ONE.movePointRight(9)),
            Map.entry("T", BigDecimal.ONE.movePointRight(12)),
            Map.entry("P", BigDecimal.ONE.movePointRight(15)),
            Map.entry("E", BigDecimal.ONE.movePointRight(18)),
            Map.entry("Ki", BigDecimal.valueOf(1L << 10)),
            Map.entry("Mi", BigDecimal.valueOf(1L << 20)),
            Map.entry("Gi", BigDecimal.valueOf(1L << 30)),
            Map.entry("Ti", BigDecimal.valueOf(1L << 40)),
            Map.entry("Pi", BigDecimal.valueOf(1L << 50)),
            Map.entry("Ei", BigDecimal.valueOf(1L << 60)));

    Quantity {
        if (amount.signum() < 0 || amount.compareTo(BigDecimal.valueOf(Long.MAX_VALUE / 1000)) > 0) {
            throw new IllegalArgumentException("not an amount from 0 to " + Long.MAX_VALUE / 1000);
        }
    }

    /** Throws IllegalArgumentException for what is no quantity. */
    static Quantity parse(String text) {
        Matcher form = FORM.matcher(text);
        if (!form.matches()) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is no quantity: a number with n, u, m, k, M, G, Ki, Mi, Gi ... is needed");
        }
        BigDecimal number = new BigDecimal(form.group(1));
        String suffix = form.group(2);
        BigDecimal scale = SCALES.get(suffix);
        return new Quantity(
                scale == null
                        ? new BigDecimal(form.group(1) + suffix)
                        : number.multiply(scale).stripTrailingZeros());
    }

    /** In whole units, rounded up: bytes of memory. */
    long units() {
        return amount.setScale(0, RoundingMode.CEILING).longValueExact();
    }

    /** In thousandths, rounded up: of a CPU. */
    long thousandths() {
        return amount.movePointRight(3).setScale(0, RoundingMode.CEILING).longValueExact();
    }
}
