package io.portafilter.cli;

import io.portafilter.config.Config;
import io.portafilter.config.ConfigException;
import io.portafilter.cri.CriException;
import io.portafilter.cri.CriServer;
import io.portafilter.state.StateException;
import java.io.UncheckedIOException;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "serve",
        description =
                "Serves CRI to kubelet and crictl until SIGTERM; containers live on, and the next server finds them.",
        mixinStandardHelpOptions = true)
final class ServeCommand implements Callable<Integer> {
    private static final System.Logger LOG = System.getLogger(ServeCommand.class.getName());

    @Mixin
    private ServerOptions options = new ServerOptions();

    @Override
    public Integer call() throws CommandException, ConfigException, InterruptedException {
        Config config = options.read();
        LogLines.install(config.logLevel());
        CriServer server = start(config);
        awaitReady(server);
        LOG.log(
                System.Logger.Level.INFO,
                "server.listening socket={0} root={1} pid={2,number,#}",
                config.listen(),
                config.root(),
                ProcessHandle.current().pid());
        ServiceNotice.send(
                System.getenv(), "READY=1\nMAINPID=" + ProcessHandle.current().pid());
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(() -> {
            ServiceNotice.send(System.getenv(), "STOPPING=1");
            server.close();
            LOG.log(System.Logger.Level.INFO, "server.stopped");
            // SIGTERM is how a server is meant to end, so the status is not 143.
            Runtime.getRuntime().halt(0);
        }));
        new CountDownLatch(1).await();
        return 0;
    }

    /** A server that cannot take its records over is of no use. */
    private static void awaitReady(CriServer server) throws CommandException {
        try {
            server.awaitReady();
        } catch (CriException e) {
            server.close();
            throw new CommandException(ExitStatus.FAILED, String.valueOf(e.getMessage()));
        }
    }

    /** A server in this process. */
    static CriServer start(Config config) throws CommandException {
        try {
            return CriServer.start(config);
        } catch (StateException | UncheckedIOException e) {
            throw new CommandException(ExitStatus.FAILED, String.valueOf(e.getMessage()));
        }
    }
}
