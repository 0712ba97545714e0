package io.portafilter.lsm;

import static io.portafilter.linux.LinuxConstants.*;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.KernelText;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.SpawnRequest;
import io.portafilter.linux.WaitStatus;
import io.portafilter.security.Labels;
import io.portafilter.security.SecurityModules;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * AppArmor on this host: which profiles the kernel has, and the one that containers get by default.
 *
 * <p>The kernel takes compiled policy alone, and compiling it is the work of {@code apparmor_parser(8)}.
 */
public final class AppArmor {

    private static final List<Path> PARSERS =
            List.of(Path.of("/usr/sbin/apparmor_parser"), Path.of("/sbin/apparmor_parser"));

    private static final Duration PARSER_LIMIT = Duration.ofSeconds(60);
    private static final int MOST_OUTPUT_BYTES = 4096;

    private final Path sys;
    private final Optional<Path> parser;
    private final Object loading = new Object();

    private AppArmor(Path sys, Optional<Path> parser) {
        this.sys = sys;
        this.parser = parser;
    }

    /** That of the host that this process runs on. */
    public static AppArmor ofThisHost() {
        return new AppArmor(
                Path.of("/sys"), PARSERS.stream().filter(Files::isExecutable).findFirst());
    }

    /**
     * Another host's.
     *
     * @param sys where its sysfs is mounted
     * @param parser the program that loads profiles; absent where there is none
     */
    static AppArmor of(Path sys, Optional<Path> parser) {
        return new AppArmor(sys, parser);
    }

    /** What requests can rely on. */
    public SecurityModules.AppArmor state() {
        if (!isOn()) {
            return new SecurityModules.AppArmor.Off();
        }
        if (!tellsProfiles()) {
            return new SecurityModules.AppArmor.WithoutDefault(
                    "AppArmor is on, but " + profiles() + " cannot be read",
                    "mount securityfs on /sys/kernel/security and restart the server");
        }
        if (parser.isEmpty() && !isLoaded(Labels.DEFAULT_PROFILE)) {
            return new SecurityModules.AppArmor.WithoutDefault(
                    "AppArmor is on, but there is no apparmor_parser to load the default profile with",
                    "install the package apparmor and restart the server");
        }
        return new SecurityModules.AppArmor.On();
    }

    private boolean isOn() {
        Path enabled = sys.resolve("module/apparmor/parameters/enabled");
        return Files.exists(enabled) && ProcFile.read(enabled.toString()).startsWith("Y");
    }

    /** Whether {@link #isLoaded} has an answer. */
    public boolean tellsProfiles() {
        return Files.isReadable(profiles());
    }

    private Path profiles() {
        return sys.resolve("kernel/security/apparmor/profiles");
    }

    /**
     * Whether the kernel has a profile of this name, in whichever mode.
     *
     * @throws KernelException if it does not tell
     */
    public boolean isLoaded(String profile) {
        return ProcFile.read(profiles().toString())
                .lines()
                .anyMatch(line -> line.startsWith(profile + " (") && line.indexOf(" (", profile.length() + 1) < 0);
    }

    /** Sees to it that the default profile is there: who unloads unknown profiles unloads ours. */
    public void requireDefault() {
        if (isLoaded(Labels.DEFAULT_PROFILE)) {
            return;
        }
        synchronized (loading) {
            if (!isLoaded(Labels.DEFAULT_PROFILE)) { // another may have loaded it meanwhile
                loadDefault();
            }
        }
    }

    /**
     * Loads the default profile, in the place of one of that name; the kernel leaves it alone when it has the same.
     *
     * @throws AppArmorException with what the parser said
     */
    public void loadDefault() {
        synchronized (loading) {
            load(defaultText());
        }
    }

    /** The default profile as text. */
    public static String defaultText() {
        try (InputStream text =
                Objects.requireNonNull(AppArmor.class.getResourceAsStream(Labels.DEFAULT_PROFILE), "the profile")) {
            return new String(text.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @GuardedBy("loading")
    private void load(String text) {
        String program = parser.orElseThrow(() -> new AppArmorException("there is no apparmor_parser"))
                .toString();
        try (Fd input = Kernel.memfdCreate("profile", MFD_CLOEXEC);
                Fd output = Kernel.memfdCreate("output", MFD_CLOEXEC)) {
            Kernel.writeText(input, text);
            long _ = Kernel.lseek(input, 0, 0);
            int pid = Kernel.posixSpawn(new SpawnRequest(
                    program,
                    List.of("apparmor_parser", "--replace", "--skip-cache", "--quiet"),
                    List.of("LC_ALL=C"),
                    List.of(input.number(), output.number(), output.number()),
                    List.of(),
                    false));
            WaitStatus end = await(pid);
            if (!end.exited() || end.status() != 0) {
                throw new AppArmorException("apparmor_parser cannot load the profile " + Labels.DEFAULT_PROFILE + ": "
                        + said(output) + " (exit status " + end.status() + ")");
            }
        }
    }

    /** On a thread of the system: one of the few that carry the others would be gone as long as the parser takes. */
    private static WaitStatus await(int pid) {
        try {
            return CompletableFuture.supplyAsync(() -> awaitHere(pid), AppArmor::onItsOwnThread)
                    .join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    private static void onItsOwnThread(Runnable waiting) {
        Thread _ = Thread.ofPlatform().daemon().name("apparmor-parser").start(waiting);
    }

    private static WaitStatus awaitHere(int pid) {
        WaitStatus end;
        try (Fd process = Kernel.pidfdOpen(pid)) {
            if (Kernel.poll(process, POLLIN, PARSER_LIMIT) == 0) {
                Kernel.pidfdSendSignal(process, SIGKILL);
            }
        } finally {
            end = Kernel.waitid(P_PID, pid, WEXITED).orElseThrow();
        }
        return end;
    }

    private static String said(Fd output) {
        byte[] text = new byte[MOST_OUTPUT_BYTES];
        int length = Kernel.pread(output, text, 0, text.length, 0);
        return KernelText.decode(text, 0, length).strip().replaceAll("\\s+", " ");
    }

    /** The label of a process: {@code NAME (MODE)}, {@code unconfined}; empty without AppArmor. */
    public static String labelOf(ProcDirectory process) {
        try {
            return process.read("attr/apparmor/current").strip();
        } catch (KernelException e) {
            if (e.is(Errno.EINVAL) || e.is(Errno.ENOENT)) {
                return "";
            }
            throw e;
        }
    }
}
