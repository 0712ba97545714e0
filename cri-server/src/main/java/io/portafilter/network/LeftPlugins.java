package io.portafilter.network;

import static io.portafilter.linux.LinuxConstants.SIGKILL;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Plugins that a server left running which was killed. What an ADD of such a server still makes, no DEL of the next one
 * would take back; so that one waits for it, and ends it when that takes too long.
 *
 * <p>They are told by the variables that they were given, which what they start has too.
 */
final class LeftPlugins {

    private static final Duration PAUSE = Duration.ofMillis(50);

    private LeftPlugins() {}

    /** Returns when none of the pod's is left. */
    static void await(String owner, String instance, String podId, Duration patience) {
        long deadline = System.nanoTime() + patience.toNanos();
        while (true) {
            List<Integer> left = find(owner, instance, podId);
            if (left.isEmpty()) {
                return;
            }
            if (System.nanoTime() - deadline > 0) {
                left.forEach(pid -> kill(pid, owner, instance, podId));
            }
            try {
                Thread.sleep(PAUSE);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw NetworkException.forNow("the server ends while a plugin of an earlier one is awaited");
            }
        }
    }

    private static List<Integer> find(String owner, String instance, String podId) {
        List<Integer> found = new ArrayList<>();
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (Path process : processes) {
                int pid = Integer.parseInt(String.valueOf(process.getFileName()));
                if (isLeft(pid, owner, instance, podId)) {
                    found.add(pid);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list /proc: " + e, e);
        }
        return found;
    }

    private static boolean isLeft(int pid, String owner, String instance, String podId) {
        List<String> variables;
        try {
            variables = Arrays.asList(
                    new String(Files.readAllBytes(Path.of("/proc/" + pid + "/environ")), StandardCharsets.UTF_8)
                            .split("\0"));
        } catch (IOException e) {
            return false; // it has ended, or is being made
        }
        return variables.contains(Plugins.OWNER + "=" + owner)
                && variables.contains("CNI_CONTAINERID=" + podId)
                && !variables.contains(Plugins.INSTANCE + "=" + instance);
    }

    /** The process is held by a descriptor while it is looked at again: its number may be another's by now. */
    private static void kill(int pid, String owner, String instance, String podId) {
        try (Fd process = Kernel.pidfdOpen(pid)) {
            if (isLeft(pid, owner, instance, podId)) {
                Kernel.pidfdSendSignal(process, SIGKILL);
            }
        } catch (KernelException e) {
            if (!e.is(Errno.ESRCH)) { // it has ended by itself
                throw e;
            }
        }
    }
}
