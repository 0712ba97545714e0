package io.portafilter.e2e;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableSet;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Small file systems at some directories of a server, in a mount namespace of their own that a process holds, so that
 * nothing of them is seen on the host and all goes with that process.
 */
final class SmallDisk implements AutoCloseable {
    private static final String FILLER = "filler";
    private static final int BLOCK = 4096;

    private final Process holder;
    private final List<Path> directories;

    private SmallDisk(Process holder, List<Path> directories) {
        this.holder = holder;
        this.directories = List.copyOf(directories);
    }

    /** A tmpfs at each directory, with these options: {@code size=8m}, {@code nr_inodes=900}. */
    static SmallDisk tmpfs(String options, Path... directories) {
        List<String> mounts = new ArrayList<>();
        for (Path directory : directories) {
            mounts.add("mount -t tmpfs -o " + options + " none " + directory);
        }
        return held(String.join(" && ", mounts), directories);
    }

    /** An ext4 in a file, which an error makes read-only. */
    static SmallDisk ext4(Path image, int mebibytes, Path directory) {
        Commands.run("truncate", "-s", mebibytes + "M", image.toString()).orFail();
        assumeTrue(
                Commands.run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", image.toString())
                                .status()
                        == 0,
                "mkfs.ext4 is missing");
        return held("mount -o loop,errors=remount-ro " + image + " " + directory, directory);
    }

    private static SmallDisk held(String mounts, Path... directories) {
        try {
            for (Path directory : directories) {
                Path _ = Files.createDirectories(directory);
            }
            Process holder = new ProcessBuilder(
                            "unshare", "-m", "sh", "-c", mounts + " || exit 1; echo mounted; exec sleep 100000")
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            String line = holder.inputReader().readLine();
            assumeTrue("mounted".equals(line), "cannot mount: " + mounts);
            return new SmallDisk(holder, List.of(directories));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What runs a command where the file systems are seen. */
    List<String> inside() {
        return List.of("nsenter", "-t", Long.toString(holder.pid()), "-m", "--");
    }

    String run(String script) {
        List<String> command = new ArrayList<>(inside());
        command.addAll(List.of("sh", "-c", script));
        return Commands.run(command.toArray(String[]::new)).orFail();
    }

    /** A path there, as it is reached from here. */
    Path seen(Path path) {
        return Path.of("/proc/" + holder.pid() + "/root" + path);
    }

    /** Takes all the room. */
    void fill() {
        for (Path directory : directories) {
            try (OutputStream filler = Files.newOutputStream(seen(directory).resolve(FILLER))) {
                while (true) {
                    filler.write(new byte[BLOCK]);
                }
            } catch (IOException full) {
                // that is what was to be reached
                assumeTrue(String.valueOf(full.getMessage()).contains("No space left"), full.toString());
            }
        }
    }

    /** Takes all inodes. */
    void fillInodes() {
        for (Path directory : directories) {
            Path filler = seen(directory).resolve(FILLER);
            try {
                Path _ = Files.createDirectory(filler);
                for (int i = 0; ; i++) {
                    Path _ = Files.createFile(filler.resolve("f" + i));
                }
            } catch (IOException full) {
                assumeTrue(full.toString().contains("No space left"), full.toString());
            }
        }
    }

    void makeRoom() {
        directories.forEach(directory -> run("rm -r " + directory.resolve(FILLER)));
    }

    /** What lies there, but the filler, the records' log and what is in layers. */
    NavigableSet<String> files() {
        NavigableSet<String> names = new TreeSet<>();
        for (Path directory : directories) {
            Path top = seen(directory);
            try (Stream<Path> all = Files.walk(top)) {
                all.map(path -> top.relativize(path).toString())
                        .filter(name -> !name.startsWith(FILLER) && !name.contains(".db"))
                        .filter(name -> !name.startsWith("layers/") || name.matches("layers/[^/]+"))
                        .forEach(names::add);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return names;
    }

    @Override
    public void close() {
        var _ = holder.destroyForcibly();
    }
}
