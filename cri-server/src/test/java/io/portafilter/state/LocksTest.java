package io.portafilter.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocksTest {
    @TempDir
    Path directory = Path.of("");

    /** Not atomic: lost updates show when two threads are inside at once. */
    private static int counter;

    @Test
    void oneThreadAtATimeHoldsAPod() {
        PodLock locks = new PodLock();
        counter = 0;
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 500; i++) {
                Future<?> _ = threads.submit(() -> {
                    try (PodLock.Held _ = locks.hold("p")) {
                        int seen = counter;
                        LockSupport.parkNanos(1000);
                        counter = seen + 1;
                    }
                });
            }
        }
        assertThat(counter).isEqualTo(500);
    }

    @Test
    void podsDoNotWaitForOneAnother() throws InterruptedException {
        PodLock locks = new PodLock();
        CountDownLatch inside = new CountDownLatch(1);
        try (PodLock.Held _ = locks.hold("a")) {
            Thread _ = Thread.ofVirtual().start(() -> {
                try (PodLock.Held _ = locks.hold("b")) {
                    inside.countDown();
                }
            });
            assertThat(inside.await(10, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void aProofIsForItsOwnContainerAndForAsLongAsItIsHeld() {
        ContainerLock locks = new ContainerLock();
        ContainerLock.Held gone;
        try (ContainerLock.Held held = locks.hold("c")) {
            held.require("c");
            assertThatThrownBy(() -> held.require("other")).isInstanceOf(IllegalStateException.class);
            gone = held;
        }
        assertThatThrownBy(() -> gone.require("c")).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aLockThatNobodyHoldsTakesNoMemory() {
        KeyedLocks locks = new KeyedLocks();
        for (int i = 0; i < 100; i++) {
            locks.lock("id" + i);
            locks.unlock("id" + i);
        }
        assertThat(locks.size()).isZero();
    }

    @Test
    void aSecondServerOnTheSameRootIsRefusedWithTheFirstOnesPid() {
        Path root = directory.resolve("root");
        try (ServerLock _ = ServerLock.take(root, directory.resolve("s1"), directory.resolve("s1/a.sock"))) {
            assertThatThrownBy(() -> ServerLock.take(root, directory.resolve("s2"), directory.resolve("s2/a.sock")))
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining("pid " + ProcessHandle.current().pid())
                    .hasMessageContaining(root.toString());
        }
        // What the refused one had taken before, and what the first one had, is free again.
        try (ServerLock again = ServerLock.take(root, directory.resolve("s2"), directory.resolve("s2/a.sock"))) {
            assertThat(again).isNotNull();
        }
    }

    @Test
    void aSecondServerOnTheSameSocketIsRefused() {
        Path socket = directory.resolve("a.sock");
        try (ServerLock _ = ServerLock.take(directory.resolve("r1"), directory.resolve("s1"), socket)) {
            assertThatThrownBy(() -> ServerLock.take(directory.resolve("r2"), directory.resolve("s2"), socket))
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining("a.sock");
        }
    }

    @Test
    void anotherProcessHoldsTheRootUntilItDies() throws IOException, InterruptedException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        Process first = new ProcessBuilder(
                        java,
                        "-cp",
                        System.getProperty("java.class.path"),
                        Holder.class.getName(),
                        directory.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try {
            assertThat(first.getInputStream().read()).isEqualTo('h');
            assertThatThrownBy(() -> ServerLock.take(directory, directory, directory.resolve("a.sock")))
                    .isInstanceOf(StateException.class)
                    .hasMessageContaining("pid " + first.pid());
        } finally {
            first.destroyForcibly();
        }
        assertThat(first.waitFor(30, TimeUnit.SECONDS)).isTrue();
        try (ServerLock again = ServerLock.take(directory, directory, directory.resolve("a.sock"))) {
            assertThat(again).isNotNull();
        }
    }

    /** Holds the locks until it is killed. */
    static final class Holder {
        public static void main(String[] arguments) throws InterruptedException {
            Path directory = Path.of(arguments[0]);
            try (ServerLock _ = ServerLock.take(directory, directory, directory.resolve("a.sock"))) {
                System.out.print('h');
                System.out.flush();
                new CountDownLatch(1).await();
            }
        }
    }
}
