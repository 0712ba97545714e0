package io.portafilter.e2e;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Somebody who types at a terminal in which a shell runs: {@code script(1)} makes one. */
final class AtTerminal implements AutoCloseable {
    private static final Path SCRIPT = Path.of("/usr/bin/script");
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private final Process script;
    private final StringBuilder seen = new StringBuilder();

    private AtTerminal(Process script) {
        this.script = script;
    }

    /**
     * Runs a line of shell there, to begin with in a terminal of 31 rows and 97 columns. Ctrl-C works in it also where the
     * tests themselves were started to ignore it, as what a shell runs in the background is.
     */
    static AtTerminal run(String line) {
        assumeTrue(Files.isExecutable(SCRIPT), "needs script(1), of bsdutils");
        try {
            AtTerminal terminal = new AtTerminal(new ProcessBuilder(
                            "env",
                            "--default-signal=INT,QUIT",
                            SCRIPT.toString(),
                            "-qefc",
                            "stty rows 31 cols 97; " + line,
                            "/dev/null")
                    .redirectErrorStream(true)
                    .start());
            Thread _ = Thread.ofVirtual().start(terminal::watch);
            return terminal;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void watch() {
        byte[] bytes = new byte[4096];
        try {
            for (int count = script.getInputStream().read(bytes);
                    count >= 0;
                    count = script.getInputStream().read(bytes)) {
                synchronized (seen) {
                    seen.append(new String(bytes, 0, count, StandardCharsets.UTF_8));
                }
            }
        } catch (IOException e) {
            synchronized (seen) {
                seen.append("\n(no more can be read: ").append(e.getMessage()).append(")");
            }
        }
    }

    /** All that has been on the screen. */
    String screen() {
        synchronized (seen) {
            return seen.toString();
        }
    }

    void type(String keys) throws IOException {
        script.getOutputStream().write(keys.getBytes(StandardCharsets.UTF_8));
        script.getOutputStream().flush();
    }

    void awaitOnScreen(String text) {
        try {
            Await.until(text + " is on the screen", LIMIT, () -> screen().contains(text));
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + ", there is:\n" + screen(), e);
        }
    }

    /** Waits for the end of the shell. */
    int awaitEnd() throws InterruptedException {
        if (!script.waitFor(Await.patient(LIMIT).toMillis(), TimeUnit.MILLISECONDS)) {
            throw new AssertionError("it does not end: " + screen());
        }
        return script.exitValue();
    }

    @Override
    public void close() {
        var _ = script.destroyForcibly();
    }
}
