package io.portafilter.systemd;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A slice of systemd: {@code a-b.slice} lies in {@code a.slice} (systemd.slice(5)).
 *
 * @param name without a path, such as {@code kubepods-burstable.slice}
 */
public record Slice(String name) {
    private static final String SUFFIX = ".slice";
    private static final int MAX_NAME_BYTES = 255;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9:_.\\\\]+(-[A-Za-z0-9:_.\\\\]+)*\\.slice");

    public Slice {
        if (!isName(name)) {
            throw new IllegalArgumentException("\"" + name + "\" is no name of a slice");
        }
    }

    /**
     * The slice that a text means: a name, or the whole path of its cgroup. Empty when it is neither: a path whose
     * last name lies elsewhere would put a container where nobody asked for it.
     */
    public static Optional<Slice> parse(String text) {
        String name = text.substring(text.lastIndexOf('/') + 1);
        if (!isName(name)) {
            return Optional.empty();
        }
        Slice slice = new Slice(name);
        boolean fits = text.equals(name) || text.equals(slice.cgroupPath());
        return fits ? Optional.of(slice) : Optional.empty();
    }

    private static boolean isName(String text) {
        return text.length() <= MAX_NAME_BYTES && NAME.matcher(text).matches();
    }

    /** Whether a text looks as if a slice were meant. */
    public static boolean isMeant(String text) {
        return text.endsWith(SUFFIX);
    }

    /** The path of its cgroup: {@code /kubepods.slice/kubepods-burstable.slice}. */
    public String cgroupPath() {
        StringBuilder path = new StringBuilder();
        String stem = name.substring(0, name.length() - SUFFIX.length());
        for (int dash = stem.indexOf('-'); dash > 0; dash = stem.indexOf('-', dash + 1)) {
            path.append('/').append(stem, 0, dash).append(SUFFIX);
        }
        return path.append('/').append(name).toString();
    }
}
