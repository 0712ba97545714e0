package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.RLIMIT_NOFILE;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.Kernel;
import io.portafilter.linux.ResourceLimit;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A server that runs out of descriptors in the middle of a launch, at each point where it opens one. */
class OutOfDescriptorsTest {

    private LiveSandbox sandbox;

    @BeforeEach
    void begin() throws IOException {
        sandbox = LiveSandbox.open();
    }

    @AfterEach
    void end() {
        sandbox.close();
    }

    private interface Launch {
        void run() throws IOException;
    }

    /** Fails under ever higher limits, until one is high enough. */
    private void failAtEachDescriptor(Launch launch) throws IOException {
        launch.run(); // loads the classes, which takes descriptors too
        Residue before = Residue.now(sandbox.group());
        ResourceLimit usual = Kernel.getResourceLimit(0, RLIMIT_NOFILE);
        int failures = 0;
        for (int limit = 24; limit < 200; limit++) {
            Kernel.setResourceLimit(0, RLIMIT_NOFILE, new ResourceLimit(limit, usual.hard()));
            try {
                launch.run();
                before.assertNothingMore(sandbox.group(), "a launch with " + limit + " descriptors");
                assertThat(failures).as("launches that failed").isPositive();
                return;
            } catch (RuntimeException e) {
                failures++;
            } finally {
                Kernel.setResourceLimit(0, RLIMIT_NOFILE, usual);
            }
            before.assertNothingMore(sandbox.group(), "a launch with " + limit + " descriptors");
        }
        throw new AssertionError("no launch succeeds");
    }

    @ParameterizedTest
    @EnumSource(names = {"HOST_USERS_OWN_PIDS", "MAPPED_USERS_SHARED_PIDS"})
    void leavesNothingOfAContainer(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        failAtEachDescriptor(() ->
                sandbox.containerOn(sandbox.host, shape.pids, "sleep", "1000").remove());
    }

    @ParameterizedTest
    @EnumSource(names = {"HOST_USERS_OWN_PIDS", "MAPPED_USERS_SHARED_PIDS"})
    void leavesNothingOfAContainerWithATerminal(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        failAtEachDescriptor(() -> sandbox.containerOn(sandbox.host, LiveSandbox.TERMINAL, shape.pids, "sleep", "1000")
                .remove());
    }

    @ParameterizedTest
    @EnumSource(names = {"HOST_USERS_OWN_PIDS", "MAPPED_USERS_SHARED_PIDS"})
    void leavesNothingOfAContainerWithInputForOne(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        failAtEachDescriptor(
                () -> sandbox.containerOn(sandbox.host, LiveSandbox.INPUT_ONCE, shape.pids, "sleep", "1000")
                        .remove());
    }

    @ParameterizedTest
    @EnumSource(names = {"HOST_USERS_OWN_PIDS", "MAPPED_USERS_SHARED_PIDS"})
    void leavesNothingOfAnExecWithATerminal(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Running container = sandbox.container(shape.pids, "sleep", "1000");
        failAtEachDescriptor(() -> {
            try (ExecLaunch exec = container.startExec(true, "sleep", "1000")) {
                assertThat(exec.monitor().process().isAlive()).isTrue();
            }
        });
    }

    @ParameterizedTest
    @EnumSource(names = {"HOST_USERS_OWN_PIDS", "MAPPED_USERS_SHARED_PIDS"})
    void leavesNothingOfAnExec(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Running container = sandbox.container(shape.pids, "sleep", "1000");
        failAtEachDescriptor(() -> {
            try (ExecLaunch exec = container.startExec(sandbox.host, "sleep", "1000")) {
                assertThat(exec.monitor().process().isAlive()).isTrue();
            }
        });
    }
}
