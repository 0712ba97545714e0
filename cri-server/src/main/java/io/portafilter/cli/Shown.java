package io.portafilter.cli;

import java.time.Duration;
import java.time.Instant;
import java.util.Locale;

/** Ids, ages and sizes as crictl prints them. */
final class Shown {
    private static final int SHORT_ID = 13;

    private Shown() {}

    /** The first 13 digits of an id, without the digest's algorithm. */
    static String id(String id) {
        String digits = id.startsWith("sha256:") ? id.substring("sha256:".length()) : id;
        return digits.substring(0, Math.min(SHORT_ID, digits.length()));
    }

    /** {@code 2 minutes ago}. */
    static String ago(long nanosSinceEpoch, Instant now) {
        return age(Duration.between(Instant.EPOCH.plusNanos(nanosSinceEpoch), now)) + " ago";
    }

    private static String age(Duration age) {
        long seconds = age.toSeconds();
        long hours = (age.toMinutes() + 30) / 60;
        if (seconds < 1) {
            return "Less than a second";
        }
        if (seconds < 60) {
            return seconds == 1 ? "1 second" : seconds + " seconds";
        }
        if (seconds < 3600) {
            return seconds < 120 ? "About a minute" : age.toMinutes() + " minutes";
        }
        if (hours < 48) {
            return hours == 1 ? "About an hour" : hours + " hours";
        }
        if (hours < 24 * 7 * 2) {
            return hours / 24 + " days";
        }
        if (hours < 24 * 30 * 2) {
            return hours / 24 / 7 + " weeks";
        }
        return hours < 24 * 365 * 2 ? hours / 24 / 30 + " months" : age.toDays() / 365 + " years";
    }

    /** {@code 1.23MB}: three digits, powers of 1000. */
    static String size(long bytes) {
        String[] units = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
        double size = bytes;
        int unit = 0;
        while (size >= 1000 && unit < units.length - 1) {
            size /= 1000;
            unit++;
        }
        int decimals = unit == 0 ? 0 : size < 10 ? 2 : size < 100 ? 1 : 0;
        String number = String.format(Locale.ROOT, "%." + decimals + "f", size);
        return (number.contains(".") ? number.replaceAll("\\.?0+$", "") : number) + units[unit];
    }
}
