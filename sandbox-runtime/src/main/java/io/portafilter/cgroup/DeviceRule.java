package io.portafilter.cgroup;

import java.util.List;
import java.util.regex.Pattern;

/**
 * Allows a cgroup's processes to use devices (kernel documentation: cgroup-v1/devices).
 *
 * @param type {@code c} a character device, {@code b} a block device, {@code a} all devices of both kinds
 * @param major the major number, or {@link #ANY}
 * @param minor the minor number, or {@link #ANY}
 * @param access a subset of {@code rwm}: read, write, mknod
 */
public record DeviceRule(char type, long major, long minor, String access) {
    private static final Pattern ACCESS = Pattern.compile("(?!.*(.).*\\1)[rwm]{1,3}");
    private static final long MAX_MAJOR = 0xfff;
    private static final long MAX_MINOR = 0xfffff;

    /** Any major or minor number, {@code *} in the kernel's spelling. */
    public static final long ANY = -1;

    /** Every use of every device: what a privileged container gets. */
    public static final DeviceRule ALL = new DeviceRule('a', ANY, ANY, "rwm");

    /**
     * What every container may use: its own default nodes and pseudo terminals. A node of any type may be made, for
     * a node that cannot be opened does no harm (and package managers make them).
     */
    public static final List<DeviceRule> DEFAULTS = List.of(
            new DeviceRule('c', ANY, ANY, "m"),
            new DeviceRule('b', ANY, ANY, "m"),
            new DeviceRule('c', 1, 3, "rwm"), // null
            new DeviceRule('c', 1, 5, "rwm"), // zero
            new DeviceRule('c', 1, 7, "rwm"), // full
            new DeviceRule('c', 1, 8, "rwm"), // random
            new DeviceRule('c', 1, 9, "rwm"), // urandom
            new DeviceRule('c', 5, 0, "rwm"), // tty
            new DeviceRule('c', 5, 2, "rwm"), // ptmx
            new DeviceRule('c', 136, ANY, "rwm")); // pts/*

    public DeviceRule {
        if (type != 'a' && type != 'b' && type != 'c') {
            throw new IllegalArgumentException("device type '" + type + "': a, b or c was expected");
        }
        if (major < ANY || major > MAX_MAJOR || minor < ANY || minor > MAX_MINOR) {
            throw new IllegalArgumentException("device number " + major + ":" + minor + " is out of range");
        }
        if (!ACCESS.matcher(access).matches()) {
            throw new IllegalArgumentException("device access \"" + access + "\": a subset of rwm was expected");
        }
        if (type == 'a' && (major != ANY || minor != ANY || access.length() != 3)) {
            throw new IllegalArgumentException("a device rule of type a means all devices: a *:* rwm");
        }
    }

    /** As {@code devices.allow} takes it: {@code c 136:* rwm}. */
    @Override
    public String toString() {
        return type + " " + number(major) + ":" + number(minor) + " " + access;
    }

    private static String number(long value) {
        return value == ANY ? "*" : Long.toString(value);
    }
}
