package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DirectoryTreeTest {

    @TempDir
    private Path directory;

    private void withDirectory(Consumer<Fd> body) {
        try (Fd descriptor = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY)) {
            body.accept(descriptor);
        }
    }

    @Test
    void removalDoesNotFollowLinks() throws IOException {
        Path precious = Files.createDirectory(directory.resolve("precious"));
        Files.writeString(precious.resolve("file"), "kept");
        Path tree = Files.createDirectories(directory.resolve("tree/below"));
        Files.createSymbolicLink(tree.resolve("absolute"), precious);
        Files.createSymbolicLink(tree.resolve("relative"), Path.of("../../precious"));
        Files.createSymbolicLink(directory.resolve("direct"), precious);
        withDirectory(parent -> {
            assertThat(Kernel.removeTree(parent, "tree")).isTrue();
            assertThat(Kernel.removeTree(parent, "direct")).isTrue();
            assertThat(Kernel.list(parent)).containsExactly("precious");
        });
        assertThat(precious.resolve("file")).hasContent("kept");
    }

    @Test
    void whatIsNotThereIsRemovedAlready() {
        withDirectory(parent -> assertThat(Kernel.removeTree(parent, "nothing")).isFalse());
    }

    @Test
    void onlyASingleNameIsRemoved() {
        withDirectory(parent -> {
            for (String name : List.of("", ".", "..", "a/b", "/etc")) {
                assertThatThrownBy(() -> Kernel.removeTree(parent, name)).isInstanceOf(IllegalArgumentException.class);
            }
        });
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closed level by level
    void aTreeDeeperThanItsDescriptorsIsRemoved() {
        withDirectory(parent -> {
            Fd level = parent.duplicate();
            for (int i = 0; i < 500; i++) {
                Kernel.mkdirat(level, "d", 0700);
                Kernel.mkdirat(level, ".removing-" + i % 3, 0700);
                Fd next = Kernel.openat(level, "d", O_PATH | O_DIRECTORY);
                level.close();
                level = next;
            }
            level.close();
            assertThat(Kernel.removeTree(parent, "d")).isTrue();
            assertThat(Kernel.list(parent)).containsExactly(".removing-0");
        });
    }

    @Test
    void namesThatAreNotTextAreRemoved() {
        withDirectory(parent -> {
            byte[] name = {(byte) 0xfe, 'x', (byte) 0x80};
            Kernel.mkdirat(parent, "tree", 0700);
            Kernel.mkdirat(parent, "tree/" + KernelText.decode(name, 0, name.length), 0700);
            assertThat(Kernel.removeTree(parent, "tree")).isTrue();
            assertThat(Kernel.list(parent)).isEmpty();
        });
    }

    @Test
    void aDirectoryWithoutPermissionsIsRemovedToo() {
        Needs.capability(Capability.CAP_DAC_OVERRIDE);
        withDirectory(parent -> {
            Kernel.mkdirat(parent, "tree", 0700);
            Kernel.mkdirat(parent, "tree/closed", 0700);
            Kernel.mkdirat(parent, "tree/closed/below", 0);
            Kernel.fchmodat(parent, "tree/closed", 0);
            assertThat(Kernel.removeTree(parent, "tree")).isTrue();
        });
    }

    @Test
    void aLargeDirectoryIsListedWhole() {
        withDirectory(parent -> {
            Set<String> names = new HashSet<>();
            for (int i = 0; i < 3000; i++) {
                String name = "a name of some length " + i;
                names.add(name);
                Kernel.symlinkat("x", parent, name);
            }
            List<String> listed = Kernel.list(parent);
            assertThat(listed).hasSize(3000);
            assertThat(new HashSet<>(listed)).isEqualTo(names);
        });
    }
}
