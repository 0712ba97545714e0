package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TreeUsageTest {
    private static final long NO_BOUND = Long.MAX_VALUE;

    @TempDir
    private Path directory;

    private static TreeUsage usage(Path tree, long bound) {
        try (Fd root = Kernel.open(tree.toString(), O_PATH | O_DIRECTORY)) {
            return TreeUsage.of(root, bound);
        }
    }

    /** As du(1) counts. */
    private static TreeUsage byName(Path tree) throws IOException {
        long bytes = 0;
        List<Path> all;
        try (Stream<Path> walk = Files.walk(tree)) {
            all = walk.toList();
        }
        for (Path path : all) {
            bytes += Kernel.statx(Fd.CWD, path.toString(), LinuxConstants.AT_SYMLINK_NOFOLLOW)
                            .blocks()
                    * 512;
        }
        return new TreeUsage(bytes, all.size(), true);
    }

    @Test
    void everyFileAndDirectoryIsCounted() throws IOException {
        for (int i = 0; i < 40; i++) {
            Path below = Files.createDirectories(directory.resolve("d" + i % 7 + "/e" + i));
            Files.write(below.resolve("file"), new byte[i * 1000]);
            Files.createSymbolicLink(below.resolve("link"), Path.of("/usr"));
        }
        // more names than are read at once, with directories among them
        for (int i = 0; i < 3000; i++) {
            Path path = directory.resolve("many").resolve("a-rather-long-name-of-a-file-" + i);
            Files.createDirectories(path.getParent());
            if (i % 100 == 0) {
                Files.createDirectory(path);
            } else {
                Files.createFile(path);
            }
        }
        assertThat(usage(directory, NO_BOUND)).isEqualTo(byName(directory));
    }

    @Test
    void aFileOfSeveralNamesCountsOnce() throws IOException {
        Path file = Files.write(directory.resolve("file"), new byte[100_000]);
        TreeUsage before = usage(directory, NO_BOUND);
        for (int i = 0; i < 50; i++) {
            Files.createLink(directory.resolve("name" + i), file);
        }
        TreeUsage after = usage(directory, NO_BOUND);
        assertThat(after.inodes()).isEqualTo(before.inodes()).isEqualTo(2);
        assertThat(after.bytes()).isBetween(before.bytes(), before.bytes() + 4096);
    }

    @Test
    void noLinkIsFollowed() throws IOException {
        Path outside = Files.createDirectory(directory.resolve("outside"));
        Files.write(outside.resolve("large"), new byte[1 << 20]);
        Path tree = Files.createDirectory(directory.resolve("tree"));
        Files.createSymbolicLink(tree.resolve("absolute"), outside);
        Files.createSymbolicLink(tree.resolve("relative"), Path.of("../outside"));
        TreeUsage usage = usage(tree, NO_BOUND);
        assertThat(usage.inodes()).isEqualTo(3);
        assertThat(usage.bytes()).isLessThan(1 << 20);
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closed level by level
    void whatLiesDeeperThanAnyPathIsCountedToo() {
        int depth = 3000;
        Fd at = Kernel.open(directory.toString(), O_RDONLY | O_DIRECTORY);
        for (int i = 0; i < depth; i++) {
            Kernel.mkdirat(at, "before", 0755);
            Kernel.mkdirat(at, "below", 0755);
            Kernel.mkdirat(at, "name-after", 0755);
            Fd below = Kernel.openat(at, "below", O_RDONLY | O_DIRECTORY);
            at.close();
            at = below;
        }
        at.close();
        try {
            TreeUsage usage = usage(directory, NO_BOUND);
            assertThat(usage.inodes()).isEqualTo(3L * depth + 1);
            assertThat(usage.complete()).isTrue();
        } finally {
            try (Fd parent = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY)) {
                Kernel.removeTree(parent, "below");
            }
        }
    }

    @Test
    void aBoundedCountSaysThatThereIsMore() throws IOException {
        for (int i = 0; i < 100; i++) {
            Files.createFile(directory.resolve("file" + i));
        }
        TreeUsage usage = usage(directory, 10);
        assertThat(usage.complete()).isFalse();
        assertThat(usage.inodes()).isEqualTo(11);
        assertThat(usage(directory, 101).complete()).isTrue();
    }

    @Test
    void namesThatAreNoTextAreCounted() throws IOException {
        try (Fd root = Kernel.open(directory.toString(), O_RDONLY | O_DIRECTORY)) {
            for (byte last : new byte[] {(byte) 0xff, (byte) 0xc3, '\n', 1}) {
                byte[] name = {'n', last};
                Kernel.mkdirat(root, KernelText.decode(name, 0, 2), 0755);
            }
        }
        assertThat(usage(directory, NO_BOUND).inodes()).isEqualTo(5);
    }
}
