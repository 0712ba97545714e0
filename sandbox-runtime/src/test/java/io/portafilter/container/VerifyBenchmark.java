package io.portafilter.container;

import io.portafilter.security.CapabilitySets;
import io.portafilter.security.HostFacts;
import io.portafilter.security.SeccompCompiler;
import io.portafilter.security.SeccompRequest;
import io.portafilter.security.SecurityRequest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/**
 * What it costs to be sure: gate 2's comparison of a waiting process, and the filter of a launch whose profile was
 * compiled before. Prints what {@code e2e/bench} prints.
 *
 * <ul>
 *   <li>{@code verify}, {@code verify-mapped}: {@link ContainerLaunch#check} once for each launch, as StartContainer does
 *   <li>{@code launch-filter}: a launch with RuntimeDefault less the one without before it, pair by pair: the program is
 *       assembled, the filter is copied, attached by the kernel, and applies to the last calls
 *   <li>{@code filter-lookup}, {@code filter-lookup-file}: finding the compiled filter of RuntimeDefault, and of a
 *       profile of 4 KB from a file that was read
 * </ul>
 */
@SuppressWarnings("MustBeClosedChecker") // Running closes the monitor
final class VerifyBenchmark {

    private static final int WARM_UP = 300;
    private static final int CHECKS = 200;
    private static final int PAIRS = 300;
    private static final int LOOKUPS = 2000;

    private final boolean json;

    private VerifyBenchmark(boolean json) {
        this.json = json;
    }

    /** With {@code --json}: an object a line instead of a table for people. */
    public static void main(String[] arguments) throws IOException {
        VerifyBenchmark benchmark = new VerifyBenchmark(arguments.length > 0 && arguments[0].equals("--json"));
        benchmark.verify("verify", false);
        benchmark.verify("verify-mapped", true);
        benchmark.filter();
        benchmark.lookups();
    }

    private void verify(String name, boolean mapped) throws IOException {
        List<Double> millis = new ArrayList<>();
        try (LiveSandbox sandbox = LiveSandbox.make()) {
            sandbox.pod(mapped);
            for (int i = 0; i < WARM_UP + CHECKS; i++) {
                ContainerRequest request = sandbox.request(PidMode.CONTAINER, sandbox.securityRequest(), "true");
                try (ContainerLaunch launch = ContainerLaunch.prepare(sandbox.host, request, sandbox.pod())) {
                    long begin = System.nanoTime();
                    launch.check();
                    if (i >= WARM_UP) {
                        millis.add((System.nanoTime() - begin) / 1e6);
                    }
                }
            }
        }
        print(name, millis);
    }

    private void filter() throws IOException {
        List<Double> millis = new ArrayList<>();
        try (LiveSandbox sandbox = LiveSandbox.make()) {
            sandbox.pod(false);
            SecurityRequest filtered = sandbox.securityRequest();
            SecurityRequest without = LiveSandbox.filteredBy(filtered, new SeccompRequest.Unconfined(), false);
            for (int i = 0; i < WARM_UP + PAIRS; i++) {
                // in turn: who comes second would else always find what the first has warmed
                boolean filteredFirst = i % 2 == 0;
                double first = launch(sandbox, filteredFirst ? filtered : without);
                double second = launch(sandbox, filteredFirst ? without : filtered);
                if (i >= WARM_UP) {
                    millis.add(filteredFirst ? first - second : second - first);
                }
            }
        }
        print("launch-filter", millis);
    }

    /** From the plan to the known {@code execve(2)}. */
    private static double launch(LiveSandbox sandbox, SecurityRequest security) throws IOException {
        ContainerRequest request = sandbox.request(PidMode.CONTAINER, security, "true");
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

    private void lookups() throws IOException {
        try (LiveSandbox sandbox = LiveSandbox.make()) {
            HostFacts host = sandbox.host.facts().host();
            List<Double> ofDefault = new ArrayList<>();
            List<Double> ofFile = new ArrayList<>();
            SeccompRequest.Localhost file = new SeccompRequest.Localhost(
                    "/profile.json",
                    "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"chmod\"],"
                            + "\"action\":\"SCMP_ACT_ERRNO\",\"comment\":\"" + "x".repeat(4000) + "\"}]}");
            for (int i = 0; i < 2 * LOOKUPS; i++) {
                long begin = System.nanoTime();
                var _ = SeccompCompiler.runtimeDefault(CapabilitySets.DEFAULT, host);
                long between = System.nanoTime();
                var _ = SeccompCompiler.localhost(file, CapabilitySets.DEFAULT, host);
                long end = System.nanoTime();
                if (i >= LOOKUPS) {
                    ofDefault.add((between - begin) / 1e6);
                    ofFile.add((end - between) / 1e6);
                }
            }
            print("filter-lookup", ofDefault);
            print("filter-lookup-file", ofFile);
        }
    }

    private void print(String name, List<Double> values) {
        List<Double> sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        System.out.printf(
                Locale.ROOT,
                json
                        ? "{\"name\":\"%s\",\"unit\":\"ms\",\"n\":%d,\"p50\":%.4f,\"p90\":%.4f}%n"
                        : "%-28s ms   %5d %9.3f %9.3f -                -       -%n",
                name,
                sorted.size(),
                quantile(sorted, 0.5),
                quantile(sorted, 0.9));
    }

    private static double quantile(List<Double> sorted, double share) {
        return sorted.get(Math.max(0, (int) Math.ceil(share * sorted.size()) - 1));
    }
}
