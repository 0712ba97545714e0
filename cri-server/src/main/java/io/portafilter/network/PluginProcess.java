package io.portafilter.network;

import static io.portafilter.linux.LinuxConstants.MFD_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.POLLIN;
import static io.portafilter.linux.LinuxConstants.P_PID;
import static io.portafilter.linux.LinuxConstants.SIGKILL;
import static io.portafilter.linux.LinuxConstants.WEXITED;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.SpawnRequest;
import io.portafilter.linux.WaitStatus;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * One run of a plugin. It gets the variables that are named and no other, files in memory for what it reads and writes,
 * and a process group of its own, so that all that it starts is killed with it when its time is over.
 *
 * <p>Files instead of pipes: a plugin whose server was killed goes on to its end instead of dying of SIGPIPE half way, and
 * a descendant that outlives it keeps nobody waiting for the end of a pipe.
 */
final class PluginProcess {

    /** The longest answer that is read. Real ones have some kilobytes. */
    private static final int MAX_OUTPUT_BYTES = 4 << 20;

    private static final int MAX_ERROR_BYTES = 8 << 10;

    /** lseek(2) */
    private static final int SEEK_END = 2;

    /** Waits here, not on the few threads that carry the virtual ones: a plugin may take its time. */
    private static final ExecutorService WAITING = Executors.newCachedThreadPool(
            Thread.ofPlatform().daemon().name("plugin-", 0).factory());

    /**
     * How it ended.
     *
     * @param status its exit status, or minus the signal that ended it
     */
    record Ended(int status, String output, String errors) {

        boolean succeeded() {
            return status == 0;
        }

        String how() {
            return status < 0 ? "killed by signal " + -status : "exit status " + status;
        }
    }

    private PluginProcess() {}

    /**
     * Runs a plugin to its end.
     *
     * @throws NetworkException when it cannot be started, or does not end in time
     */
    static Ended run(Path program, Map<String, String> variables, byte[] input, Duration limit) {
        try {
            return CompletableFuture.supplyAsync(() -> runHere(program, variables, input, limit), WAITING)
                    .join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    private static Ended runHere(Path program, Map<String, String> variables, byte[] input, Duration limit) {
        List<String> environment = new ArrayList<>();
        new TreeMap<>(variables).forEach((name, value) -> environment.add(name + "=" + value));
        try (Fd in = Kernel.memfdCreate("cni-in", MFD_CLOEXEC);
                Fd out = Kernel.memfdCreate("cni-out", MFD_CLOEXEC);
                Fd err = Kernel.memfdCreate("cni-err", MFD_CLOEXEC)) {
            Kernel.writeFully(in, input);
            long _ = Kernel.lseek(in, 0, 0);
            int pid = Kernel.posixSpawn(new SpawnRequest(
                    program.toString(),
                    List.of(program.toString()),
                    environment,
                    List.of(in.number(), out.number(), err.number()),
                    List.of(),
                    true));
            boolean inTime = awaitOrKill(pid, limit);
            WaitStatus end = Kernel.waitid(P_PID, pid, WEXITED).orElseThrow();
            String errors = tail(err, MAX_ERROR_BYTES);
            if (!inTime) {
                throw NetworkException.forNow(
                        "it did not end within " + limit.toMillis() / 1000.0 + " s and was killed" + said(errors));
            }
            return new Ended(end.exited() ? end.status() : -end.status(), tail(out, MAX_OUTPUT_BYTES), errors);
        } catch (KernelException e) {
            throw NetworkException.because("it cannot be run: " + e.getMessage(), e);
        }
    }

    /** False if its time was over and it was killed. It is not reaped. */
    private static boolean awaitOrKill(int pid, Duration limit) {
        try (Fd pidfd = Kernel.pidfdOpen(pid)) {
            if (Kernel.poll(pidfd, POLLIN, limit) != 0) {
                return true;
            }
            killGroup(pid);
            return false;
        }
    }

    /** Its leader is not reaped yet: the number is nobody else's. */
    private static void killGroup(int leader) {
        try {
            Kernel.kill(-leader, SIGKILL);
        } catch (KernelException e) {
            if (!e.is(Errno.ESRCH)) {
                throw e;
            }
        }
    }

    private static String tail(Fd file, int limit) {
        long size = Kernel.lseek(file, 0, SEEK_END);
        byte[] bytes = new byte[(int) Math.min(size, limit)];
        int filled = 0;
        while (filled < bytes.length) {
            int count = Kernel.pread(file, bytes, filled, bytes.length - filled, size - bytes.length + filled);
            if (count == 0) {
                break; // shortened meanwhile
            }
            filled += count;
        }
        return new String(bytes, 0, filled, StandardCharsets.UTF_8);
    }

    /** The end of what a plugin wrote on stderr, on one line: for a sentence. */
    static String said(String errors) {
        String line = errors.strip().replaceAll("\\s+", " ");
        if (line.isEmpty()) {
            return "";
        }
        return "; it wrote: " + (line.length() <= 400 ? line : "..." + line.substring(line.length() - 400));
    }
}
