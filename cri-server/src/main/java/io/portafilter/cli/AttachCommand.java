package io.portafilter.cli;

import io.portafilter.config.ConfigException;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "attach",
        description = {
            "Connects this terminal to the first program of a container that runs, and ends with its exit status.",
            "Output is shown from now on; portafilter logs has what was before. Input goes there if the container takes"
                    + " any (stdin: true). Of a container with a terminal (tty: true) Ctrl-P Ctrl-Q leaves it running,"
                    + " of others Ctrl-C does."
        },
        mixinStandardHelpOptions = true)
final class AttachCommand implements Callable<Integer> {
    @Mixin
    private ServerOptions server = new ServerOptions();

    @Option(names = "--no-stdin", description = "Only looks: nothing that is read here goes there.")
    private boolean noStdin;

    @Parameters(
            index = "0",
            paramLabel = "CONTAINER",
            description = "An id or its beginning, a name, POD/NAME, or a pod with one container.")
    private String container = "";

    @Override
    public Integer call() throws CommandException, ConfigException, IOException, InterruptedException {
        try (Connection connection = server.connect()) {
            return AttachedContainer.of(
                            connection, Lookup.container(connection, container).getId())
                    .run(!noStdin, true);
        }
    }
}
