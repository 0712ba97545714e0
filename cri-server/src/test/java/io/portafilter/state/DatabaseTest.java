package io.portafilter.state;

import static io.portafilter.state.StateFixture.bytes;
import static io.portafilter.state.StateFixture.container;
import static io.portafilter.state.StateFixture.image;
import static io.portafilter.state.StateFixture.pod;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DatabaseTest {
    @TempDir
    Path directory = Path.of("");

    private Path file() {
        return directory.resolve("portafilter.db");
    }

    @Test
    void allRecordsComeBackAsTheyWere() {
        LayerRecord layer = new LayerRecord("sha256:l1", "sha256:d1", 99, 7);
        ContainerRecord exited = container("c2", ContainerState.RUNNING).exited(5000, 137, "OOMKilled", "too much");
        try (Database database = Database.open(file())) {
            database.commit(
                    new Change.PutPod(pod("p1")),
                    new Change.PutContainer(container("c1", ContainerState.CREATED)),
                    new Change.PutContainer(exited),
                    new Change.PutImage(image("sha256:i1")),
                    new Change.PutLayer(layer));
        }
        try (Database database = Database.open(file())) {
            assertThat(database.pods()).containsExactly(pod("p1"));
            assertThat(database.containers())
                    .containsExactlyInAnyOrder(container("c1", ContainerState.CREATED), exited);
            assertThat(database.images()).containsExactly(image("sha256:i1"));
            assertThat(database.layers()).containsExactly(layer);
            assertThat(database.pod("p1")).contains(pod("p1"));
            assertThat(database.container("c9")).isEmpty();
        }
    }

    @Test
    void aConfigurationIsInMemoryOnceHoweverManyContainersHaveIt() {
        try (Database database = Database.open(file())) {
            database.commit(
                    new Change.PutContainer(container("c1", ContainerState.CREATED)),
                    new Change.PutContainer(container("c2", ContainerState.CREATED)));
        }
        try (Database database = Database.open(file())) {
            assertThat(database.container("c1").orElseThrow().imageConfig())
                    .isSameAs(database.container("c2").orElseThrow().imageConfig());
        }
    }

    @Test
    void theFileIsForItsOwnerAlone() throws IOException {
        try (Database database = Database.open(file())) {
            database.commit(new Change.PutPod(pod("p1")));
            for (String name : List.of("portafilter.db", "portafilter.db-wal")) {
                assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve(name))))
                        .isEqualTo("rw-------");
            }
        }
    }

    @Test
    void changesOfOneCommitHappenTogetherOrNotAtAll() {
        try (Database database = Database.open(file())) {
            // SQLite takes at most a billion bytes in a value; a null column is simpler to refuse.
            ContainerRecord broken = new ContainerRecord(
                    nothing(),
                    "p1",
                    "n",
                    0,
                    bytes(""),
                    "",
                    "",
                    bytes(""),
                    List.of(),
                    Map.of(),
                    "",
                    0,
                    0,
                    0,
                    ContainerState.CREATED,
                    0,
                    "",
                    "",
                    Optional.empty(),
                    "",
                    Optional.empty());
            assertThatThrownBy(() -> database.commit(new Change.PutPod(pod("p1")), new Change.PutContainer(broken)))
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining("portafilter.db");
            assertThat(database.pods()).isEmpty();
            database.commit(new Change.PutPod(pod("p2")));
            assertThat(database.pods()).containsExactly(pod("p2"));
        }
    }

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // a record that no correct caller makes
    private static <T> T nothing() {
        return null;
    }

    @Test
    void aBadCommitDoesNotFailItsNeighbours() throws InterruptedException, ExecutionException, TimeoutException {
        try (Database database = Database.open(file());
                ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> good = new ArrayList<>();
            List<Future<?>> bad = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                String id = "p" + i;
                good.add(callers.submit(() -> database.commit(new Change.PutPod(pod(id)))));
                if (i % 10 == 0) {
                    bad.add(callers.submit(() -> database.commit(
                            new Change.RemovePod("x"), new Change.PutLayer(new LayerRecord(nothing(), "", 0, 0)))));
                }
            }
            for (Future<?> one : good) {
                assertThat(one.get(30, TimeUnit.SECONDS)).isNull();
            }
            for (Future<?> one : bad) {
                assertThatThrownBy(() -> one.get(30, TimeUnit.SECONDS)).hasCauseInstanceOf(StateException.class);
            }
            assertThat(database.pods()).hasSize(200);
        }
    }

    @Test
    void concurrentCommitsShareTransactions() throws Exception {
        int commits = 2000;
        try (Database database = Database.open(file())) {
            try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
                for (int i = 0; i < commits; i++) {
                    String id = "p" + i;
                    Future<?> _ = callers.submit(() -> database.commit(new Change.PutPod(pod(id))));
                }
            }
            assertThat(database.pods()).hasSize(commits);
            assertThat(database.transactions()).isLessThan(commits / 4);
        }
    }

    @Test
    void whatWasCommittedSurvivesSigkill() throws IOException, InterruptedException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        Process child = new ProcessBuilder(
                        java,
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Committer.class.getName(),
                        file().toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        int acknowledged = 0;
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(child.getInputStream(), StandardCharsets.UTF_8))) {
            while (acknowledged < 300) {
                acknowledged = Integer.parseInt(Objects.requireNonNull(lines.readLine(), "the child ended"));
            }
            boolean _ = child.toHandle().destroyForcibly(); // leaves the stream open
            String more;
            while ((more = lines.readLine()) != null && more.matches("[0-9]+")) {
                acknowledged = Integer.parseInt(more);
            }
        } finally {
            child.destroyForcibly();
        }
        assertThat(child.waitFor(30, TimeUnit.SECONDS)).isTrue();
        try (Database database = Database.open(file())) {
            for (int i = 1; i <= acknowledged; i++) {
                assertThat(database.pod("p" + i))
                        .as("commit %d of %d", i, acknowledged)
                        .isPresent();
                assertThat(database.container("c" + i)).isPresent();
            }
        }
    }

    /** Commits for ever, and prints the number of each commit once it returned. */
    static final class Committer {
        public static void main(String[] arguments) {
            try (Database database = Database.open(Path.of(arguments[0]))) {
                for (int i = 1; i < Integer.MAX_VALUE; i++) {
                    database.commit(
                            new Change.PutPod(pod("p" + i)),
                            new Change.PutContainer(container("c" + i, ContainerState.RUNNING)));
                    System.out.println(i);
                }
            }
        }
    }

    @Test
    void refusesTheFileOfANewerVersion() throws Exception {
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + file());
                Statement statement = other.createStatement()) {
            statement.executeUpdate("PRAGMA user_version = 99");
        }
        assertThatThrownBy(() -> Database.open(file()))
                .isInstanceOf(StateException.class)
                .hasMessageContaining("schema version 99");
    }

    @Test
    void takesOverTheFileOfTheFirstVersion() throws Exception {
        try (Database database = Database.open(file())) {
            database.commit(
                    new Change.PutPod(pod("p1")), new Change.PutContainer(container("c1", ContainerState.RUNNING)));
        }
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + file());
                Statement statement = other.createStatement()) {
            statement.executeUpdate("ALTER TABLE pods DROP COLUMN addresses");
            statement.executeUpdate("ALTER TABLE pods DROP COLUMN selinux_level");
            statement.executeUpdate("ALTER TABLE pods DROP COLUMN updated");
            statement.executeUpdate("ALTER TABLE containers DROP COLUMN updated");
            statement.executeUpdate("ALTER TABLE containers DROP COLUMN volume_images");
            statement.executeUpdate("PRAGMA user_version = 1");
        }
        ContainerRecord updated = container("c1", ContainerState.RUNNING).updated(bytes("resources"));
        for (ContainerRecord expected : List.of(container("c1", ContainerState.RUNNING), updated)) {
            try (Database database = Database.open(file())) {
                assertThat(database.pods())
                        .usingRecursiveFieldByFieldElementComparatorIgnoringFields("selinuxLevel", "addresses")
                        .containsExactly(pod("p1"));
                assertThat(database.pods().getFirst().selinuxLevel()).isEmpty();
                assertThat(database.containers())
                        .usingRecursiveFieldByFieldElementComparatorIgnoringFields("volumeImages")
                        .containsExactly(expected);
                assertThat(database.container("c1").orElseThrow().volumeImages())
                        .isEmpty();
                database.commit(new Change.PutContainer(
                        database.container("c1").orElseThrow().updated(bytes("resources"))));
            }
        }
    }

    @Test
    void takesOverTheFileOfTheVersionBefore() throws Exception {
        try (Database database = Database.open(file())) {
            database.commit(new Change.PutPod(pod("p1")));
        }
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + file());
                Statement statement = other.createStatement()) {
            statement.executeUpdate("ALTER TABLE pods DROP COLUMN addresses");
            statement.executeUpdate("PRAGMA user_version = 3");
        }
        try (Database database = Database.open(file())) {
            PodRecord pod = database.pods().getFirst();
            assertThat(pod.selinuxLevel()).isEqualTo("s0:c4,c5");
            assertThat(pod.addresses()).isEmpty();
        }
    }

    @Test
    void takesOverTheFileOfTheSecondVersion() throws Exception {
        try (Database database = Database.open(file())) {
            database.commit(new Change.PutPod(pod("p1").updated(bytes("resources"))));
        }
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + file());
                Statement statement = other.createStatement()) {
            statement.executeUpdate("ALTER TABLE pods DROP COLUMN addresses");
            statement.executeUpdate("ALTER TABLE pods DROP COLUMN selinux_level");
            statement.executeUpdate("PRAGMA user_version = 2");
        }
        try (Database database = Database.open(file())) {
            PodRecord pod = database.pods().getFirst();
            assertThat(pod.updated()).contains(bytes("resources"));
            assertThat(pod.selinuxLevel()).isEmpty();
        }
    }

    @Test
    void refusesAFileThatIsNoDatabase() throws Exception {
        Files.writeString(file(), "something else, long enough to be looked at by SQLite ".repeat(100));
        assertThatThrownBy(() -> Database.open(file()))
                .isInstanceOf(StateException.class)
                .hasMessageContaining(file().toString());
    }

    @Test
    void aClosedDatabaseRefusesCommits() {
        Database database = Database.open(file());
        database.close();
        database.close();
        assertThatThrownBy(() -> database.commit(new Change.RemovePod("p"))).isInstanceOf(StateException.class);
    }

    @Test
    void closingAnswersEveryCommitUnderWay() throws InterruptedException, ExecutionException, TimeoutException {
        for (int round = 0; round < 5; round++) {
            Database database = Database.open(file());
            ConcurrentHashMap<String, Boolean> acknowledged = new ConcurrentHashMap<>();
            List<Future<?>> callers = new ArrayList<>();
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                for (int caller = 0; caller < 20; caller++) {
                    String name = round + "-" + caller + "-";
                    callers.add(threads.submit(() -> {
                        for (int i = 0; ; i++) {
                            database.commit(new Change.PutPod(pod(name + i)));
                            acknowledged.put(name + i, true);
                        }
                    }));
                }
                while (acknowledged.size() < 100) {
                    LockSupport.parkNanos(100_000);
                }
                database.close();
                for (Future<?> caller : callers) {
                    assertThatThrownBy(() -> caller.get(30, TimeUnit.SECONDS)).hasCauseInstanceOf(StateException.class);
                }
            }
            try (Database again = Database.open(file())) {
                assertThat(acknowledged.keySet())
                        .allSatisfy(id -> assertThat(again.pod(id)).isPresent());
            }
        }
    }
}
