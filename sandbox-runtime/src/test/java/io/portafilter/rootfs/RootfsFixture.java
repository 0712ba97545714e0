package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.CLONE_NEWNS;
import static io.portafilter.linux.LinuxConstants.MOVE_MOUNT_F_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.MS_PRIVATE;
import static io.portafilter.linux.LinuxConstants.MS_REC;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.OwnThread;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Directories that stand for unpacked layers, and looks into mounts that are attached nowhere. */
final class RootfsFixture {
    private RootfsFixture() {}

    static void requireRoot() {
        assumeTrue(Kernel.geteuid() == 0, "needs root: mounts, device nodes, foreign owners");
    }

    /** A layer with one file {@code who} that reads the layer's number, and a file of its own {@code only-N}. */
    static Path layer(Path directory, int number) throws IOException {
        Path layer = Files.createDirectories(directory.resolve("layers/" + number));
        Files.writeString(layer.resolve("who"), "layer " + number);
        Files.writeString(layer.resolve("only-" + number), "");
        return layer;
    }

    /** Layers of these numbers, the first on top. */
    static List<Path> layers(Path directory, int count) throws IOException {
        List<Path> layers = new ArrayList<>();
        for (int number = 1; number <= count; number++) {
            layers.add(layer(directory, number));
        }
        return layers;
    }

    static LayerStack stack(Path directory, List<Path> lower, long root) throws IOException {
        return LayerStack.create(lower, Files.createDirectories(directory.resolve("writable")), root, root);
    }

    /** A path inside of a mount that is attached nowhere. */
    static Path in(Fd mount, String path) {
        return Path.of(mount.path() + "/" + path);
    }

    @MustBeClosed
    static Fd open(Path directory) {
        return Kernel.open(directory.toString(), O_PATH | O_DIRECTORY);
    }

    static long uid(Path path) throws IOException {
        return ((Number) Files.getAttribute(path, "unix:uid", LinkOption.NOFOLLOW_LINKS)).longValue();
    }

    static long gid(Path path) throws IOException {
        return ((Number) Files.getAttribute(path, "unix:gid", LinkOption.NOFOLLOW_LINKS)).longValue();
    }

    static int mode(Path path) throws IOException {
        return (Integer) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS) & 07777;
    }

    /** The options of an attached copy of the mount, from {@code mountinfo} of a mount namespace of its own. */
    static String optionsOf(Fd mount) {
        return OwnThread.call("options", () -> {
            Kernel.unshare(CLONE_NEWNS);
            Kernel.mount("none", "/", "", MS_REC | MS_PRIVATE, "");
            Kernel.moveMount(mount, "", Fd.CWD, "/mnt", MOVE_MOUNT_F_EMPTY_PATH);
            return Files.readAllLines(Path.of("/proc/thread-self/mountinfo")).stream()
                    .filter(line -> line.split(" ")[4].equals("/mnt"))
                    .collect(Collectors.joining("\n"));
        });
    }

    /** Runs a command of the system and waits for its end; what it printed. */
    static String run(String... command) throws IOException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        int exit = process.onExit().join().exitValue();
        if (exit != 0) {
            throw new AssertionError(String.join(" ", command) + " ended with " + exit + ": " + output);
        }
        return output;
    }
}
