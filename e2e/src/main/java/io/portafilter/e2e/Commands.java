package io.portafilter.e2e;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Runs a program to its end. */
public final class Commands {
    /** What a program left. */
    public record Outcome(List<String> command, int status, String stdout, String stderr) {
        /** Standard output of a program that must succeed. */
        public String orFail() {
            if (status != 0) {
                throw new IllegalStateException(
                        String.join(" ", command) + ": exit status " + status + "\n" + stdout + stderr);
            }
            return stdout;
        }
    }

    private Commands() {}

    public static Outcome run(String... command) {
        return run(Duration.ofSeconds(60), Map.of(), command);
    }

    public static Outcome run(Duration limit, Map<String, String> environment, String... command) {
        try {
            Path out = Files.createTempFile("pf-e2e-", ".out");
            Path err = Files.createTempFile("pf-e2e-", ".err");
            try {
                ProcessBuilder builder = new ProcessBuilder(command)
                        .redirectInput(Path.of("/dev/null").toFile())
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile());
                builder.environment().putAll(environment);
                Process process = builder.start();
                if (!process.waitFor(Await.patient(limit).toMillis(), TimeUnit.MILLISECONDS)) {
                    var _ = process.destroyForcibly();
                    throw new AssertionError(String.join(" ", command) + " still runs after " + Await.patient(limit)
                            + "\n" + Files.readString(out) + Files.readString(err));
                }
                return new Outcome(
                        List.of(command),
                        process.exitValue(),
                        Files.readString(out, StandardCharsets.UTF_8),
                        Files.readString(err, StandardCharsets.UTF_8));
            } finally {
                Files.delete(out);
                Files.delete(err);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(String.join(" ", command), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted in " + String.join(" ", command), e);
        }
    }
}
