package io.portafilter.network;

import io.portafilter.network.CniJson.Malformed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What ADD answered, for CHECK and DEL: a file for each pod, in the place and form in which the other runtimes keep them
 * ({@code results/NETWORK-ID-INTERFACE}, kind cniCacheV1), so that tools for these find ours.
 */
final class ResultCache {

    private static final FileAttribute<Set<PosixFilePermission>> OWNER_ALONE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final FileAttribute<Set<PosixFilePermission>> DIRECTORY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private final Path results;

    ResultCache(Path cacheDirectory) {
        this.results = cacheDirectory.resolve("results");
    }

    private Path file(Attachment pod) {
        return results.resolve(pod.network().name() + "-" + pod.podId() + "-" + Attachment.INTERFACE);
    }

    void put(Attachment pod, CniResult result) {
        List<Object> arguments = new ArrayList<>();
        pod.arguments().forEach((key, value) -> arguments.add(List.of(key, value)));
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("kind", "cniCacheV1");
        entry.put("containerId", pod.podId());
        entry.put(
                "config",
                Base64.getEncoder().encodeToString(CniJson.bytes(pod.network().source())));
        entry.put("ifName", Attachment.INTERFACE);
        entry.put("networkName", pod.network().name());
        entry.put("netns", pod.namespace());
        entry.put("cniArgs", arguments);
        entry.put("capabilityArgs", pod.capabilityArgs());
        entry.put("result", result.fields());
        Path file = file(pod);
        Path made = file.resolveSibling("." + file.getFileName() + ".new");
        try {
            if (!Files.isDirectory(results)) {
                Files.createDirectories(results, DIRECTORY);
            }
            Files.deleteIfExists(made);
            Files.createFile(made, OWNER_ALONE);
            Files.write(made, CniJson.bytes(entry));
            Files.move(made, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw NetworkException.because("the result cannot be kept in " + file + ": " + e, e);
        }
    }

    /** Empty if ADD did not come to its end, or if somebody made the file unreadable. */
    Optional<CniResult> get(Attachment pod) {
        try {
            return CniJson.objectAt(CniJson.object(Files.readAllBytes(file(pod))), "result")
                    .map(CniResult::new);
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (Malformed e) {
            return Optional.empty(); // DEL does without; it is bound to
        } catch (IOException e) {
            throw NetworkException.because("the result cannot be read from " + file(pod) + ": " + e, e);
        }
    }

    void remove(Attachment pod) {
        try {
            Files.deleteIfExists(file(pod));
            Files.deleteIfExists(file(pod).resolveSibling("." + file(pod).getFileName() + ".new"));
        } catch (IOException e) {
            throw NetworkException.because("the result cannot be removed from " + file(pod) + ": " + e, e);
        }
    }
}
