package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class CallThreadsTest {

    private static final long PATIENCE_SECONDS = 30;

    private final EventExecutor loop = new DefaultEventExecutor();
    private final ConcurrentLinkedQueue<String> happened = new ConcurrentLinkedQueue<>();
    private final CallThreads threads = new CallThreads(loop, work -> {
        happened.add("thread");
        work.run();
    });

    @AfterEach
    void endTheLoop() {
        var _ = loop.shutdownGracefully(0, 1, TimeUnit.SECONDS)
                .awaitUninterruptibly(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    private static void await(CountDownLatch latch) throws InterruptedException {
        assertThat(latch.await(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void aThreadIsAskedForWhenTheLoopIsThroughWithWhatItRead() throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        loop.execute(() -> {
            threads.execute(done::countDown);
            happened.add("read the rest");
        });
        await(done);
        assertThat(happened).containsExactly("read the rest", "thread");
    }

    @Test
    void workFromElsewhereDoesNotWaitForTheLoop() throws InterruptedException {
        CountDownLatch busy = new CountDownLatch(1);
        CountDownLatch free = new CountDownLatch(1);
        loop.execute(() -> {
            busy.countDown();
            try {
                await(free);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        await(busy);
        threads.execute(() -> happened.add("done"));
        assertThat(happened).containsExactly("thread", "done");
        free.countDown();
    }

    @Test
    void aLoopThatIsEndingDoesNotKeepWorkBack() throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        loop.execute(() -> {
            var _ = loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
            threads.execute(done::countDown);
            happened.add("read the rest");
        });
        await(done);
        assertThat(happened.peek()).isEqualTo("thread");
    }
}
