package io.portafilter.image;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

/**
 * The lowest layer below every image: what the runtime mounts onto in each container, empty. Where an image has the path
 * itself, its own shows.
 *
 * <p>Without it each container of an image that lacks {@code /etc/hosts}, say, would have overlay copy up {@code /etc}
 * and make the file, which costs more than the rest of the root file system.
 */
final class MountPointLayer {
    private static final List<String> DIRECTORIES = List.of("dev", "etc", "proc", "sys");
    private static final List<String> FILES = List.of("etc/hostname", "etc/hosts", "etc/resolv.conf");

    private MountPointLayer() {}

    /** Makes what is missing of it. */
    static Path ensure(Path layer) throws IOException {
        ensureDirectory(layer);
        for (String name : DIRECTORIES) {
            ensureDirectory(layer.resolve(name));
        }
        for (String name : FILES) {
            Path file = layer.resolve(name);
            if (Files.notExists(file)) {
                Files.createFile(file);
            }
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
        }
        return layer;
    }

    private static void ensureDirectory(Path directory) throws IOException {
        Files.createDirectories(directory);
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
}
