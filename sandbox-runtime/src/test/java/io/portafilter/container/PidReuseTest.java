package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.launch.LaunchException;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcStat;
import io.portafilter.linux.ProcessRef;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What was recorded of a process is not taken for another one that has its number now. The number is given again by
 * {@code /proc/sys/kernel/ns_last_pid}, which is of a PID namespace: the test's other half runs in one of its own.
 */
class PidReuseTest {

    /** Makes the kernel give a number twice, and says what is then seen of the process that had it first. */
    static final class InNamespace {
        private static final int ATTEMPTS = 1000;

        private InNamespace() {}

        public static void main(String[] arguments) throws IOException, InterruptedException {
            Process first = sleeper();
            int pid = (int) first.pid();
            ProcessRef recorded = ProcessRef.of(pid);
            LaunchedPod pod = new LaunchedPod(recorded, recorded);
            try (ProcDirectory opened = ProcDirectory.open(pid)) {
                say("before", recorded, pod, opened);
                first.destroyForcibly().waitFor();
                Process second = withNumber(pid, recorded.startTime());
                say("after", recorded, pod, opened);
                ProcessTree.kill(recorded);
                System.out.println("the second one was killed: " + second.waitFor(1, TimeUnit.SECONDS));
                ProcessTree.kill(ProcessRef.of(pid));
                System.out.println("and by what is recorded of it: " + second.waitFor(1, TimeUnit.MINUTES));
            }
        }

        private static Process sleeper() throws IOException {
            return new ProcessBuilder("sleep", "1000").start();
        }

        /** The virtual machine's threads take numbers too: it may need another try. */
        private static Process withNumber(int pid, long notOf) throws IOException, InterruptedException {
            for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
                Files.writeString(Path.of("/proc/sys/kernel/ns_last_pid"), Integer.toString(pid - 1));
                Process process = sleeper();
                if (process.pid() == pid && ProcessRef.of(pid).startTime() != notOf) {
                    return process;
                }
                process.destroyForcibly().waitFor();
            }
            throw new IllegalStateException("number " + pid + " was not given again");
        }

        private static void say(String when, ProcessRef recorded, LaunchedPod pod, ProcDirectory opened) {
            List<String> seen = new ArrayList<>();
            seen.add("alive " + recorded.isAlive());
            seen.add("pidfd " + closed(recorded.open()));
            Optional<Monitor> monitor = Monitor.reopen(recorded);
            seen.add("monitor " + monitor.isPresent());
            monitor.ifPresent(Monitor::close);
            seen.add("network " + closed(pod.network()));
            try {
                seen.add("mounts " + PauseMounts.of(recorded));
            } catch (LaunchException e) {
                // its mounts were read, and are none of a pod
                seen.add("mounts " + (e.toString().contains("has no mount on /shm") ? "true" : e));
            }
            try {
                ProcStat stat = opened.stat();
                seen.add("directory " + (stat.startTimeTicks() == recorded.startTime()));
            } catch (KernelException e) {
                seen.add("directory " + (e.is(Errno.ESRCH) || e.is(Errno.ENOENT) ? "ended" : e));
            }
            System.out.println(when + ": " + String.join(", ", seen));
        }

        private static boolean closed(Optional<Fd> descriptor) {
            descriptor.ifPresent(Fd::close);
            return descriptor.isPresent();
        }
    }

    @TempDir
    private Path directory;

    @Test
    void whatIsRecordedOfAProcessIsNotTakenForOneThatHasItsNumberNow() throws IOException, InterruptedException {
        assumeTrue(Kernel.geteuid() == 0, "needs root");
        assumeTrue(
                Files.exists(Path.of("/proc/sys/kernel/ns_last_pid")),
                "needs a kernel that gives process numbers on demand (CONFIG_CHECKPOINT_RESTORE)");
        Path output = directory.resolve("output");
        Process namespace = new ProcessBuilder(
                        "unshare",
                        "--pid",
                        "--fork",
                        "--kill-child",
                        "--mount-proc",
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        InNamespace.class.getName())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            assertThat(namespace.waitFor(5, TimeUnit.MINUTES)).isTrue();
            assertThat(Files.readString(output, StandardCharsets.UTF_8)).isEqualTo("""
                    before: alive true, pidfd true, monitor true, network true, mounts true, directory true
                    after: alive false, pidfd false, monitor false, network false, mounts io.portafilter.launch.LaunchException: the pod sandbox is not running: its first process has ended, directory ended
                    the second one was killed: false
                    and by what is recorded of it: true
                    """);
            assertThat(namespace.exitValue()).isZero();
        } finally {
            namespace.destroyForcibly();
        }
    }
}
