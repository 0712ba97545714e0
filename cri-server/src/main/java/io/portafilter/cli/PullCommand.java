package io.portafilter.cli;

import io.portafilter.cri.v1.AuthConfig;
import java.io.Console;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "pull",
        description = "Pulls an image from its registry and prints its id.",
        mixinStandardHelpOptions = true)
final class PullCommand implements Callable<Integer> {
    @Mixin
    private ServerOptions server = new ServerOptions();

    @Parameters(paramLabel = "IMAGE", description = "HOST/REPOSITORY[:TAG|@DIGEST]; host and tag may be left out.")
    private String image = "";

    @Option(
            names = {"-u", "--username"},
            paramLabel = "NAME",
            description = "For a registry that asks; the password is asked for, or is the first line of stdin.")
    private Optional<String> username = Optional.empty();

    @Override
    public Integer call() throws Exception {
        Optional<AuthConfig> credentials = Optional.empty();
        if (username.isPresent()) {
            credentials = Optional.of(AuthConfig.newBuilder()
                    .setUsername(username.get())
                    .setPassword(password())
                    .build());
        }
        try (Connection connection = server.connect()) {
            System.out.println(Pull.image(connection, image, credentials, System.err));
        }
        return 0;
    }

    /** Never from the command line, which every user of the machine can read. */
    private static String password() throws Exception {
        // JDK 22: there is a console even where stdin is no terminal
        Console console = Objects.requireNonNull(System.console());
        if (console.isTerminal()) {
            char[] typed = console.readPassword("Password: ");
            return typed == null ? "" : new String(typed);
        }
        String text = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        return text.lines().findFirst().orElse("");
    }
}
