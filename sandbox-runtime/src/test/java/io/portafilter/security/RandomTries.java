package io.portafilter.security;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.random.RandomGenerator;

/**
 * A thousand tries of something that must hold for all values. Each has its own seed, which a failure names; early tries
 * have small values, so that the first that fails is easy to read.
 */
final class RandomTries {

    private static final int TRIES = 1000;

    private RandomTries() {}

    /**
     * One try.
     *
     * @param random where its values come from
     * @param size the most elements or characters that a value has, growing from 0 to 60
     */
    record Try(RandomGenerator random, int size) {

        <T> T oneOf(List<T> values) {
            return values.get(random.nextInt(values.size()));
        }

        /** Between {@code fewest} and {@code most} elements, fewer in early tries. */
        <T> List<T> list(int fewest, int most, Function<Try, T> element) {
            int count = fewest + random.nextInt(Math.min(most - fewest, size) + 1);
            List<T> list = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                list.add(element.apply(this));
            }
            return list;
        }

        /** Any characters: plain ones, those that mean something in a file of accounts, any code point. */
        String text() {
            StringBuilder text = new StringBuilder();
            for (int left = random.nextInt(size + 1); left > 0; left--) {
                switch (random.nextInt(3)) {
                    case 0 -> text.append((char) random.nextInt(' ', 0x7f));
                    case 1 -> text.append(":\n,0123456789-".charAt(random.nextInt(14)));
                    default -> text.appendCodePoint(random.nextInt(Character.MAX_CODE_POINT + 1));
                }
            }
            return text.toString();
        }

        /** Both ends come up more often than by chance. */
        long between(long lowest, long highest) {
            return switch (random.nextInt(8)) {
                case 0 -> lowest;
                case 1 -> highest;
                default -> random.nextLong(lowest, highest + 1);
            };
        }
    }

    static void each(Consumer<Try> property) {
        for (int seed = 0; seed < TRIES; seed++) {
            try {
                property.accept(new Try(new Random(seed), seed * 60 / TRIES));
            } catch (AssertionError | RuntimeException e) {
                throw new AssertionError("with seed " + seed + ": " + e.getMessage(), e);
            }
        }
    }
}
