package io.portafilter.rootfs;

import java.util.Map;
import java.util.Optional;

/** Since when file systems can be mounted with their owners mapped, as mount_setattr(2) lists them. */
final class IdMappedFileSystems {
    private static final Map<String, String> SINCE = Map.ofEntries(
            Map.entry("ext4", "5.12"),
            Map.entry("xfs", "5.12"),
            Map.entry("vfat", "5.12"),
            Map.entry("msdos", "5.12"),
            Map.entry("btrfs", "5.15"),
            Map.entry("ntfs3", "5.15"),
            Map.entry("f2fs", "5.18"),
            Map.entry("erofs", "5.19"),
            Map.entry("squashfs", "6.2"),
            Map.entry("tmpfs", "6.3"),
            Map.entry("ceph", "6.7"),
            Map.entry("hugetlbfs", "6.9"));

    private IdMappedFileSystems() {}

    /** A half sentence for one that the kernel did not map; empty for one that no kernel is known to map. */
    static String since(Optional<String> type) {
        return type.flatMap(name -> Optional.ofNullable(SINCE.get(name))
                        .map(version -> ", which " + name + " can since Linux " + version))
                .orElse("");
    }
}
