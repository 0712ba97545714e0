package io.portafilter.cgroup;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The path of a cgroup below the root of its hierarchy, such as {@code /kubepods/burstable/podUID/ID}. Never the root
 * itself, and never a way out of it.
 */
record CgroupPath(String value) {
    private static final int MAX_PATH_BYTES = 2048;
    private static final int MAX_NAME_BYTES = 255;

    CgroupPath {
        if (!value.startsWith("/") || value.length() == 1) {
            throw refused(value, "an absolute path below the root, such as /portafilter/ID, was expected");
        }
        if (value.getBytes(StandardCharsets.UTF_8).length > MAX_PATH_BYTES) {
            throw refused(value, "longer than " + MAX_PATH_BYTES + " bytes");
        }
        for (String name : value.substring(1).split("/", -1)) {
            check(value, name);
        }
    }

    private static void check(String path, String name) {
        if (name.isEmpty()) {
            throw refused(path, "it has an empty component");
        }
        if (name.equals(".") || name.equals("..")) {
            throw refused(path, "the component \"" + name + "\" is not allowed");
        }
        if (name.getBytes(StandardCharsets.UTF_8).length > MAX_NAME_BYTES) {
            throw refused(path, "a component is longer than " + MAX_NAME_BYTES + " bytes");
        }
        if (name.chars().anyMatch(Character::isISOControl)) {
            throw refused(path, "it contains a control character");
        }
    }

    private static CgroupRefusal refused(String path, String why) {
        return new CgroupRefusal("cgroup path \"" + path + "\": " + why);
    }

    /** Its ancestors below the root, outermost first, and itself last. */
    List<String> fromTheTop() {
        List<String> paths = new ArrayList<>();
        for (int slash = value.indexOf('/', 1); slash > 0; slash = value.indexOf('/', slash + 1)) {
            paths.add(value.substring(0, slash));
        }
        paths.add(value);
        return paths;
    }

    @Override
    public String toString() {
        return value;
    }
}
