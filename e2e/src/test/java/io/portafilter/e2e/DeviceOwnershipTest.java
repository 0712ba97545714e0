package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.Device;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** With {@code device_ownership_from_security_context}, a container without root may open the devices it asks for. */
class DeviceOwnershipTest {
    /** As {@link DeviceTest}: the kernel's log, which no container has by default. */
    private static final String OPENS_TO_WRITE =
            "if (: > /dev/log0) 2>/dev/null; then echo writable; else echo refused; fi";

    @RegisterExtension
    static final Live live = Live.server("device_ownership_from_security_context = true\n");

    private static ContainerFixture with(ContainerFixture container) {
        Path host = live.directory("devices").resolve("log");
        var _ = Commands.run("mknod", "-m", "0600", host.toString(), "c", "1", "11")
                .orFail();
        var _ = Commands.run("chown", "12:34", host.toString()).orFail();
        return container
                .configure(c -> c.addDevices(Device.newBuilder()
                        .setHostPath(host.toString())
                        .setContainerPath("/dev/log0")
                        .setPermissions("rw")))
                .idle();
    }

    private static ContainerFixture inAPod() {
        return with(live.pod().run().container(live.busybox()));
    }

    @Test
    void theDeviceBelongsToTheUserAndGroupOfTheSecurityContext() {
        Container container = inAPod().runAsUser(1000).runAsGroup(1001).start();

        assertThat(container.shell("stat -c '%a %u:%g' /dev/log0")).isEqualTo("600 1000:1001");
        assertThat(container.shell(OPENS_TO_WRITE)).isEqualTo("writable");
        assertThat(container.shell("stat -c %u:%g /dev/null /dev/tty")).isEqualTo("0:0\n0:0");
    }

    @Test
    void whatTheSecurityContextDoesNotNameIsTheHosts() {
        assertThat(inAPod().runAsUser(1000).start().shell("stat -c %u:%g /dev/log0"))
                .isEqualTo("1000:34");
        assertThat(inAPod().runAsUser(0).start().shell("stat -c %u:%g /dev/log0"))
                .isEqualTo("12:34");
        assertThat(inAPod().start().shell("stat -c %u:%g /dev/log0")).isEqualTo("12:34");
    }

    @Test
    void inAUserNamespaceTheUserIsThatOfTheNamespace() {
        Pod pod = live.pod().userNamespace(300_000).run();
        Container container = with(pod.container(live.busybox()))
                .runAsUser(1000)
                .runAsGroup(1001)
                .start();

        assertThat(container.shell("stat -c %u:%g /dev/log0")).isEqualTo("1000:1001");
        assertThat(container.shell(OPENS_TO_WRITE)).isEqualTo("writable");
    }

    @Test
    void aUserWhomTheNamespaceDoesNotHaveIsRefused() {
        Pod pod = live.pod().userNamespace(300_000).run();
        Refusal refusal = Refusal.of(
                () -> with(pod.container(live.busybox())).runAsUser(70_000).create());

        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains("70000");
    }
}
