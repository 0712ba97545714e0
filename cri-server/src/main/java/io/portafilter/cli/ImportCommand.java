package io.portafilter.cli;

import io.grpc.CallOptions;
import io.grpc.stub.ClientCalls;
import io.portafilter.config.Config;
import io.portafilter.cri.ImportRpc;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.ListImagesResponse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "import",
        description = {
            "Brings images without a registry, and prints what it named.",
            "An image without a name is named localhost/FILE:latest, one with only a tag localhost/DIRECTORY:TAG."
        },
        mixinStandardHelpOptions = true)
final class ImportCommand implements Callable<Integer> {
    @Mixin
    private ServerOptions server = new ServerOptions();

    @Option(names = "--name", paramLabel = "REF", description = "Names the image, whatever it says of itself.")
    private Optional<String> name = Optional.empty();

    @Parameters(
            paramLabel = "IMAGE.tar|DIR|-",
            description = "An archive of docker save or of an OCI layout, such a layout's directory, or - for stdin.")
    private String source = "";

    @Override
    public Integer call() throws Exception {
        Config config = server.read();
        boolean stdin = source.equals("-");
        Path path = stdin ? Path.of("") : Path.of(source).toAbsolutePath().normalize();
        if (!stdin && !Files.isReadable(path)) {
            String why = Files.exists(path) ? " cannot be read" : " does not exist";
            throw new CommandException(ExitStatus.FAILED, path + why);
        }
        try (Connection connection = server.connect()) {
            Path spooled = stdin ? spool(config) : path;
            try {
                print(bring(connection, spooled));
            } finally {
                if (stdin) {
                    Files.delete(spooled);
                }
            }
        }
        return 0;
    }

    /** The archive is read twice, so that stdin goes through a file. */
    private static Path spool(Config config) throws IOException {
        Path file = Files.createTempFile(config.root(), "import", ".tar");
        Files.copy(System.in, file, StandardCopyOption.REPLACE_EXISTING);
        return file;
    }

    private List<Image> bring(Connection connection, Path path) {
        ImageSpec request = ImageSpec.newBuilder()
                .setImage(path.toString())
                .setUserSpecifiedImage(name.orElse(""))
                .build();
        ListImagesResponse images =
                ClientCalls.blockingUnaryCall(connection.channel(), ImportRpc.IMPORT, CallOptions.DEFAULT, request);
        return images.getImagesList();
    }

    private static void print(List<Image> images) {
        for (Image image : images) {
            List<String> names = image.getRepoTagsList().isEmpty() ? List.of("<none>") : image.getRepoTagsList();
            names.forEach(named -> System.out.println(named + " " + image.getId()));
        }
    }
}
