package io.portafilter.security;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The first two numbers of a kernel release such as {@code 6.12.30+deb13-amd64}. */
public record KernelVersion(int major, int minor) implements Comparable<KernelVersion> {

    private static final Pattern RELEASE = Pattern.compile("(\\d{1,4})\\.(\\d{1,4})(?:\\D.*)?");

    /** Reads what uname(2) or {@code /proc/sys/kernel/osrelease} says. */
    public static KernelVersion parse(String release) {
        Matcher matcher = RELEASE.matcher(release.strip());
        if (!matcher.matches()) {
            throw new IllegalArgumentException("no kernel release: \"" + release + "\"");
        }
        return new KernelVersion(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
    }

    /** Whether this kernel is of the given version or newer. */
    public boolean atLeast(int wantedMajor, int wantedMinor) {
        return compareTo(new KernelVersion(wantedMajor, wantedMinor)) >= 0;
    }

    @Override
    public int compareTo(KernelVersion other) {
        return major != other.major ? Integer.compare(major, other.major) : Integer.compare(minor, other.minor);
    }

    @Override
    public String toString() {
        return major + "." + minor;
    }
}
