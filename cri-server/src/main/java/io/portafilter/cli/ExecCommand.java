package io.portafilter.cli;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.portafilter.config.ConfigException;
import io.portafilter.cri.v1.ExecRequest;
import io.portafilter.cri.v1.ExecSyncRequest;
import io.portafilter.cri.v1.ExecSyncResponse;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "exec",
        description = {
            "Runs a program in a container and ends with its exit status.",
            "With -i or -t it is connected to this terminal; without, its output is printed when it ends."
        },
        mixinStandardHelpOptions = true)
final class ExecCommand implements Callable<Integer> {
    /** As timeout(1) has it. */
    private static final int TIMED_OUT = 124;

    /** What follows the container's name is the program's: {@code exec web ls -l}. */
    @Spec
    void leaveOptionsToTheProgram(CommandSpec spec) {
        spec.parser().stopAtPositional(true);
    }

    @Mixin
    private ServerOptions server = new ServerOptions();

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            description = "Ends the program then; status 124. Default: 0, never.")
    private int timeoutSeconds;

    @Option(
            names = {"-i", "--stdin"},
            description = "Sends what is read here to the program.")
    private boolean stdin;

    @Option(
            names = {"-t", "--tty"},
            description = "Gives the program a terminal, as large as this one.")
    private boolean tty;

    @Parameters(
            index = "0",
            paramLabel = "CONTAINER",
            description = "An id or its beginning, a name, POD/NAME, or a pod with one container.")
    private String container = "";

    @Parameters(index = "1..*", arity = "1..*", paramLabel = "PROGRAM", description = "The program and its arguments.")
    private List<String> program = new ArrayList<>();

    @Override
    public Integer call() throws CommandException, ConfigException, IOException, InterruptedException {
        if (stdin || tty) {
            if (timeoutSeconds != 0) {
                throw new CommandException(ExitStatus.USAGE, "--timeout and -i or -t do not go together");
            }
            return connected();
        }
        try (Connection connection = server.connect()) {
            ExecSyncResponse answer = connection
                    .runtime()
                    .execSync(ExecSyncRequest.newBuilder()
                            .setContainerId(
                                    Lookup.container(connection, container).getId())
                            .addAllCmd(program)
                            .setTimeout(timeoutSeconds)
                            .build());
            try (OutputStream out = new FileOutputStream(FileDescriptor.out);
                    OutputStream err = new FileOutputStream(FileDescriptor.err)) {
                answer.getStdout().writeTo(out);
                answer.getStderr().writeTo(err);
            }
            return answer.getExitCode();
        } catch (StatusRuntimeException e) {
            if (e.getStatus().getCode() == Status.Code.DEADLINE_EXCEEDED) {
                throw new CommandException(TIMED_OUT, Connection.sentence(e.getStatus()));
            }
            throw e;
        }
    }

    private int connected() throws CommandException, ConfigException, IOException, InterruptedException {
        try (Connection connection = server.connect()) {
            String url = connection
                    .runtime()
                    .exec(ExecRequest.newBuilder()
                            .setContainerId(
                                    Lookup.container(connection, container).getId())
                            .addAllCmd(program)
                            .setStdin(stdin)
                            .setStdout(true)
                            .setStderr(!tty)
                            .setTty(tty)
                            .build())
                    .getUrl();
            return RemoteProgram.run(url, stdin, tty);
        }
    }
}
