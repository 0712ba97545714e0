package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.launch.LaunchException;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Operand;
import io.portafilter.launch.Operation;
import io.portafilter.linux.SystemCall;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Each operation of each kind of program fails once. The launch then names that operation, or it is one of those whose
 * failure may be passed over; nothing stays in either case.
 */
class EveryStepFailsTest {

    private LiveSandbox sandbox;

    @BeforeEach
    void begin() throws IOException {
        sandbox = LiveSandbox.open();
    }

    @AfterEach
    void end() {
        sandbox.close();
    }

    /** The program with one operation replaced by a call that is always an error, and never a tolerated one. */
    private static LaunchProgram failingAt(LaunchProgram program, int index) {
        List<Operation> operations = new ArrayList<>(program.operations());
        Operation old = operations.get(index);
        operations.set(
                index,
                new Operation(
                        SystemCall.PRCTL, // EINVAL
                        List.of(new Operand.Literal(-1)),
                        old.purpose(),
                        old.tolerated(),
                        old.next(),
                        old.onZero(),
                        old.onError()));
        return new LaunchProgram(program.name(), operations, program.first(), program.labels());
    }

    /**
     * Operations whose failure does not stop a launch: those of a way that is not taken, and the monitor's last ones,
     * whose failure ends the container, not its start.
     */
    private static boolean mayBePassedOver(LaunchProgram program, int index) {
        Operation operation = program.operations().get(index);
        return switch (operation.purpose()) {
            case "tell of a failure", "end" -> true;
            case "wait for the end", "take the namespaces to keep" -> true;
            case "wait for the end, or for the order to close the input" -> true;
            case "stay, if told so, until the server has read the log" -> true;
            // a path that is not there, or a file where a directory is tried next
            default ->
                operation.purpose().startsWith("mask ")
                        || operation.call() == SystemCall.EXIT_GROUP
                        // the pid of a process that others see is not believed anyway
                        || (operation.call() == SystemCall.WRITE
                                && operation.purpose().equals("start the program's process"))
                        || operation.purpose().startsWith("execute ") && operation.call() == SystemCall.WRITE
                        || operation.purpose().equals("close everything and pause")
                                && operation.call() == SystemCall.PPOLL;
        };
    }

    /** Runs {@code launch} with each operation from a first one on failing, and looks at what it says and leaves. */
    private void failEach(int first, int stride, Function<Host, Optional<LaunchException>> launch) {
        failEach(first, stride, _ -> true, launch);
    }

    private void failEach(
            int first, int stride, Predicate<Operation> chosen, Function<Host, Optional<LaunchException>> launch) {
        AtomicReference<LaunchProgram> seen = new AtomicReference<>();
        Host recording = sandbox.host.changing(program -> {
            seen.set(program);
            return program;
        });
        assertThat(launch.apply(recording)).as("the unchanged program").isEmpty();
        LaunchProgram program = seen.get();
        Residue before = Residue.now(sandbox.group());
        List<String> wrong = new ArrayList<>();
        for (int i = first; i < program.operations().size(); i += stride) {
            int index = i;
            Operation operation = program.operations().get(i);
            if (!chosen.test(operation)) {
                continue;
            }
            String step = "operation " + i + " (" + operation.purpose() + ": "
                    + operation.call().callName() + ")";
            Optional<LaunchException> failure = launch.apply(sandbox.host.changing(whole -> failingAt(whole, index)));
            String position = ", operation " + i + " of " + program.operations().size();
            boolean named = failure.map(Throwable::toString).orElse("").contains(position);
            if (!named && !mayBePassedOver(program, i)) {
                wrong.add(step + " fails, and the launch says: "
                        + failure.map(Throwable::toString).orElse("nothing"));
            }
            before.assertNothingMore(sandbox.group(), step);
        }
        assertThat(wrong).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void ofAContainer(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        // Half of them: the shapes share most operations, and the other half is the turn of another shape.
        failEach(shape.mapped ? 1 : 0, 2, host -> {
            try {
                sandbox.containerOn(host, shape.pids, "sleep", "1000").remove();
                return Optional.empty();
            } catch (LaunchException e) {
                return Optional.of(e);
            }
        });
    }

    /** What programs with other streams than two pipes do besides. */
    private static boolean isOfStreams(Operation operation) {
        return switch (operation.purpose()) {
            case "open the program's terminal",
                    "hand over the terminals",
                    "mount on /dev/console",
                    "set stdout and stderr",
                    "set stdin, stdout and stderr",
                    "begin a session",
                    "wait for the end, or for the order to close the input" -> true;
            default -> false;
        };
    }

    @ParameterizedTest
    @EnumSource
    void ofAContainerWithATerminal(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        failEach(0, 1, EveryStepFailsTest::isOfStreams, host -> ended(host, LiveSandbox.TERMINAL, shape));
    }

    @ParameterizedTest
    @EnumSource
    void ofAContainerWithInputForOne(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        failEach(0, 1, EveryStepFailsTest::isOfStreams, host -> ended(host, LiveSandbox.INPUT_ONCE, shape));
    }

    private Optional<LaunchException> ended(Host host, StandardStreams streams, ContainerLaunchTest.Shape shape) {
        try {
            sandbox.containerOn(host, streams, shape.pids, "sleep", "1000").remove();
            return Optional.empty();
        } catch (LaunchException e) {
            return Optional.of(e);
        }
    }

    @ParameterizedTest
    @EnumSource
    void ofAnExecWithATerminal(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Running container = sandbox.container(shape.pids, "sleep", "1000");
        failEach(0, 1, EveryStepFailsTest::isOfStreams, host -> {
            try (ExecLaunch exec = container.startExec(host, true, "sleep", "1000")) {
                assertThat(exec.monitor().process().pid()).isPositive();
                return Optional.empty();
            } catch (LaunchException e) {
                return Optional.of(e);
            }
        });
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void ofAPod(boolean mapped) {
        failEach(0, 1, host -> {
            try (Monitor monitor = sandbox.otherPod(host, mapped)) {
                monitor.kill();
                assertThat(monitor.awaitEnd(LiveSandbox.LIMIT)).isTrue();
                return Optional.empty();
            } catch (LaunchException e) {
                return Optional.of(e);
            } finally {
                sandbox.removeOtherPod();
            }
        });
    }

    @ParameterizedTest
    @EnumSource
    void ofAnExec(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Running container = sandbox.container(shape.pids, "sleep", "1000");
        failEach(0, 1, host -> {
            try (ExecLaunch exec = container.startExec(host, "sleep", "1000")) {
                assertThat(exec.monitor().process().pid()).isPositive();
                return Optional.empty();
            } catch (LaunchException e) {
                return Optional.of(e);
            }
        });
    }
}
