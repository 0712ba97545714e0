package io.portafilter.cli;

import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.portafilter.config.ConfigException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code portafilter}. */
@Command(
        name = "portafilter",
        description = "Makes Kubernetes pods from Java: a container runtime for kubelet, crictl and the curious.",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            ServeCommand.class,
            RunCommand.class,
            ExplainCommand.class,
            AuditCommand.class,
            CheckCommand.class,
            ImportCommand.class,
            PullCommand.class,
            ImagesCommand.class,
            PodsCommand.class,
            PsCommand.class,
            LogsCommand.class,
            ExecCommand.class,
            AttachCommand.class,
            PortForwardCommand.class
        },
        footer = {"", "portafilter COMMAND --help says more about a command."})
public final class Main implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before call()
    private CommandSpec spec;

    /** Runs one command and ends the JVM with its status. */
    public static void main(String[] arguments) {
        // Before the first logger is made.
        System.setProperty("java.util.logging.manager", KeptLoggers.class.getName());
        System.exit(run(arguments));
    }

    /** Runs one command. */
    static int run(String... arguments) {
        CommandLine line = new CommandLine(new Main());
        line.setExecutionExceptionHandler((failure, command, _) -> told(failure, command.getErr()));
        line.setParameterExceptionHandler((failure, _) -> {
            CommandLine command = failure.getCommandLine();
            PrintWriter out = command.getErr();
            out.println("portafilter: " + failure.getMessage());
            out.println("portafilter: see " + command.getCommandSpec().qualifiedName() + " --help");
            return command.getCommand() instanceof RunCommand ? ExitStatus.RUN_FAILED : ExitStatus.USAGE;
        });
        return line.execute(arguments);
    }

    private static int told(Exception failure, PrintWriter err) {
        String sentence = switch (failure) {
            case CommandException known -> String.valueOf(known.getMessage());
            case ManifestException known -> String.valueOf(known.getMessage());
            case ConfigException known -> String.valueOf(known.getMessage());
            case StatusRuntimeException answer -> Connection.sentence(answer.getStatus());
            case StatusException answer -> Connection.sentence(answer.getStatus());
            default -> "";
        };
        if (sentence.isEmpty()) {
            err.println("portafilter: this should not happen, please report it:");
            failure.printStackTrace(err);
        }
        sentence.lines().forEach(line -> err.println("portafilter: " + line));
        err.flush();
        return failure instanceof CommandException known ? known.status() : ExitStatus.FAILED;
    }

    @Override
    public Integer call() {
        throw new ParameterException(spec.commandLine(), "a command is needed");
    }

    /** From the jar's manifest; "development" outside of a jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"portafilter " + number()};
        }

        static String number() {
            String version = Main.class.getPackage().getImplementationVersion();
            return version == null ? "development" : version;
        }
    }
}
