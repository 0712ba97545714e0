package io.portafilter.cli;

import io.grpc.StatusRuntimeException;
import io.portafilter.config.ConfigException;
import io.portafilter.container.LaunchFacts;
import io.portafilter.cri.CriException;
import io.portafilter.cri.Explaining;
import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.cri.v1.ContainerStatusResponse;
import io.portafilter.rootfs.MountRefusal;
import io.portafilter.security.SecurityRefusal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "explain",
        description = {
            "Prints what a pod or container is to the kernel: its plan, of each line the field or the default that is"
                    + " the cause, warnings where it does not do what it seems to, and its launch programs; of a manifest"
                    + " also what the Pod Security Standards say.",
            "A manifest needs neither root nor server nor image; what is not known then is said."
        },
        mixinStandardHelpOptions = true)
final class ExplainCommand implements Callable<Integer> {
    @Mixin
    private ServerOptions server = new ServerOptions();

    @Option(
            names = "--host",
            paramLabel = "FILE",
            description = "The host's facts, in the form in which they are printed, instead of this host's.")
    private Optional<Path> host = Optional.empty();

    @Option(names = "--plan", description = "The plan alone, without the launch programs.")
    private boolean planOnly;

    @Option(names = "--json", description = "All of it as JSON.")
    private boolean json;

    @Option(
            names = "--elf",
            paramLabel = "DIR",
            description = "Writes the launch programs there as ELF files, for gdb and objdump; none is overwritten.")
    private Optional<Path> elf = Optional.empty();

    @Parameters(
            paramLabel = "POD.yaml|CONTAINER",
            description = "A manifest, or a container of the server: id, its beginning, or name.")
    private String subject = "";

    @Override
    public Integer call() throws CommandException, ConfigException, IOException, ManifestException {
        boolean isFile = subject.contains("/") || subject.endsWith(".yaml") || subject.endsWith(".json");
        System.out.print(isFile || Files.exists(Path.of(subject)) ? manifest() : container());
        System.out.flush();
        return 0;
    }

    private String manifest() throws CommandException, ConfigException, IOException, ManifestException {
        LaunchFacts facts = host.isPresent() ? HostFile.read(host.get()) : HostFile.ofThisHost();
        Explanation explained;
        try {
            explained = Explanation.of(subject, PodManifest.text(Path.of(subject)), server.read(), facts);
        } catch (CriException | SecurityRefusal | MountRefusal e) {
            throw new CommandException(ExitStatus.FAILED, "this pod would be refused: " + e.getMessage());
        }
        if (elf.isPresent()) {
            ProgramFiles.write(elf.get(), explained);
        }
        if (json) {
            return ExplanationJson.of(explained, planOnly);
        }
        return ExplanationText.plan(explained) + (planOnly ? "" : ExplanationText.programs(explained));
    }

    private String container() throws CommandException, ConfigException {
        if (elf.isPresent()) {
            throw new CommandException(
                    ExitStatus.FAILED, "--elf writes the programs of a manifest; of a container its text is printed");
        }
        try (Connection connection = server.connect()) {
            String id = Lookup.container(connection, subject).getId();
            ContainerStatusResponse status = connection
                    .runtime()
                    .withInterceptors(Explaining.asking())
                    .containerStatus(ContainerStatusRequest.newBuilder()
                            .setContainerId(id)
                            .setVerbose(true)
                            .build());
            InfoText found = InfoText.of(id, status);
            return json ? found.json(planOnly) : found.text(planOnly);
        } catch (StatusRuntimeException e) {
            throw new CommandException(ExitStatus.FAILED, Connection.sentence(e.getStatus()));
        }
    }
}
