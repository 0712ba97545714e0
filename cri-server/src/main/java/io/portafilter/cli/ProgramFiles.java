package io.portafilter.cli;

import io.portafilter.launch.ElfImage;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Launch programs as files. They are their owner's alone: whoever runs one as root makes namespaces and mounts. A file
 * that is there is not overwritten, and no link is followed.
 */
final class ProgramFiles {
    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private ProgramFiles() {}

    /** Writes {@code sandbox.elf} and {@code container-NAME.elf}; makes the directory. */
    static void write(Path directory, Explanation explained) throws CommandException {
        Map<Path, byte[]> files = new LinkedHashMap<>();
        for (Explanation.Part part : explained.parts()) {
            files.put(
                    directory.resolve(part.isSandbox() ? "sandbox.elf" : "container-" + part.name() + ".elf"),
                    ElfImage.of(part.program()).bytes());
        }
        List<Path> written = new ArrayList<>();
        try {
            writeAll(directory, files, written);
        } catch (IOException | CommandException e) {
            // half of them are none
            written.forEach(file -> remove(file, e));
            throw e instanceof CommandException told
                    ? told
                    : new CommandException(
                            ExitStatus.FAILED, "the programs cannot be written to " + directory + ": " + e);
        }
    }

    private static void writeAll(Path directory, Map<Path, byte[]> files, List<Path> written)
            throws CommandException, IOException {
        if (Files.isSymbolicLink(directory)) {
            throw new CommandException(ExitStatus.FAILED, directory + " is a link: name the directory itself");
        }
        if (!Files.isDirectory(directory)) {
            Files.createDirectories(directory, OWNER_ONLY);
        }
        for (Path file : files.keySet()) {
            if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
                throw isThere(file);
            }
        }
        for (Map.Entry<Path, byte[]> file : files.entrySet()) {
            write(file.getKey(), file.getValue(), written);
        }
    }

    private static void remove(Path file, Exception cause) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
    }

    private static void write(Path file, byte[] bytes, List<Path> written) throws CommandException, IOException {
        try (var channel = Files.newByteChannel(
                file, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OWNER_ONLY)) {
            written.add(file);
            var buffer = java.nio.ByteBuffer.wrap(bytes);
            while (buffer.hasRemaining()) {
                int _ = channel.write(buffer);
            }
        } catch (FileAlreadyExistsException e) {
            throw isThere(file);
        }
    }

    private static CommandException isThere(Path file) {
        return new CommandException(
                ExitStatus.FAILED, file + " is there already: remove it, or name another directory");
    }
}
