package io.portafilter.container;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/**
 * The launch program alone: from the call that assembles and starts it to the known {@code execve(2)}, joins of all
 * cgroups included; what the server makes beforehand (root, /dev, pipes) and gate 2's comparison are not. Beside it
 * {@code unshare -mpiu --fork true}, in alternating blocks. Prints what {@code e2e/bench} prints.
 */
@SuppressWarnings("MustBeClosedChecker") // Running closes the monitor
final class LaunchBenchmark {

    private static final int WARM_UP = 150;
    private static final int BLOCKS = 10;
    private static final int PER_BLOCK = 20;

    private LaunchBenchmark() {}

    /** With {@code --json}: an object instead of a line for people. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        List<Double> ours = new ArrayList<>();
        List<Double> peer = new ArrayList<>();
        try (LiveSandbox sandbox = LiveSandbox.make()) {
            sandbox.pod(false);
            for (int i = 0; i < WARM_UP; i++) {
                double _ = launch(sandbox);
            }
            for (int block = 0; block < BLOCKS; block++) {
                for (int i = 0; i < PER_BLOCK; i++) {
                    ours.add(launch(sandbox));
                }
                for (int i = 0; i < PER_BLOCK; i++) {
                    peer.add(unshare());
                }
            }
        }
        double p50 = quantile(ours, 0.5);
        double peerP50 = quantile(peer, 0.5);
        boolean json = arguments.length > 0 && arguments[0].equals("--json");
        System.out.printf(
                Locale.ROOT,
                json
                        ? "{\"name\":\"launch\",\"unit\":\"ms\",\"n\":%d,\"p50\":%.3f,\"p90\":%.3f,\"peer\":\"unshare\","
                                + "\"peer_p50\":%.3f,\"ratio\":%.2f}%n"
                        : "launch                       ms   %5d %9.2f %9.2f unshare  %9.2f %7.1f%n",
                ours.size(),
                p50,
                quantile(ours, 0.9),
                peerP50,
                peerP50 / p50);
    }

    @SuppressWarnings("MustBeClosedChecker") // Running owns the monitor
    private static double launch(LiveSandbox sandbox) throws IOException {
        ContainerRequest request = sandbox.request(PidMode.CONTAINER, sandbox.securityRequest(), "true");
        try (ContainerLaunch.Groundwork groundwork =
                ContainerLaunch.layGroundwork(sandbox.host, request, new ContainerLaunch.Neighbours(sandbox.pod()))) {
            long begin = System.nanoTime();
            try (ContainerLaunch launch = ContainerLaunch.start(sandbox.host, request, groundwork)) {
                LaunchedContainer launched = launch.execute();
                double millis = (System.nanoTime() - begin) / 1e6;
                new Running(sandbox.host, launch.plan(), request, launched, launch.release()).remove();
                return millis;
            }
        }
    }

    private static double unshare() throws IOException, InterruptedException {
        long begin = System.nanoTime();
        int status = new ProcessBuilder("unshare", "-mpiu", "--fork", "true")
                .inheritIO()
                .start()
                .waitFor();
        if (status != 0) {
            throw new IllegalStateException("unshare ended with " + status);
        }
        return (System.nanoTime() - begin) / 1e6;
    }

    private static double quantile(List<Double> values, double share) {
        List<Double> sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        return sorted.get(Math.max(0, (int) Math.ceil(share * sorted.size()) - 1));
    }
}
