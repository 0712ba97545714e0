package io.portafilter.e2e;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.EngineFilter;
import org.junit.platform.launcher.Launcher;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs tests where there is no Maven and appends a line for each to a file: {@code passed: CLASS.METHOD},
 * {@code failed: CLASS.METHOD: WHAT} or {@code skipped: CLASS.METHOD: WHY}. The traces of failures go to standard error.
 * It ends with status 0 when all that was asked for could be run, whether or not it passed.
 */
final class TestRun implements TestExecutionListener {
    private final PrintStream lines;
    private final TestPlan plan;
    private final Set<TestIdentifier> told = new HashSet<>();

    private TestRun(PrintStream lines, TestPlan plan) {
        this.lines = lines;
        this.plan = plan;
    }

    /** {@code FILE tag EXPRESSION}: what is tagged so on the class path; or {@code FILE class NAME...}. */
    public static void main(String[] args) throws IOException {
        var request = LauncherDiscoveryRequestBuilder.request();
        if (args[1].equals("tag")) {
            Set<Path> directories = Arrays.stream(
                            System.getProperty("java.class.path").split(":"))
                    .map(Path::of)
                    .filter(Files::isDirectory)
                    .collect(Collectors.toSet());
            request.selectors(DiscoverySelectors.selectClasspathRoots(directories))
                    // others take their time to find out that none of their tests is tagged
                    .filters(TagFilter.includeTags(args[2]), EngineFilter.includeEngines("junit-jupiter"));
        } else {
            request.selectors(Arrays.stream(args)
                    .skip(2)
                    .map(DiscoverySelectors::selectClass)
                    .toList());
        }
        Launcher launcher = LauncherFactory.create();
        TestPlan plan = launcher.discover(request.build());
        try (PrintStream lines = new PrintStream(new FileOutputStream(args[0], true), true, StandardCharsets.UTF_8)) {
            launcher.execute(plan, new TestRun(lines, plan));
        }
        System.exit(0); // whatever threads a test has left
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        tell("skipped", test, Optional.of(reason));
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        Optional<Throwable> thrown = result.getThrowable();
        Optional<String> message = thrown.map(TestRun::firstLine);
        switch (result.getStatus()) {
            case SUCCESSFUL -> {
                if (test.isTest()) {
                    tell("passed", test, Optional.empty());
                }
            }
            case ABORTED -> tell("skipped", test, message);
            case FAILED -> {
                tell("failed", test, message);
                thrown.ifPresent(Throwable::printStackTrace);
            }
        }
    }

    /** Of a class, what is said counts for those of its tests that had no turn; for itself, if that is none of them. */
    private void tell(String what, TestIdentifier about, Optional<String> more) {
        String rest = more.map(text -> ": " + text).orElse("");
        boolean any = false;
        for (TestIdentifier test : plan.getDescendants(about)) {
            if (test.isTest() && told.add(test)) {
                lines.println(what + ": " + name(test) + rest);
                any = true;
            }
        }
        if (!any && told.add(about)) {
            lines.println(what + ": " + name(about) + rest);
        }
    }

    private static String name(TestIdentifier test) {
        return test.getSource()
                .filter(MethodSource.class::isInstance)
                .map(MethodSource.class::cast)
                .map(method -> method.getClassName().replaceFirst(".*\\.", "") + "." + method.getMethodName())
                .orElse(test.getDisplayName());
    }

    private static String firstLine(Throwable thrown) {
        @Nullable String message = thrown.getMessage();
        return message == null || message.isBlank()
                ? thrown.getClass().getName()
                : message.strip().lines().findFirst().orElseThrow().strip();
    }
}
