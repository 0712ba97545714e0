package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.O_RDONLY;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** A user namespace whose ids 0 to 65535 are the host's 100000 and up. A process holds it until it is closed. */
final class UserNamespaceFixture implements AutoCloseable {
    static final long FIRST_HOST_ID = 100_000;

    private final Process holder;
    private final Fd namespace;

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // owned by this object
    UserNamespaceFixture() throws IOException {
        holder = new ProcessBuilder("unshare", "--user", "sleep", "600").start();
        Path directory = Path.of("/proc/" + holder.pid());
        Path ours = Files.readSymbolicLink(Path.of("/proc/self/ns/user"));
        long end = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (Files.readSymbolicLink(directory.resolve("ns/user")).equals(ours)) {
            if (System.nanoTime() > end) {
                throw new AssertionError("unshare --user made no user namespace within 10 s");
            }
            Thread.onSpinWait();
        }
        for (String map : new String[] {"uid_map", "gid_map"}) {
            Files.writeString(directory.resolve(map), "0 " + FIRST_HOST_ID + " 65536\n");
        }
        namespace = Kernel.open(directory.resolve("ns/user").toString(), O_RDONLY);
    }

    Fd descriptor() {
        return namespace;
    }

    @Override
    public void close() throws IOException {
        namespace.close();
        holder.destroyForcibly();
        holder.inputReader().close();
    }
}
