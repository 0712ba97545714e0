package io.portafilter.network;

import io.portafilter.network.CniJson.Malformed;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The directory of network configurations. It is read whenever the network is used: that is cheap, and a change counts
 * from then on without a restart. The first file by name decides; a wrong one is told, not passed over.
 */
final class ConfigDirectory {

    private static final List<String> ENDINGS = List.of(".conflist", ".conf", ".json");

    /** What there is. */
    sealed interface Found {
        /** A configuration that can be carried out. */
        record Usable(Path file, NetworkConfig config) implements Found {}

        /** No file. */
        record Nothing(String why) implements Found {}

        /** A file that cannot be used. */
        record Wrong(Path file, String why) implements Found {}
    }

    private record Read(Path file, String text, NetworkConfig config) {}

    private final Path directory;
    private final Plugins plugins;

    /** What was read last: the same text is not read again. */
    private final AtomicReference<Optional<Read>> last = new AtomicReference<>(Optional.empty());

    ConfigDirectory(Path directory, Plugins plugins) {
        this.directory = directory;
        this.plugins = plugins;
    }

    Found find() {
        List<Path> files;
        try {
            files = files();
        } catch (NoSuchFileException | NotDirectoryException e) {
            return new Found.Nothing("there is no directory " + directory);
        } catch (IOException e) {
            return new Found.Wrong(directory, "cannot be listed: " + e);
        }
        if (files.isEmpty()) {
            return new Found.Nothing("no file of " + directory + " ends in " + String.join(", ", ENDINGS));
        }
        Path file = files.getFirst();
        try {
            NetworkConfig config = read(file);
            for (NetworkConfig.Plugin plugin : config.plugins()) {
                plugins.requireSpeaks(plugin.type(), config.version());
            }
            return new Found.Usable(file, config);
        } catch (Malformed | NetworkException e) {
            return new Found.Wrong(file, String.valueOf(e.getMessage()));
        } catch (IOException e) {
            return new Found.Wrong(file, "cannot be read: " + e);
        }
    }

    private List<Path> files() throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) {
                if (ENDINGS.stream().anyMatch(entry.toString()::endsWith) && !Files.isDirectory(entry)) {
                    files.add(entry);
                }
            }
        }
        files.sort(null);
        return files;
    }

    private NetworkConfig read(Path file) throws IOException, Malformed {
        // a byte that is no UTF-8 is no JSON either
        String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        Optional<Read> known = last.get();
        if (known.isPresent()
                && known.get().file.equals(file)
                && known.get().text.equals(text)) {
            return known.get().config;
        }
        NetworkConfig config = file.toString().endsWith(".conflist")
                ? NetworkConfig.list(bytes(text))
                : NetworkConfig.single(bytes(text));
        last.set(Optional.of(new Read(file, text, config)));
        return config;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
