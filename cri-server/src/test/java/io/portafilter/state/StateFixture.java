package io.portafilter.state;

import io.portafilter.container.LaunchedContainer;
import io.portafilter.container.LaunchedPod;
import io.portafilter.linux.ProcessRef;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Records that are whole; a test changes what it is about. */
final class StateFixture {
    static final String BOOT = "11111111-1111-1111-1111-111111111111";
    static final LaunchedPod POD_PROCESSES = new LaunchedPod(new ProcessRef(10, 100), new ProcessRef(11, 101));
    static final LaunchedContainer PROCESSES = new LaunchedContainer(new ProcessRef(20, 200), new ProcessRef(21, 201));

    private StateFixture() {}

    static Bytes bytes(String text) {
        return Bytes.copyOf(text.getBytes(StandardCharsets.UTF_8));
    }

    static PodRecord pod(String id) {
        return new PodRecord(
                id,
                "web",
                "default",
                "uid-" + id,
                3,
                bytes("request of " + id),
                1_700_000_000_000_000_001L,
                PodState.READY,
                Optional.of(POD_PROCESSES),
                BOOT,
                "",
                Optional.empty(),
                "s0:c4,c5",
                List.of("10.0.0.7", "fd00::7"));
    }

    static ContainerRecord container(String id, ContainerState state) {
        return new ContainerRecord(
                id,
                "p1",
                "app",
                1,
                bytes("request"),
                "sha256:aa",
                "host/repo@sha256:bb",
                bytes("{}"),
                List.of("sha256:l1", "sha256:l2"),
                Map.of(
                        "/models", new VolumeImage("sha256:m1", List.of("sha256:l1", "sha256:l3")),
                        "/a \"path\"", new VolumeImage("sha256:m2", List.of())),
                "/logs/0.log",
                1000,
                state == ContainerState.CREATED ? 0 : 2000,
                0,
                state,
                0,
                "",
                "",
                Optional.of(PROCESSES),
                BOOT,
                Optional.empty());
    }

    static ImageRecord image(String id) {
        return new ImageRecord(
                id,
                List.of("localhost/a:1", "localhost/b:\"quoted\"\n"),
                List.of(),
                bytes("{\"os\":\"linux\"}"),
                List.of("sha256:l1"),
                12345678901L,
                Map.of("key", "value with \u00e4 and \n"),
                7);
    }
}
