package io.portafilter.state;

import com.google.errorprone.annotations.MustBeClosed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Keeps a second server away from a root, a state directory or a socket: a record lock (fcntl(2)) on a file that holds
 * the first one's pid. The kernel lets go of it when the server ends, however it ends, and no child inherits it.
 */
public final class ServerLock implements AutoCloseable {
    // The kernel's lock belongs to the process, and closing any descriptor of the file would give it up: so a second
    // attempt in this process must not even open the file.
    private static final Set<Path> HELD_HERE = new HashSet<>();

    private record Locked(Path file, FileChannel channel) {}

    private final List<Locked> locks = new ArrayList<>();

    private ServerLock() {}

    /**
     * Takes {@code portafilter.lock} in both directories and {@code SOCKET.lock}; makes missing directories (0700).
     *
     * @throws StateException naming the pid of the server that is there already
     */
    @MustBeClosed
    public static ServerLock take(Path root, Path state, Path socket) {
        ServerLock server = new ServerLock();
        try {
            server.add("root " + root, root, "portafilter.lock");
            server.add("state directory " + state, state, "portafilter.lock");
            Path directory = Optional.ofNullable(socket.getParent()).orElse(Path.of("/"));
            server.add("socket " + socket, directory, socket.getFileName() + ".lock");
            return server;
        } catch (StateException e) {
            server.close();
            throw e;
        }
    }

    private void add(String what, Path directory, String name) {
        try {
            Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Path file = directory.toRealPath().resolve(name);
            if (locks.stream().anyMatch(mine -> mine.file.equals(file))) {
                return;
            }
            synchronized (HELD_HERE) {
                if (!HELD_HERE.add(file)) {
                    throw taken(what, Long.toString(ProcessHandle.current().pid()));
                }
            }
            try {
                locks.add(new Locked(file, lock(what, file)));
            } catch (IOException | StateException e) {
                forget(file);
                throw e;
            }
        } catch (IOException e) {
            throw new StateException("cannot lock " + what + ": " + e, e);
        }
    }

    private static FileChannel lock(String what, Path file) throws IOException {
        FileChannel channel = FileChannel.open(
                file,
                Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        try {
            if (channel.tryLock() == null) {
                throw taken(what, Files.readString(file).strip());
            }
            channel.truncate(0);
            byte[] pid = (ProcessHandle.current().pid() + "\n").getBytes(StandardCharsets.US_ASCII);
            channel.write(ByteBuffer.wrap(pid), 0);
            return channel;
        } catch (IOException | StateException e) {
            channel.close();
            throw e;
        }
    }

    private static StateException taken(String what, String pid) {
        return new StateException("a server with pid " + pid + " uses the " + what
                + ": end that one first, or give this one --root, --state and --listen of its own");
    }

    private static void forget(Path file) {
        synchronized (HELD_HERE) {
            HELD_HERE.remove(file);
        }
    }

    /** Lets go of all; the files stay, as removing them would race with the next server. */
    @Override
    public void close() {
        for (Locked lock : locks.reversed()) {
            try {
                lock.channel.close();
            } catch (IOException e) {
                throw new StateException("unlock " + lock.file + ": " + e, e);
            } finally {
                forget(lock.file);
            }
        }
        locks.clear();
    }
}
