package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.ProcessRef;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ProcessTreeTest {

    /** A process whose children were started by another thread than its first one; the test runs it. */
    static final class Starter {
        private Starter() {}

        public static void main(String[] arguments) throws InterruptedException {
            Thread thread = Thread.ofPlatform().start(() -> {
                try {
                    System.out.println(
                            new ProcessBuilder("sleep", "1000").start().pid());
                    Thread.sleep(1_000_000);
                } catch (IOException | InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
            thread.join();
        }
    }

    @Test
    void killsWhatAnotherThreadStarted() throws IOException, InterruptedException, URISyntaxException {
        Process starter = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin/java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        Path.of(Starter.class
                                        .getProtectionDomain()
                                        .getCodeSource()
                                        .getLocation()
                                        .toURI())
                                .toString(),
                        Starter.class.getName())
                .start();
        List<ProcessRef> family = new ArrayList<>();
        try (BufferedReader output = starter.inputReader(StandardCharsets.UTF_8)) {
            family.add(ProcessRef.of(Integer.parseInt(output.readLine())));
            ProcessTree.kill(ProcessRef.of((int) starter.pid()));
            assertThat(starter.waitFor()).isEqualTo(137);
            long deadline = System.nanoTime() + LiveSandbox.LIMIT.toNanos();
            while (family.getFirst().isAlive() && System.nanoTime() < deadline) {
                Thread.onSpinWait();
            }
            assertThat(family.getFirst().isAlive()).as("the child lives").isFalse();
        } finally {
            starter.destroyForcibly();
            family.forEach(ProcessTree::kill);
        }
    }
}
