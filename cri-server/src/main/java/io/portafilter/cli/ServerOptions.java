package io.portafilter.cli;

import io.portafilter.config.Config;
import io.portafilter.config.ConfigException;
import io.portafilter.config.ConfigFile;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Which server is meant; the same options for the one that serves and those that ask it. */
final class ServerOptions {
    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init") // picocli sets it before read() can be called
    private CommandSpec spec;

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description =
                    "Configuration; drop-ins are read from conf.d beside it. Default: /etc/portafilter/config.toml.")
    private Optional<Path> config = Optional.empty();

    @Option(
            names = "--listen",
            paramLabel = "unix://PATH",
            description = "Socket of the server. Default: portafilter.sock in the state directory.")
    private Optional<String> listen = Optional.empty();

    @Option(
            names = "--root",
            paramLabel = "DIR",
            description = "Records, images, writable layers. Default: /var/lib/portafilter.")
    private Optional<Path> root = Optional.empty();

    @Option(
            names = "--state",
            paramLabel = "DIR",
            description = "What ends with a reboot: sockets, exit files. Default: /run/portafilter.")
    private Optional<Path> state = Optional.empty();

    /** The files' configuration, with what the command line says before it. */
    Config read() throws ConfigException {
        Config file = ConfigFile.load(config.map(Path::toAbsolutePath).orElse(ConfigFile.DEFAULT));
        Path newRoot = root.map(path -> path.toAbsolutePath().normalize()).orElse(file.root());
        Path newState = state.map(path -> path.toAbsolutePath().normalize()).orElse(file.state());
        Path newListen;
        if (listen.isPresent()) {
            newListen = socket(listen.get());
        } else {
            newListen = state.isPresent() ? newState.resolve("portafilter.sock") : file.listen();
        }
        return file.at(newRoot, newState, newListen);
    }

    /**
     * A connection for a command that asks. Where nobody listens on the socket that the command line names, nothing is
     * served in its place.
     */
    Connection connect() throws CommandException, ConfigException {
        Config wanted = read();
        if (listen.isPresent() && !Connection.listens(wanted.listen())) {
            throw new CommandException(
                    ExitStatus.FAILED,
                    "no server listens on " + wanted.listen() + ": start one with portafilter serve --listen unix://"
                            + wanted.listen());
        }
        return Connection.open(wanted);
    }

    private Path socket(String text) {
        try {
            return ConfigFile.socket(text);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--listen " + text + ": " + e.getMessage(), e);
        }
    }
}
