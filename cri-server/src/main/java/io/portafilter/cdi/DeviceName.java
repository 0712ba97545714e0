package io.portafilter.cdi;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The qualified name of a device, {@code vendor/class=name}.
 *
 * @param kind vendor and class, as a specification names them
 * @param name of one device of that kind
 */
public record DeviceName(String kind, String name) {

    private static final String ENDS_WELL = "(?:[A-Za-z0-9_.-]*[A-Za-z0-9])?";
    private static final Pattern KIND = Pattern.compile("[A-Za-z]" + ENDS_WELL + "/[A-Za-z]" + ENDS_WELL);
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?");
    private static final Pattern QUALIFIED = Pattern.compile("([^=]*)=(.*)", Pattern.DOTALL);

    /**
     * Reads it.
     *
     * @throws CdiException if it is no such name
     */
    public static DeviceName parse(String text) {
        Matcher parts = QUALIFIED.matcher(text);
        if (!parts.matches() || !isKind(parts.group(1)) || !isName(parts.group(2))) {
            throw new CdiException(
                    "is no qualified name of a device, which is vendor/class=name, such as" + " vendor.com/gpu=0");
        }
        return new DeviceName(parts.group(1), parts.group(2));
    }

    /** Whether a specification may be of this kind: a vendor and a class, each beginning with a letter. */
    static boolean isKind(String kind) {
        return KIND.matcher(kind).matches();
    }

    /** Whether a device may be called so. */
    static boolean isName(String name) {
        return NAME.matcher(name).matches();
    }

    @Override
    public String toString() {
        return kind + "=" + name;
    }
}
