package io.portafilter.cli;

import io.portafilter.config.Config;
import io.portafilter.config.ConfigException;
import io.portafilter.container.KernelProbes;
import io.portafilter.container.Probe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "check",
        description = {
            "Tries what Portafilter needs of this kernel and this node, and says what is lost where something is missing.",
            "Everything is tried for real, in processes and with files and mounts that are gone afterwards. No server is"
                    + " needed. Without root, what needs root is told as untried.",
            "Exit status: 0 when all that pods cannot be without works, else 1."
        },
        mixinStandardHelpOptions = true)
final class CheckCommand implements Callable<Integer> {
    @Mixin
    private ServerOptions server = new ServerOptions();

    @Option(names = "--json", description = "An array of objects in place of a table.")
    private boolean json;

    @Override
    public Integer call() throws CommandException, ConfigException {
        Config config = server.read();
        Path root = existing(config.root());
        Path state = existing(config.state());
        List<Probe> probes = Stream.concat(
                        KernelProbes.all(root, state, config.usernsRange().first()).stream(),
                        new NodeProbes(config, HostFile.ofThisHost(), root, state).all().stream())
                .toList();
        CheckReport report = new CheckReport(probes.stream().map(Probe::run).toList());
        System.out.print(json ? report.json() : report.text());
        System.out.flush();
        return report.isReady() ? 0 : ExitStatus.FAILED;
    }

    /** The directory, or its nearest ancestor that exists: a check makes none. */
    private static Path existing(Path directory) {
        Path found = directory;
        while (!Files.isDirectory(found)) {
            Path parent = found.getParent();
            if (parent == null) {
                return found;
            }
            found = parent;
        }
        return found;
    }
}
