package io.portafilter.streaming;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Base64;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;

/** What was asked for and whose client has not come yet, by tokens that cannot be guessed and serve once. */
final class StreamTokens {

    /** As long as kubelet's own server gives a client. */
    static final Duration LIFETIME = Duration.ofMinutes(1);

    static final int MOST = 1000;
    private static final int TOKEN_BYTES = 32;

    private record Entry(StreamRequest request, long expiresNanos) {}

    private final SecureRandom random = new SecureRandom();
    private final LongSupplier nanoTime;

    /** In the order in which they expire. */
    @GuardedBy("this")
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    StreamTokens(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
    }

    /** A token for the request; empty when too many wait for their clients. */
    synchronized Optional<String> add(StreamRequest request) {
        long now = nanoTime.getAsLong();
        expire(now);
        if (entries.size() >= MOST) {
            return Optional.empty();
        }
        byte[] secret = new byte[TOKEN_BYTES];
        random.nextBytes(secret);
        String token = Base64.getUrlEncoder().withoutPadding().encodeToString(secret);
        entries.put(token, new Entry(request, now + LIFETIME.toNanos()));
        return Optional.of(token);
    }

    /** What the token stands for, the first time and in time. */
    synchronized Optional<StreamRequest> take(String token) {
        expire(nanoTime.getAsLong());
        return Optional.ofNullable(entries.remove(token)).map(Entry::request);
    }

    @GuardedBy("this")
    private void expire(long now) {
        for (Iterator<Entry> each = entries.values().iterator(); each.hasNext(); ) {
            if (each.next().expiresNanos() - now > 0) {
                return;
            }
            each.remove();
        }
    }
}
