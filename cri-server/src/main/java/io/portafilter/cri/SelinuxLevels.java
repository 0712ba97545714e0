package io.portafilter.cri;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.grpc.Status;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntUnaryOperator;

/**
 * The SELinux levels of pods: each that asks for none gets two of the 1024 categories that no other pod has together, so
 * that its files are nobody else's (multi-category security).
 */
final class SelinuxLevels {
    private static final int CATEGORIES = 1024;
    private static final int PAIRS = CATEGORIES * (CATEGORIES - 1) / 2;

    private final IntUnaryOperator random;

    /** How many pods have each level: a pod may ask for one that another has. */
    @GuardedBy("this")
    private final Map<String, Integer> holders = new HashMap<>();

    SelinuxLevels() {
        this(new SecureRandom()::nextInt);
    }

    /** Draws numbers below the operand with this. */
    SelinuxLevels(IntUnaryOperator random) {
        this.random = random;
    }

    /** A level that no pod has; it is held until {@link #free}. */
    synchronized String take() {
        int start = random.applyAsInt(PAIRS);
        for (int i = 0; i < PAIRS; i++) {
            String level = level((start + i) % PAIRS);
            if (!holders.containsKey(level)) {
                holders.put(level, 1);
                return level;
            }
        }
        throw new CriException(
                Status.Code.RESOURCE_EXHAUSTED,
                "RunPodSandbox",
                "all " + PAIRS + " pairs of SELinux categories are in use",
                "remove pods, or give a level");
    }

    /** The pairs in order: 0,1; then 0,2 and 1,2; and so on. */
    private static String level(int pair) {
        int higher = (int) ((1 + Math.sqrt(1 + 8.0 * pair)) / 2);
        int lower = pair - higher * (higher - 1) / 2;
        return "s0:c" + lower + ",c" + higher;
    }

    /** One more pod has this level. */
    synchronized void hold(String level) {
        holders.merge(level, 1, Integer::sum);
    }

    /** One pod less has this level. */
    synchronized void free(String level) {
        holders.computeIfPresent(level, (_, count) -> count > 1 ? count - 1 : null);
    }
}
