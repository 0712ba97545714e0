package io.portafilter.linux;

/**
 * What uname(2) says.
 *
 * @param system {@code Linux}
 * @param node the host name
 * @param release the kernel's version, such as {@code 6.12.0}
 * @param version when and how it was built
 * @param machine the architecture, such as {@code x86_64}
 */
public record SystemName(String system, String node, String release, String version, String machine) {

    static final int FIELD_BYTES = 65;
    static final int BYTES = 6 * FIELD_BYTES;

    /** From struct new_utsname of {@code linux/utsname.h}. */
    static SystemName of(Call.Area area) {
        return new SystemName(field(area, 0), field(area, 1), field(area, 2), field(area, 3), field(area, 4));
    }

    private static String field(Call.Area area, int index) {
        byte[] bytes = area.copy(index * FIELD_BYTES, FIELD_BYTES);
        int length = 0;
        while (length < FIELD_BYTES && bytes[length] != 0) {
            length++;
        }
        return KernelText.decode(bytes, 0, length);
    }

    /** Whether the kernel is at least this version, by the first two numbers of its release. */
    public boolean isAtLeast(int major, int minor) {
        String[] numbers = release.split("[^0-9]+", 3);
        int ownMajor = Integer.parseInt(numbers[0]);
        int ownMinor = numbers.length > 1 ? Integer.parseInt(numbers[1]) : 0;
        return ownMajor > major || (ownMajor == major && ownMinor >= minor);
    }
}
