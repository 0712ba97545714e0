package io.portafilter.state;

import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_TRUNC;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The records: a SQLite file (WAL, synchronous FULL), and a copy in memory that all reading is done from. One thread
 * writes; what several callers commit at the same time shares a transaction, and so one flush of the disk.
 *
 * <p>What is {@linkplain #commit committed} readers see once it is durable: nothing is done that the records do not know.
 * What is {@linkplain #note noted} has happened, whether it can be written or not (an end, a removal): when the disk is
 * full or read-only, readers see it all the same, and it is written as soon as the disk takes it, before any later
 * commit. A server that is killed in between finds it out again as it found it out the first time.
 */
public final class Database implements AutoCloseable {

    /** How long after a failure what could not be written is tried again, when nothing else is committed. */
    private static final Duration RETRY = Duration.ofSeconds(1);

    /** A page of the file: what SQLite writes at least. */
    private static final int PROBE_BYTES = 4096;

    private static final Logger LOG = System.getLogger(Database.class.getName());

    private record Commit(List<Change> changes, boolean happened, CompletableFuture<Boolean> done) {}

    private final Path file;
    private final Connection connection;
    private final Tables tables;
    private final Statement transaction;
    private final Map<String, PodRecord> pods = new ConcurrentHashMap<>();
    private final Map<String, ContainerRecord> containers = new ConcurrentHashMap<>();
    private final Map<String, ImageRecord> images = new ConcurrentHashMap<>();
    private final Map<String, LayerRecord> layers = new ConcurrentHashMap<>();
    private final LinkedBlockingQueue<Commit> queue = new LinkedBlockingQueue<>();

    /** What has happened and is not written, the last change of each record. Used by the writer alone. */
    private final Map<Change.Subject, Change> backlog = new LinkedHashMap<>();

    private final Thread writer;
    private volatile boolean closed;
    private final AtomicLong transactions = new AtomicLong();

    private Database(Path file, Connection connection) throws SQLException, IOException {
        this.file = file;
        this.connection = connection;
        this.tables = new Tables(connection);
        this.transaction = connection.createStatement();
        tables.pods().forEach(pod -> pods.put(pod.id(), pod));
        tables.images().forEach(image -> images.put(image.id(), image));
        tables.containers(images.values()).forEach(container -> containers.put(container.id(), container));
        tables.layers().forEach(layer -> layers.put(layer.id(), layer));
        // A platform thread: a flush of the disk would hold a carrier of the virtual threads.
        writer = Thread.ofPlatform().daemon().name("records").unstarted(this::write);
    }

    /**
     * Opens the records, or makes the file (0600). Takes some 200 ms in a new JVM: call it off the path to the first
     * answer.
     *
     * @throws StateException if the file cannot be read, or was written by a newer Portafilter
     */
    public static Database open(Path file) {
        Connection connection = null;
        try {
            if (!Files.exists(file)) {
                Files.createFile(
                        file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            }
            connection = DriverManager.getConnection("jdbc:sqlite:" + file);
            prepare(connection);
            Database database = new Database(file, connection);
            database.writer.start();
            return database;
        } catch (SQLException | IOException | RuntimeException e) {
            StateException failure = new StateException("records in " + file + ": " + e.getMessage(), e);
            if (connection != null) {
                try {
                    connection.close();
                } catch (SQLException suppressed) {
                    failure.addSuppressed(suppressed);
                }
            }
            throw failure;
        }
    }

    private static void prepare(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            // before the log is looked at: its index is then in memory, where a full disk does not matter
            statement.execute("PRAGMA locking_mode = EXCLUSIVE");
            statement.execute("PRAGMA journal_mode = WAL");
            statement.execute("PRAGMA synchronous = FULL");
            statement.execute("PRAGMA busy_timeout = 5000");
            int version;
            try (ResultSet row = statement.executeQuery("PRAGMA user_version")) {
                version = row.next() ? row.getInt(1) : 0;
            }
            if (version < 0 || version > Tables.SCHEMA_VERSION) {
                throw new SQLException("schema version " + version + " was written by another version of Portafilter,"
                        + " this one reads " + Tables.SCHEMA_VERSION);
            }
            if (version < Tables.SCHEMA_VERSION) {
                statement.execute("BEGIN IMMEDIATE");
                Tables.bringUp(statement, version);
                statement.execute("COMMIT");
            }
        }
    }

    /** All pods, in no order. */
    public List<PodRecord> pods() {
        return List.copyOf(pods.values());
    }

    /** The pod with exactly this id. */
    public Optional<PodRecord> pod(String id) {
        return Optional.ofNullable(pods.get(id));
    }

    /** All containers, in no order. */
    public List<ContainerRecord> containers() {
        return List.copyOf(containers.values());
    }

    /** The container with exactly this id. */
    public Optional<ContainerRecord> container(String id) {
        return Optional.ofNullable(containers.get(id));
    }

    /** All images, in no order. */
    public List<ImageRecord> images() {
        return List.copyOf(images.values());
    }

    /** The image with exactly this id. */
    public Optional<ImageRecord> image(String id) {
        return Optional.ofNullable(images.get(id));
    }

    /** All layers, in no order. */
    public List<LayerRecord> layers() {
        return List.copyOf(layers.values());
    }

    /** The layer with exactly this chain id. */
    public Optional<LayerRecord> layer(String id) {
        return Optional.ofNullable(layers.get(id));
    }

    /** {@link #commit(List)}. */
    public void commit(Change... changes) {
        commit(List.of(changes));
    }

    /**
     * Makes the changes, all or none, and returns when they are on the disk. An interrupt does not shorten the wait:
     * whether the changes happened must be known.
     *
     * @throws StateException if they could not be made
     */
    public void commit(List<Change> changes) {
        begin(changes).await();
    }

    /**
     * Records what has happened: returns when it is on the disk, or when the disk does not take it; readers see it in
     * either case.
     *
     * @throws StateException if the records are closed, or the changes are at fault and not the disk
     */
    public void note(Change... changes) {
        begin(List.of(changes), true).await();
    }

    /** Changes that are being written. */
    public final class Pending {
        private final Commit commit;

        private Pending(Commit commit) {
            this.commit = commit;
        }

        /** Returns when they are on the disk, as {@link Database#commit(List)} does. */
        public void await() {
            try {
                boolean _ = commit.done.join();
            } catch (CompletionException e) {
                Throwable cause = explained(cause(e));
                throw new StateException("records in " + file + ": " + cause.getMessage(), cause);
            }
        }
    }

    /** SQLite tells a full disk, but of a read-only one or a quota only that it failed: the kernel says why. */
    private Throwable explained(Throwable cause) {
        if (DiskTrouble.of(cause).filter(DiskTrouble.FAILING::equals).isEmpty()) {
            return cause;
        }
        Path probe = file.resolveSibling(file.getFileName() + ".probe");
        try (Fd written = Kernel.openat(Fd.CWD, probe.toString(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600)) {
            try {
                Kernel.writeFully(written, new byte[PROBE_BYTES]);
            } finally {
                Kernel.unlinkat(Fd.CWD, probe.toString(), 0);
            }
            return cause;
        } catch (KernelException e) {
            e.addSuppressed(cause);
            return e;
        }
    }

    /**
     * Begins to make the changes, for a caller that has something to do meanwhile; what is committed later is written
     * later. The caller waits for the end.
     *
     * @throws StateException if the records are closed
     */
    public Pending begin(List<Change> changes) {
        return begin(changes, false);
    }

    private Pending begin(List<Change> changes, boolean happened) {
        Commit commit = new Commit(List.copyOf(changes), happened, new CompletableFuture<>());
        if (closed) {
            throw new StateException("records in " + file + ": closed");
        }
        queue.add(commit);
        if (closed && queue.remove(commit)) {
            // Too late for the writer.
            throw new StateException("records in " + file + ": closed");
        }
        return new Pending(commit);
    }

    /** How many transactions were made: fewer than commits when these came together. */
    long transactions() {
        return transactions.get();
    }

    private static Throwable cause(CompletionException e) {
        Throwable cause = e.getCause();
        return cause == null ? e : cause;
    }

    private void write() {
        List<Commit> group = new ArrayList<>();
        while (!closed || !queue.isEmpty()) {
            group.clear();
            try {
                next().ifPresent(group::add);
            } catch (InterruptedException e) {
                // close() interrupts; what was queued before it is still written.
                if (queue.isEmpty()) {
                    continue;
                }
            }
            queue.drainTo(group);
            if (!tryTogether(group)) {
                // One bad commit must not fail its neighbours.
                group.forEach(this::writeAlone);
            }
        }
        if (!backlog.isEmpty() && !tryTogether(List.of())) {
            LOG.log(Level.WARNING, "records.lost changes=" + backlog.size());
        }
    }

    private Optional<Commit> next() throws InterruptedException {
        return backlog.isEmpty()
                ? Optional.of(queue.take())
                : Optional.ofNullable(queue.poll(RETRY.toMillis(), TimeUnit.MILLISECONDS));
    }

    private boolean tryTogether(List<Commit> group) {
        try {
            transact(group);
        } catch (SQLException | IOException | RuntimeException e) {
            if (group.size() == 1) {
                fail(group.getFirst(), e);
                return true;
            }
            return false;
        }
        if (!backlog.isEmpty()) {
            LOG.log(Level.INFO, "records.caught.up changes=" + backlog.size());
            backlog.clear();
        }
        group.forEach(this::publish);
        return true;
    }

    private void fail(Commit commit, Exception cause) {
        if (!commit.happened || DiskTrouble.of(cause).isEmpty()) {
            commit.done.completeExceptionally(cause);
            return;
        }
        if (backlog.isEmpty()) {
            LOG.log(
                    Level.WARNING,
                    "records.behind file=" + file + " cause=\"" + cause.getMessage()
                            + "\" what=\"known, but not written until the disk takes it\"");
        }
        commit.changes.forEach(change -> {
            // the last one, in its place after what it may rest on
            var _ = backlog.remove(change.subject());
            var _ = backlog.put(change.subject(), change);
        });
        publish(commit);
    }

    private void writeAlone(Commit commit) {
        boolean _ = tryTogether(List.of(commit));
    }

    private void transact(List<Commit> group) throws SQLException, IOException {
        try {
            transaction.execute("BEGIN IMMEDIATE");
            for (Change change : backlog.values()) {
                tables.apply(change);
            }
            for (Commit commit : group) {
                for (Change change : commit.changes) {
                    tables.apply(change);
                }
            }
            transaction.execute("COMMIT");
            var _ = transactions.incrementAndGet();
        } catch (SQLException | IOException | RuntimeException e) {
            rollBack(e);
            throw e;
        }
    }

    /** After some errors, a full disk among them, SQLite has rolled back already and says that there is nothing to do. */
    private void rollBack(Exception cause) {
        try {
            transaction.execute("ROLLBACK");
        } catch (SQLException suppressed) {
            cause.addSuppressed(suppressed);
        }
    }

    private void publish(Commit commit) {
        for (Change change : commit.changes) {
            switch (change) {
                case Change.PutPod(PodRecord pod) -> pods.put(pod.id(), pod);
                case Change.PutContainer(ContainerRecord container) -> containers.put(container.id(), container);
                case Change.PutImage(ImageRecord image) -> images.put(image.id(), image);
                case Change.PutLayer(LayerRecord layer) -> layers.put(layer.id(), layer);
                case Change.RemovePod(String id) -> pods.remove(id);
                case Change.RemoveContainer(String id) -> containers.remove(id);
                case Change.RemoveImage(String id) -> images.remove(id);
                case Change.RemoveLayer(String id) -> layers.remove(id);
            }
        }
        commit.done.complete(true);
    }

    /** Writes what was committed so far and closes the file; a later commit is refused. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        writer.interrupt();
        boolean interrupted = false;
        while (writer.isAlive()) {
            try {
                writer.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        Commit late;
        while ((late = queue.poll()) != null) {
            late.done.completeExceptionally(new StateException("records in " + file + ": closed"));
        }
        try {
            tables.close();
            transaction.close();
            connection.close();
        } catch (SQLException e) {
            throw new StateException("records in " + file + ": " + e.getMessage(), e);
        }
    }
}
