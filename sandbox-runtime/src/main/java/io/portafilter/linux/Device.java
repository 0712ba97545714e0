package io.portafilter.linux;

import org.jspecify.annotations.Nullable;

/**
 * A device number.
 *
 * @param major names the driver, 12 bits
 * @param minor names the device, 20 bits
 */
public record Device(int major, int minor) {

    public Device {
        if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff) {
            throw new IllegalArgumentException("no device number: " + major + ":" + minor);
        }
    }

    // Not by the method handles of a record's own, which the first compiler does not look into: gate 2 asks for each
    // mount.

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Device device && major == device.major && minor == device.minor;
    }

    @Override
    public int hashCode() {
        return (major << 20) | minor;
    }

    /** As mknodat(2) takes it: {@code new_encode_dev} in {@code include/linux/kdev_t.h}. */
    public long encoded() {
        return (minor & 0xffL) | ((long) major << 8) | ((minor & ~0xffL) << 12);
    }

    /** From the number that mknodat(2) takes. */
    public static Device decode(long encoded) {
        return new Device(major(encoded), minor(encoded));
    }

    static int major(long encoded) {
        return (int) ((encoded >>> 8) & 0xfff);
    }

    static int minor(long encoded) {
        return (int) ((encoded & 0xff) | ((encoded >>> 12) & 0xfff00));
    }

    /** As the kernel prints it: {@code 1:3}. */
    @Override
    public String toString() {
        return major + ":" + minor;
    }
}
