package io.portafilter.cli;

import static io.portafilter.linux.LinuxConstants.AF_UNIX;
import static io.portafilter.linux.LinuxConstants.SOCK_DGRAM;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.util.Map;

/** Tells the service manager how the server is (sd_notify(3)); silence where there is none. It never stops the server. */
final class ServiceNotice {
    private static final System.Logger LOG = System.getLogger(ServiceNotice.class.getName());

    private ServiceNotice() {}

    /** Sends assignments such as {@code READY=1}, a line each. */
    static void send(Map<String, String> environment, String assignments) {
        String socket = environment.getOrDefault("NOTIFY_SOCKET", "");
        if (!socket.startsWith("/") && !socket.startsWith("@")) {
            return;
        }
        try (Fd datagram = Kernel.socket(AF_UNIX, SOCK_DGRAM, 0)) {
            Kernel.connectUnix(datagram, socket);
            Kernel.writeText(datagram, assignments);
        } catch (KernelException | IllegalArgumentException e) {
            LOG.log(System.Logger.Level.WARNING, "server.notice socket={0} cause={1}", socket, e.getMessage());
        }
    }
}
