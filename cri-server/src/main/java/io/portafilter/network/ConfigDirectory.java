package io.portafilter.network;

import io.portafilter.network.CniJson.Malformed;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

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

    /** Of one plugin each, in a directory of the network's name: its further plugins (CNI 1.1, section 1). */
    private static final List<String> PLUGIN_ENDINGS = List.of(".conf");

    private final Path directory;
    private final Plugins plugins;

    ConfigDirectory(Path directory, Plugins plugins) {
        this.directory = directory;
        this.plugins = plugins;
    }

    Found find() {
        List<Path> files;
        try {
            files = files(directory, ENDINGS);
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

    private static List<Path> files(Path directory, List<String> endings) throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) {
                if (endings.stream().anyMatch(entry.toString()::endsWith) && !Files.isDirectory(entry)) {
                    files.add(entry);
                }
            }
        }
        files.sort(null);
        return files;
    }

    private NetworkConfig read(Path file) throws IOException, Malformed {
        Map<String, Object> network = CniJson.object(Files.readAllBytes(file));
        return file.toString().endsWith(".conflist")
                ? NetworkConfig.of(withFurtherPlugins(network))
                : NetworkConfig.single(network);
    }

    /** The list as if it named all its plugins itself: so it is kept for a pod, whatever becomes of the files. */
    private Map<String, Object> withFurtherPlugins(Map<String, Object> list) throws IOException, Malformed {
        if (CniJson.isTrueAt(list, "loadOnlyInlinedPlugins")) {
            return list;
        }
        Path further = directory.resolve(NetworkConfig.name(list));
        if (!Files.isDirectory(further)) {
            return list;
        }
        List<Object> all = new ArrayList<>(CniJson.itemsAt(list, "plugins"));
        for (Path file : files(further, PLUGIN_ENDINGS)) {
            try {
                all.add(CniJson.object(Files.readAllBytes(file)));
            } catch (Malformed e) {
                throw new Malformed("has a plugin by " + file + ", which " + e.getMessage());
            }
        }
        Map<String, Object> whole = new LinkedHashMap<>(list);
        whole.put("plugins", all);
        return whole;
    }
}
