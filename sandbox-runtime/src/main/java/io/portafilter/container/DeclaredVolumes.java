package io.portafilter.container;

import io.portafilter.rootfs.MountPoints;
import io.portafilter.rootfs.MountRefusal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** Where the volumes that an image declares will lie. Its paths are a stranger's, as are the links on the way. */
final class DeclaredVolumes {

    private DeclaredVolumes() {}

    /**
     * The mounts with each declared volume at the place that its path leads to. What the request mounts goes first:
     * nothing that the image declares may hide it, however it is spelled. Of several at one place the first stays.
     *
     * @param resolve a path in the image's root file system to the one without links
     */
    static List<MountRequest> settle(List<MountRequest> mounts, UnaryOperator<String> resolve) {
        if (mounts.stream().noneMatch(MountRequest::isDeclared)) {
            return mounts;
        }
        Set<String> taken = new HashSet<>();
        mounts.stream().filter(mount -> !mount.isDeclared()).forEach(mount -> {
            taken.add(mount.containerPath());
            taken.add(orItself(mount.containerPath(), resolve));
        });
        List<MountRequest> settled = new ArrayList<>();
        for (MountRequest mount : mounts) {
            if (!mount.isDeclared()) {
                settled.add(mount);
                continue;
            }
            String place = resolve.apply(mount.containerPath());
            refuseForbidden(mount.containerPath(), place);
            if (taken.add(place)) {
                settled.add(mount.at(place));
            }
        }
        return settled;
    }

    /**
     * The order of attaching: from the shorter paths to the longer ones; but a declared volume comes before all that the
     * request mounts, or right after what it lies in. Otherwise it could hide a mount that the image's links, or those of
     * another volume, lead to a place below it.
     */
    static List<MountRequest> ordered(List<MountRequest> mounts) {
        List<MountRequest> asked = sorted(mounts, mount -> !mount.isDeclared());
        List<MountRequest> declared = sorted(mounts, MountRequest::isDeclared);
        List<MountRequest> ordered = new ArrayList<>(declared.stream()
                .filter(volume -> asked.stream().noneMatch(mount -> isBelow(volume, mount)))
                .toList());
        for (int i = 0; i < asked.size(); i++) {
            MountRequest mount = asked.get(i);
            List<MountRequest> later = asked.subList(i + 1, asked.size());
            ordered.add(mount);
            declared.stream()
                    .filter(volume -> isBelow(volume, mount))
                    .filter(volume -> later.stream().noneMatch(other -> isBelow(volume, other)))
                    .forEach(ordered::add);
        }
        return ordered;
    }

    private static List<MountRequest> sorted(List<MountRequest> mounts, Predicate<MountRequest> which) {
        return mounts.stream()
                .filter(which)
                .sorted(Comparator.comparing(MountRequest::containerPath, MountPoints.ORDER))
                .toList();
    }

    private static boolean isBelow(MountRequest volume, MountRequest mount) {
        return volume.containerPath().startsWith(mount.containerPath() + "/");
    }

    /** Another mount may be on the way, and make a path of what is none in the image. */
    private static String orItself(String path, UnaryOperator<String> resolve) {
        try {
            return resolve.apply(path);
        } catch (MountRefusal e) {
            return path;
        }
    }

    private static void refuseForbidden(String declared, String place) {
        if (place.equals("/") || place.equals("/proc") || place.startsWith("/proc/")) {
            throw new MountRefusal("the image declares the volume " + declared
                    + (place.equals(declared) ? "" : ", which leads to " + place)
                    + ": nothing may be mounted there; mend the image's Volumes");
        }
    }
}
