package io.portafilter.e2e;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** Images made of programs that Debian packages. */
public final class TestImages {
    public static final String PASSWD = """
            root:x:0:0:root:/root:/bin/sh
            app:x:1000:1000:app:/home/app:/bin/sh
            other:x:1001:1001:other:/home/other:/bin/sh
            nobody:x:65534:65534:nobody:/nonexistent:/bin/false
            """;
    public static final String GROUP = """
            root:x:0:
            app:x:1000:
            other:x:1001:
            disk:x:2000:app
            audio:x:2001:app,other
            nogroup:x:65534:
            """;
    private static final String PATH = "\"Env\":[\"PATH=/bin:/usr/bin:/sbin:/usr/sbin\"]";

    private TestImages() {}

    /** busybox with its applets as links, users {@code app} and {@code other}; runs {@code sh}. */
    public static TestImage busybox() {
        return Busybox.IMAGE;
    }

    public static byte[] busyboxLayer() {
        return Busybox.IMAGE.layers().getFirst().tar().toByteArray();
    }

    // Made once per run, when first used.
    private static final class Busybox {
        static final TestImage IMAGE = TestImage.of(PATH + ",\"Cmd\":[\"sh\"]", busyboxTar());
    }

    private static byte[] busyboxTar() {
        Path busybox = Tree.busybox().orElseThrow();
        TarWriter tar = new TarWriter().directory("bin").program("bin/busybox", read(busybox));
        applets(busybox).filter(name -> !name.equals("busybox")).forEach(name -> tar.symlink("bin/" + name, "busybox"));
        return tar.directory("etc")
                .file("etc/passwd", PASSWD)
                .file("etc/group", GROUP)
                .directory("root", 0700, 0, 0)
                .directory("home")
                .directory("home/app", 0755, 1000, 1000)
                .directory("tmp", 01777, 0, 0)
                .directory("var")
                .directory("run")
                .directory("proc")
                .directory("sys")
                .directory("dev")
                .finish();
    }

    /** Three layers with whiteouts, and every part of the configuration that a container takes from its image. */
    public static TestImage layered() {
        byte[] middle = new TarWriter()
                .directory("data")
                .file("data/from-image", 0640, 1000, 1000, "volume content\n".getBytes(StandardCharsets.UTF_8))
                .directory("stack")
                .file("stack/kept", "lower\n")
                .file("stack/replaced", "lower\n")
                .file("stack/removed", "lower\n")
                .directory("stack/opaque")
                .file("stack/opaque/hidden", "lower\n")
                .hardlink("stack/linked", "stack/kept")
                .finish();
        byte[] top = new TarWriter()
                .directory("stack")
                .file("stack/replaced", "upper\n")
                .whiteout("stack/removed")
                .directory("stack/opaque")
                .opaque("stack/opaque")
                .file("stack/opaque/shown", "upper\n")
                .directory("work", 0755, 1000, 1000)
                .finish();
        return busybox()
                .plus(middle)
                .plus(top)
                .withConfig("\"User\":\"app\",\"WorkingDir\":\"/work\",\"Entrypoint\":[\"/bin/sh\",\"-c\"],"
                        + "\"Cmd\":[\"id; pwd; echo $FROM_IMAGE\"],\"Volumes\":{\"/data\":{}},"
                        + "\"StopSignal\":\"SIGUSR1\","
                        + "\"Env\":[\"PATH=/bin\",\"FROM_IMAGE=yes\",\"BOTH=image\"]");
    }

    /**
     * busybox, and perl, setpriv and friends of the host with their libraries: perl's {@code syscall} makes any attack
     * that C could make. {@code /usr/bin/suid-cat} and {@code /usr/bin/suid-perl} belong to root and are setuid.
     */
    public static Optional<TestImage> attacker() {
        Path perl = Path.of("/usr/bin/perl");
        Path cat = Path.of("/bin/cat");
        if (!Files.isExecutable(perl) || !Files.isExecutable(cat)) {
            return Optional.empty();
        }
        TarWriter tar = new TarWriter();
        Set<String> made = new LinkedHashSet<>();
        copy(tar, made, perl, "usr/bin/perl", 0755);
        copy(tar, made, perl, "usr/bin/suid-perl", 04755);
        copy(tar, made, cat, "usr/bin/suid-cat", 04755);
        Set<Path> libraries = new LinkedHashSet<>(Tree.libraries(perl));
        libraries.addAll(Tree.libraries(cat));
        libraries.forEach(library -> copy(tar, made, library, library.toString().substring(1), 0755));
        return Optional.of(busybox().plus(tar.finish()));
    }

    /** busybox with one more layer. */
    public static TestImage busyboxWith(TarWriter layer) {
        return busybox().plus(layer.finish());
    }

    private static void copy(TarWriter tar, Set<String> made, Path source, String name, int mode) {
        for (int slash = name.indexOf('/'); slash > 0; slash = name.indexOf('/', slash + 1)) {
            String parent = name.substring(0, slash);
            if (made.add(parent) && !parent.equals("bin")) {
                tar.directory(parent);
            }
        }
        if (made.add(name)) {
            tar.file(name, mode, 0, 0, read(source));
        }
    }

    private static Stream<String> applets(Path busybox) {
        try {
            Process list = new ProcessBuilder(busybox.toString(), "--list")
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String text = new String(list.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return List.of(text.split("\n")).stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] read(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
