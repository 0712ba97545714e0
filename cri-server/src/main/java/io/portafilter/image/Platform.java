package io.portafilter.image;

import java.util.Locale;

/**
 * The platform that an image is for, in Go's words (OCI image specification, image-index.md).
 *
 * @param variant empty where the architecture has but one, or none was named
 */
public record Platform(String os, String architecture, String variant) {
    private static final String ARM64_BASE = "v8";

    public Platform {
        os = os.toLowerCase(Locale.ROOT);
        architecture = architecture.toLowerCase(Locale.ROOT);
        variant = variant.toLowerCase(Locale.ROOT);
        if (architecture.equals("x86_64") || architecture.equals("x86-64")) {
            architecture = "amd64";
        } else if (architecture.equals("aarch64")) {
            architecture = "arm64";
        }
        // "arm64" alone means version 8, "amd64" alone means version 1
        if ((architecture.equals("arm64") && (variant.equals(ARM64_BASE) || variant.equals("8")))
                || (architecture.equals("amd64") && variant.equals("v1"))) {
            variant = "";
        }
    }

    /** The platform that this machine runs. */
    public static Platform host() {
        return new Platform("linux", System.getProperty("os.arch", "amd64"), "");
    }

    /**
     * How well this machine's platform runs an image of another: 0 for not at all, more is better. A variant that
     * we know nothing of is not run; the base variant always is.
     */
    int preferenceFor(Platform image) {
        if (!os.equals(image.os) || !architecture.equals(image.architecture)) {
            return 0;
        }
        if (variant.equals(image.variant)) {
            return 2;
        }
        return image.variant.isEmpty() ? 1 : 0;
    }

    @Override
    public String toString() {
        return os + "/" + architecture + (variant.isEmpty() ? "" : "/" + variant);
    }
}
