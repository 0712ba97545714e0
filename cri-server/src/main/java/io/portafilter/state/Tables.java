package io.portafilter.state;

import io.portafilter.container.LaunchedContainer;
import io.portafilter.container.LaunchedPod;
import io.portafilter.linux.ProcessRef;
import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The tables and their columns: how a record is written and read. Used by one thread at a time. */
final class Tables implements AutoCloseable {
    /** PRAGMA user_version of the tables below. */
    static final int SCHEMA_VERSION = 4;

    private static final List<String> SCHEMA = List.of("""
            CREATE TABLE pods (
              id TEXT PRIMARY KEY, name TEXT NOT NULL, namespace TEXT NOT NULL, uid TEXT NOT NULL,
              attempt INTEGER NOT NULL, request BLOB NOT NULL, created_at INTEGER NOT NULL, state TEXT NOT NULL,
              monitor_pid INTEGER, monitor_start INTEGER, pause_pid INTEGER, pause_start INTEGER,
              boot_id TEXT NOT NULL, runtime_handler TEXT NOT NULL) WITHOUT ROWID, STRICT""", """
            CREATE TABLE containers (
              id TEXT PRIMARY KEY, pod_id TEXT NOT NULL, name TEXT NOT NULL, attempt INTEGER NOT NULL,
              request BLOB NOT NULL, image_id TEXT NOT NULL, image_ref TEXT NOT NULL, image_config BLOB NOT NULL,
              layer_ids TEXT NOT NULL, log_path TEXT NOT NULL, created_at INTEGER NOT NULL,
              started_at INTEGER NOT NULL, finished_at INTEGER NOT NULL, state TEXT NOT NULL,
              exit_code INTEGER NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
              monitor_pid INTEGER, monitor_start INTEGER, init_pid INTEGER, init_start INTEGER,
              boot_id TEXT NOT NULL) WITHOUT ROWID, STRICT""", """
            CREATE TABLE images (
              id TEXT PRIMARY KEY, tags TEXT NOT NULL, digests TEXT NOT NULL, config BLOB NOT NULL,
              layer_chain TEXT NOT NULL, size INTEGER NOT NULL, annotations TEXT NOT NULL,
              created_at INTEGER NOT NULL) WITHOUT ROWID, STRICT""", """
            CREATE TABLE layers (
              id TEXT PRIMARY KEY, diff_id TEXT NOT NULL, size INTEGER NOT NULL, inodes INTEGER NOT NULL)
              WITHOUT ROWID, STRICT""");

    /** What pods and containers may use since it was changed, null while it is as created; the images that are volumes. */
    private static final List<String> SINCE_VERSION_1 = List.of(
            "ALTER TABLE pods ADD COLUMN updated BLOB",
            "ALTER TABLE containers ADD COLUMN updated BLOB",
            "ALTER TABLE containers ADD COLUMN volume_images TEXT NOT NULL DEFAULT '{}'");

    /** The SELinux level of pods. */
    private static final List<String> SINCE_VERSION_2 =
            List.of("ALTER TABLE pods ADD COLUMN selinux_level TEXT NOT NULL DEFAULT ''");

    /** The addresses of pods. */
    private static final List<String> SINCE_VERSION_3 =
            List.of("ALTER TABLE pods ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]'");

    private final PreparedStatement putPod;
    private final PreparedStatement putContainer;
    private final PreparedStatement putImage;
    private final PreparedStatement putLayer;
    private final PreparedStatement removePod;
    private final PreparedStatement removeContainer;
    private final PreparedStatement removeImage;
    private final PreparedStatement removeLayer;
    private final Connection connection;

    /** Makes the tables of a new file (version 0), or what an older version lacks. */
    static void bringUp(Statement statement, int version) throws SQLException {
        List<String> missing = new ArrayList<>(version == 0 ? SCHEMA : List.of());
        missing.addAll(version < 2 ? SINCE_VERSION_1 : List.of());
        missing.addAll(version < 3 ? SINCE_VERSION_2 : List.of());
        missing.addAll(SINCE_VERSION_3);
        for (String change : missing) {
            var _ = statement.executeUpdate(change);
        }
        var _ = statement.executeUpdate("PRAGMA user_version = " + SCHEMA_VERSION);
    }

    Tables(Connection connection) throws SQLException {
        this.connection = connection;
        putPod = put("pods", 17);
        putContainer = put("containers", 24);
        putImage = put("images", 8);
        putLayer = put("layers", 4);
        removePod = remove("pods");
        removeContainer = remove("containers");
        removeImage = remove("images");
        removeLayer = remove("layers");
    }

    private PreparedStatement put(String table, int columns) throws SQLException {
        return connection.prepareStatement(
                "INSERT OR REPLACE INTO " + table + " VALUES (?" + ",?".repeat(columns - 1) + ")");
    }

    private PreparedStatement remove(String table) throws SQLException {
        return connection.prepareStatement("DELETE FROM " + table + " WHERE id = ?");
    }

    void apply(Change change) throws SQLException, IOException {
        switch (change) {
            case Change.PutPod(PodRecord pod) -> write(pod);
            case Change.PutContainer(ContainerRecord container) -> write(container);
            case Change.PutImage(ImageRecord image) -> write(image);
            case Change.PutLayer(LayerRecord layer) -> write(layer);
            case Change.RemovePod(String id) -> remove(removePod, id);
            case Change.RemoveContainer(String id) -> remove(removeContainer, id);
            case Change.RemoveImage(String id) -> remove(removeImage, id);
            case Change.RemoveLayer(String id) -> remove(removeLayer, id);
        }
    }

    private static void remove(PreparedStatement statement, String id) throws SQLException {
        statement.setString(1, id);
        statement.executeUpdate();
    }

    private void write(PodRecord pod) throws SQLException, IOException {
        PreparedStatement row = putPod;
        row.setString(1, pod.id());
        row.setString(2, pod.name());
        row.setString(3, pod.namespace());
        row.setString(4, pod.uid());
        row.setInt(5, pod.attempt());
        row.setBytes(6, pod.request().toByteArray());
        row.setLong(7, pod.createdAtNanos());
        row.setString(8, pod.state().name());
        process(row, 9, pod.launched().map(LaunchedPod::monitor));
        process(row, 11, pod.launched().map(LaunchedPod::pause));
        row.setString(13, pod.bootId());
        row.setString(14, pod.runtimeHandler());
        optional(row, 15, pod.updated());
        row.setString(16, pod.selinuxLevel());
        row.setString(17, JsonText.of(pod.addresses()));
        row.executeUpdate();
    }

    List<PodRecord> pods() throws SQLException, IOException {
        List<PodRecord> pods = new ArrayList<>();
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT * FROM pods")) {
            while (row.next()) {
                Optional<ProcessRef> pause = process(row, 11);
                pods.add(new PodRecord(
                        row.getString(1),
                        row.getString(2),
                        row.getString(3),
                        row.getString(4),
                        row.getInt(5),
                        Bytes.copyOf(row.getBytes(6)),
                        row.getLong(7),
                        PodState.valueOf(row.getString(8)),
                        process(row, 9).flatMap(monitor -> pause.map(first -> new LaunchedPod(monitor, first))),
                        row.getString(13),
                        row.getString(14),
                        optional(row, 15),
                        row.getString(16),
                        JsonText.list(row.getString(17))));
            }
        }
        return pods;
    }

    private void write(ContainerRecord container) throws SQLException, IOException {
        PreparedStatement row = putContainer;
        row.setString(1, container.id());
        row.setString(2, container.podId());
        row.setString(3, container.name());
        row.setInt(4, container.attempt());
        row.setBytes(5, container.request().toByteArray());
        row.setString(6, container.imageId());
        row.setString(7, container.imageRef());
        row.setBytes(8, container.imageConfig().toByteArray());
        row.setString(9, JsonText.of(container.layerIds()));
        row.setString(10, container.logPath());
        row.setLong(11, container.createdAtNanos());
        row.setLong(12, container.startedAtNanos());
        row.setLong(13, container.finishedAtNanos());
        row.setString(14, container.state().name());
        row.setInt(15, container.exitCode());
        row.setString(16, container.reason());
        row.setString(17, container.message());
        process(row, 18, container.launched().map(LaunchedContainer::monitor));
        process(row, 20, container.launched().map(LaunchedContainer::init));
        row.setString(22, container.bootId());
        optional(row, 23, container.updated());
        row.setString(24, JsonText.of(volumeTexts(container)));
        row.executeUpdate();
    }

    /**
     * The containers.
     *
     * @param images whose configurations are theirs, so that each is in memory once
     */
    List<ContainerRecord> containers(Collection<ImageRecord> images) throws SQLException, IOException {
        Map<Bytes, Bytes> configs = new HashMap<>();
        images.forEach(image -> configs.put(image.config(), image.config()));
        List<ContainerRecord> containers = new ArrayList<>();
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT * FROM containers")) {
            while (row.next()) {
                Optional<ProcessRef> init = process(row, 20);
                containers.add(new ContainerRecord(
                        row.getString(1),
                        row.getString(2),
                        row.getString(3),
                        row.getInt(4),
                        Bytes.copyOf(row.getBytes(5)),
                        row.getString(6),
                        row.getString(7),
                        configs.computeIfAbsent(Bytes.copyOf(row.getBytes(8)), config -> config),
                        JsonText.list(row.getString(9)),
                        volumeImages(row.getString(24)),
                        row.getString(10),
                        row.getLong(11),
                        row.getLong(12),
                        row.getLong(13),
                        ContainerState.valueOf(row.getString(14)),
                        row.getInt(15),
                        row.getString(16),
                        row.getString(17),
                        process(row, 18).flatMap(monitor -> init.map(first -> new LaunchedContainer(monitor, first))),
                        row.getString(22),
                        optional(row, 23)));
            }
        }
        return containers;
    }

    private static Map<String, String> volumeTexts(ContainerRecord container) {
        Map<String, String> texts = new HashMap<>();
        container.volumeImages().forEach((path, image) -> texts.put(path, image.text()));
        return texts;
    }

    private static Map<String, VolumeImage> volumeImages(String text) throws IOException {
        Map<String, VolumeImage> images = new HashMap<>();
        JsonText.map(text).forEach((path, image) -> images.put(path, VolumeImage.parse(image)));
        return images;
    }

    private void write(ImageRecord image) throws SQLException, IOException {
        PreparedStatement row = putImage;
        row.setString(1, image.id());
        row.setString(2, JsonText.of(image.tags()));
        row.setString(3, JsonText.of(image.digests()));
        row.setBytes(4, image.config().toByteArray());
        row.setString(5, JsonText.of(image.layerChain()));
        row.setLong(6, image.sizeBytes());
        row.setString(7, JsonText.of(image.annotations()));
        row.setLong(8, image.createdAtNanos());
        row.executeUpdate();
    }

    List<ImageRecord> images() throws SQLException, IOException {
        List<ImageRecord> images = new ArrayList<>();
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT * FROM images")) {
            while (row.next()) {
                images.add(new ImageRecord(
                        row.getString(1),
                        JsonText.list(row.getString(2)),
                        JsonText.list(row.getString(3)),
                        Bytes.copyOf(row.getBytes(4)),
                        JsonText.list(row.getString(5)),
                        row.getLong(6),
                        JsonText.map(row.getString(7)),
                        row.getLong(8)));
            }
        }
        return images;
    }

    private void write(LayerRecord layer) throws SQLException {
        PreparedStatement row = putLayer;
        row.setString(1, layer.id());
        row.setString(2, layer.diffId());
        row.setLong(3, layer.sizeBytes());
        row.setLong(4, layer.inodes());
        row.executeUpdate();
    }

    List<LayerRecord> layers() throws SQLException {
        List<LayerRecord> layers = new ArrayList<>();
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT * FROM layers")) {
            while (row.next()) {
                layers.add(new LayerRecord(row.getString(1), row.getString(2), row.getLong(3), row.getLong(4)));
            }
        }
        return layers;
    }

    private static void optional(PreparedStatement row, int column, Optional<Bytes> bytes) throws SQLException {
        if (bytes.isPresent()) {
            row.setBytes(column, bytes.get().toByteArray());
        } else {
            row.setNull(column, java.sql.Types.BLOB);
        }
    }

    private static Optional<Bytes> optional(ResultSet row, int column) throws SQLException {
        return Optional.ofNullable(row.getBytes(column)).map(Bytes::copyOf);
    }

    private static void process(PreparedStatement row, int column, Optional<ProcessRef> process) throws SQLException {
        if (process.isPresent()) {
            row.setInt(column, process.get().pid());
            row.setLong(column + 1, process.get().startTime());
        } else {
            row.setNull(column, java.sql.Types.INTEGER);
            row.setNull(column + 1, java.sql.Types.INTEGER);
        }
    }

    private static Optional<ProcessRef> process(ResultSet row, int column) throws SQLException {
        int pid = row.getInt(column);
        return row.wasNull() ? Optional.empty() : Optional.of(new ProcessRef(pid, row.getLong(column + 1)));
    }

    @Override
    public void close() throws SQLException {
        for (PreparedStatement statement : List.of(
                putPod, putContainer, putImage, putLayer, removePod, removeContainer, removeImage, removeLayer)) {
            statement.close();
        }
    }
}
