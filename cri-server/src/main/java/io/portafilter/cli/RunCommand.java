package io.portafilter.cli;

import io.portafilter.config.Config;
import io.portafilter.config.ConfigException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "run",
        description = {
            "Runs the pod of a Kubernetes manifest to its end, without a kubelet.",
            "stdout is the containers' stdout alone, their stderr goes to stderr; if there are several, each line begins"
                    + " with [NAME]. Ctrl-C stops the pod in order."
        },
        mixinStandardHelpOptions = true,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            "N:the first that is not 0 of the containers in the manifest's order, init containers first",
            "125:portafilter itself failed",
            "126:a program cannot be executed",
            "127:a program was not found",
            "130:stopped by Ctrl-C"
        })
final class RunCommand implements Callable<Integer> {
    /** What ending a pod takes beside its grace period. */
    private static final long ENDING_SECONDS = 60;

    @Mixin
    private ServerOptions server = new ServerOptions();

    @Option(
            names = "--rm",
            description = "Removes the pod and its logs at the end. Without it: portafilter logs has them.")
    private boolean remove;

    @Option(
            names = {"-i", "--stdin"},
            description = "Sends what is read here to the container. The pod must have one, beside init containers.")
    private boolean stdin;

    @Option(
            names = {"-t", "--tty"},
            description =
                    "Gives that container a terminal, as large as this one. What it writes until this is connected"
                            + " to it is only in portafilter logs.")
    private boolean tty;

    @Parameters(paramLabel = "POD.yaml", description = "A manifest with one Pod, YAML or JSON.")
    private Path manifest = Path.of("");

    @Override
    public Integer call() throws CommandException, IOException, InterruptedException {
        try {
            Pod pod = PodManifest.read(manifest);
            requireOneContainer(pod);
            return run(server.read(), pod);
        } catch (ManifestException | ConfigException e) {
            throw new CommandException(ExitStatus.RUN_FAILED, String.valueOf(e.getMessage()));
        } catch (CommandException e) {
            int status = e.status() == ExitStatus.FAILED ? ExitStatus.RUN_FAILED : e.status();
            throw new CommandException(status, String.valueOf(e.getMessage()));
        }
    }

    private ContainerRun.Person person() {
        return new ContainerRun.Person(stdin, tty);
    }

    /** A person sits at one program, and once. */
    private void requireOneContainer(Pod pod) throws CommandException {
        if (!person().isThere()) {
            return;
        }
        if (pod.containers().size() != 1) {
            throw new CommandException(
                    ExitStatus.RUN_FAILED,
                    "-i and -t want a pod with one container, and this one has "
                            + pod.containers().size() + ": run it without, and portafilter attach to the one you mean");
        }
        if (pod.restartPolicy().orElse(Pod.RestartPolicy.NEVER) != Pod.RestartPolicy.NEVER) {
            throw new CommandException(
                    ExitStatus.RUN_FAILED, "-i and -t want restartPolicy: Never, for the next start has nobody at it");
        }
        if (tty && !OwnTerminal.isThere()) {
            throw new CommandException(ExitStatus.RUN_FAILED, "-t wants a terminal, and stdin is none: leave it out");
        }
    }

    private int run(Config config, Pod pod) throws CommandException, IOException, InterruptedException {
        CountDownLatch ended = new CountDownLatch(1);
        try (Connection connection = Connection.open(config)) {
            PodRun run = new PodRun(connection, config, pod, remove, System.err, ContainerOutput.ofProcess(), person());
            Thread onSignal = Thread.ofPlatform().unstarted(() -> {
                run.stop();
                try {
                    boolean _ = ended.await(pod.gracePeriodSeconds() + ENDING_SECONDS, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                Runtime.getRuntime().halt(ExitStatus.INTERRUPTED);
            });
            Runtime.getRuntime().addShutdownHook(onSignal);
            try {
                return run.run();
            } finally {
                removeHook(onSignal);
            }
        } finally {
            ended.countDown();
        }
    }

    /** Not possible any more when the JVM ends already: then the hook ends it. */
    private static void removeHook(Thread hook) {
        try {
            boolean _ = Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException ending) {
            System.err.println("portafilter: stopped");
        }
    }
}
