package io.portafilter.state;

import static io.portafilter.linux.LinuxConstants.CLONE_NEWNS;
import static io.portafilter.linux.LinuxConstants.MS_PRIVATE;
import static io.portafilter.linux.LinuxConstants.MS_REC;
import static io.portafilter.state.StateFixture.bytes;
import static io.portafilter.state.StateFixture.container;
import static io.portafilter.state.StateFixture.pod;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Kernel;
import io.portafilter.linux.OwnThread;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The records on a file system that takes no more: a small tmpfs in a mount namespace of the test's own. */
class FullDiskTest {
    @TempDir
    Path directory = Path.of("");

    /** Outside of the small file system. */
    @TempDir
    Path elsewhere = Path.of("");

    private Path file() {
        return directory.resolve("portafilter.db");
    }

    @BeforeEach
    void mounts() {
        assumeTrue("root".equals(System.getProperty("user.name")), "root is needed: a tmpfs is mounted");
    }

    /** The thread that writes the records is started by this one, and so sees the same mount. */
    private void onSmallDisk(Callable<Boolean> test) {
        boolean _ = OwnThread.call("full-disk", () -> {
            Kernel.unshare(CLONE_NEWNS);
            Kernel.mount("none", "/", "", MS_REC | MS_PRIVATE, "");
            Kernel.mount("none", directory.toString(), "tmpfs", 0, "size=2m");
            return test.call();
        });
    }

    private void fill() {
        try (OutputStream filler = Files.newOutputStream(directory.resolve("filler"))) {
            while (true) {
                filler.write(new byte[4096]);
            }
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("No space left");
        }
    }

    private void makeRoom() throws IOException {
        Files.delete(directory.resolve("filler"));
    }

    /** What a server that is killed now would find. */
    private List<ContainerRecord> afterAKill() throws IOException {
        for (String suffix : List.of("", "-wal")) {
            Path copy = elsewhere.resolve("copy.db" + suffix);
            Files.deleteIfExists(copy);
            Path _ = Files.copy(directory.resolve("portafilter.db" + suffix), copy);
        }
        try (Database copy = Database.open(elsewhere.resolve("copy.db"))) {
            return copy.containers();
        }
    }

    private static ContainerRecord running(int number) {
        return container("c" + number, ContainerState.RUNNING);
    }

    private static ContainerRecord ended(int number) {
        return running(number).exited(5000, 7, "Error", "");
    }

    @Test
    void whatHasHappenedIsKnownOnAFullDiskAndWrittenWhenThereIsRoom() {
        onSmallDisk(() -> {
            try (Database database = Database.open(file())) {
                for (int i = 0; i < 40; i++) {
                    database.commit(new Change.PutContainer(running(i)));
                }
                fill();
                for (int i = 0; i < 40; i++) {
                    database.note(i % 2 == 0 ? new Change.PutContainer(ended(i)) : new Change.RemoveContainer("c" + i));
                }
                assertThat(database.containers()).hasSize(20).allMatch(each -> each.state() == ContainerState.EXITED);
                // nothing is begun that the records do not know
                assertThatThrownBy(() -> database.commit(new Change.PutPod(pod("p").updated(bytes("x".repeat(9000))))))
                        .isInstanceOf(StateException.class)
                        .satisfies(e -> assertThat(DiskTrouble.of(e)).contains(DiskTrouble.FULL));
                assertThat(database.pods()).isEmpty();
                assertThat(afterAKill()).contains(running(38)).hasSizeBetween(20, 40);
                makeRoom();
                // together with all that waited, in order
                database.commit(new Change.PutPod(pod("p")));
                assertThat(afterAKill())
                        .containsExactlyInAnyOrderElementsOf(database.containers())
                        .hasSize(20);
            }
            try (Database again = Database.open(file())) {
                assertThat(again.pods()).containsExactly(pod("p"));
                assertThat(again.containers()).hasSize(20).allMatch(each -> each.state() == ContainerState.EXITED);
            }
            return true;
        });
    }

    @Test
    void whatWaitsIsWrittenWithoutAnyFurtherCommit() {
        onSmallDisk(() -> {
            try (Database database = Database.open(file())) {
                for (int i = 0; i < 40; i++) {
                    database.commit(new Change.PutContainer(running(i)));
                }
                fill();
                for (int i = 0; i < 40; i++) {
                    database.note(new Change.PutContainer(ended(i)));
                }
                makeRoom();
                long deadline = System.nanoTime() + 20_000_000_000L;
                while (!afterAKill().stream().allMatch(each -> each.state() == ContainerState.EXITED)) {
                    assertThat(System.nanoTime()).isLessThan(deadline);
                    Thread.onSpinWait();
                }
            }
            return true;
        });
    }

    @Test
    void theRecordsAreOpenedOnAFullDisk() {
        onSmallDisk(() -> {
            try (Database database = Database.open(file())) {
                database.commit(new Change.PutContainer(running(1)));
            }
            fill();
            try (Database again = Database.open(file())) {
                assertThat(again.containers()).containsExactly(running(1));
                again.note(new Change.PutContainer(ended(1)));
                assertThat(again.containers()).containsExactly(ended(1));
                makeRoom();
            }
            try (Database again = Database.open(file())) {
                assertThat(again.containers()).containsExactly(ended(1));
            }
            return true;
        });
    }
}
