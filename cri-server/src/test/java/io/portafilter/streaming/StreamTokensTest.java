package io.portafilter.streaming;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class StreamTokensTest {
    private static final StreamRequest REQUEST =
            new StreamRequest.Forward("pod=a/b", List.of(80), () -> new StreamRequest.Sockets(List.of()));

    // near where it overflows
    private final AtomicLong nanoTime = new AtomicLong(Long.MAX_VALUE - 5);
    private final StreamTokens tokens = new StreamTokens(nanoTime::get);

    private void pass(long seconds) {
        nanoTime.addAndGet(seconds * 1_000_000_000L);
    }

    @Test
    void eachIsLongUnlikeTheOthersAndServesOnce() {
        Set<String> all = new HashSet<>();
        for (int i = 0; i < 100; i++) {
            String token = tokens.add(REQUEST).orElseThrow();
            // 256 bits in base64
            assertThat(token).matches("[A-Za-z0-9_-]{43}");
            all.add(token);
        }
        assertThat(all).hasSize(100).allSatisfy(token -> {
            assertThat(tokens.take(token)).contains(REQUEST);
            assertThat(tokens.take(token)).isEmpty();
        });
    }

    @Test
    void noneServesAfterAMinute() {
        String token = tokens.add(REQUEST).orElseThrow();
        pass(59);
        String later = tokens.add(REQUEST).orElseThrow();
        pass(1);
        assertThat(tokens.take(token)).isEmpty();
        assertThat(tokens.take(later)).contains(REQUEST);
    }

    @Test
    void thereAreNoMoreThanAThousandAtATime() {
        for (int i = 0; i < 1000; i++) {
            assertThat(tokens.add(REQUEST)).isPresent();
        }
        assertThat(tokens.add(REQUEST)).isEmpty();
        pass(61);
        assertThat(tokens.add(REQUEST)).isPresent();
    }
}
