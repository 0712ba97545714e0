package io.portafilter.e2e;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The source tree that is tested, and the programs of the machine that tests need. */
public final class Tree {
    private Tree() {}

    /** The top of the tree: {@code -Dportafilter.tree}, else the directory at or above the working directory. */
    public static Path root() {
        Path at = property("portafilter.tree")
                .orElse(Path.of(""))
                .toAbsolutePath()
                .normalize();
        for (Path here = at; here != null; here = here.getParent()) {
            if (Files.isRegularFile(here.resolve("pom.xml")) && Files.isDirectory(here.resolve("cri-server"))) {
                return here;
            }
        }
        throw new IllegalStateException("no Portafilter tree at or above " + at + ": start from within it");
    }

    /** The {@code portafilter} command. */
    public static Path launcher() {
        return property("portafilter.launcher").orElseGet(() -> root().resolve("deploy/portafilter"));
    }

    /** A static busybox. */
    public static Optional<Path> busybox() {
        return program("portafilter.busybox", "bin/busybox");
    }

    public static Optional<Path> dockerRegistry() {
        return program("portafilter.registry", "usr/bin/docker-registry");
    }

    public static Optional<Path> runc() {
        return program("portafilter.runc", "usr/sbin/runc");
    }

    public static Optional<Path> crun() {
        return program("portafilter.crun", "usr/bin/crun");
    }

    /** Its shims lie beside it. */
    public static Optional<Path> containerd() {
        return program("portafilter.containerd", "usr/bin/containerd");
    }

    private static Optional<Path> program(String property, String installed) {
        return Stream.concat(property(property).stream(), Stream.of(Path.of("/", installed)))
                .filter(Files::isExecutable)
                .findFirst();
    }

    private static Optional<Path> property(String name) {
        return Optional.ofNullable(System.getProperty(name))
                .filter(value -> !value.isEmpty())
                .map(Path::of);
    }

    /** Shared libraries of a program, by {@code ldd}, the loader included, as the program asks for them. */
    public static List<Path> libraries(Path program) {
        try {
            Process ldd = new ProcessBuilder("ldd", program.toString())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String text = new String(ldd.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            return text.lines()
                    .map(line -> line.contains("=>") ? line.substring(line.indexOf("=>") + 2) : line)
                    .map(line -> line.trim().split(" ")[0])
                    .filter(name -> name.startsWith("/"))
                    .map(Path::of)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException("ldd " + program, e);
        }
    }
}
