package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcessRef;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A shell stands for the monitor: it starts a program when it is told to. */
class MonitorTest {
    private Process shell;
    private Monitor monitor;

    @BeforeEach
    void start() throws IOException {
        shell = new ProcessBuilder("sh", "-c", "read _; sleep 1000 & wait").start();
        monitor = Monitor.reopen(ProcessRef.of((int) shell.pid())).orElseThrow();
    }

    @AfterEach
    void end() {
        ProcessTree.kill(monitor.process());
        monitor.close();
    }

    /**
     * The kernel's list of children leaves one out while the one before it is reaped, so a list without a child is no
     * sign of an end.
     */
    @Test
    void looksAgainWhenNeitherAProgramNorItsEndIsSeen()
            throws ExecutionException, IOException, InterruptedException, TimeoutException {
        CompletableFuture<Optional<ProcessRef>> found =
                CompletableFuture.supplyAsync(() -> monitor.program(Optional::empty));
        assertThat(found).isNotDone();
        shell.getOutputStream().write('\n');
        shell.getOutputStream().flush();
        ProcessRef program = found.get(1, TimeUnit.MINUTES).orElseThrow();
        assertThat(ProcFile.read("/proc/" + program.pid() + "/stat")).contains(" " + shell.pid() + " ");
    }

    @Test
    void hasNoProgramWhenTheEndIsWritten() {
        assertThat(monitor.program(() -> Optional.of(new ExitRecord(0, 0)))).isEmpty();
    }

    @Test
    void hasNoProgramWhenItWasKilled() throws InterruptedException {
        shell.destroyForcibly().waitFor();
        assertThat(monitor.program(Optional::empty)).isEmpty();
    }
}
