package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A directory of the host that images and volumes would like to reach, and what must become of it: nothing.
 *
 * @param file the only one in it
 */
record HostTarget(Path directory, Path file) {
    private static final String CONTENT = "of the host";

    static HostTarget of(Live live) {
        try {
            Path directory = live.directory("target");
            return new HostTarget(directory, Files.writeString(directory.resolve("file"), CONTENT + "\n"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** From however deep in a root file system. */
    String above() {
        return "../".repeat(40) + directory.toString().substring(1);
    }

    void isUntouched() {
        assertThat(file).hasContent(CONTENT);
        try (Stream<Path> names = Files.list(directory)) {
            assertThat(names).containsExactly(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        assertThat(Proc.self().mounts()).noneMatch(mount -> mount.point().startsWith(directory.toString()));
    }

    /** Absent when the request was refused, with a sentence, for what is wrong about it and not by an error of the server. */
    static Optional<Container> startedOrRefused(ContainerFixture fixture) {
        try {
            return Optional.of(fixture.start());
        } catch (StatusRuntimeException refused) {
            String sentence = String.valueOf(refused.getStatus().getDescription());
            assertThat(sentence).isNotBlank().isNotEqualTo("null");
            // What was swapped between a mount and the look at it: nobody's request is wrong, and nothing was run.
            if (sentence.startsWith("the prepared process is not what was asked for")) {
                return Optional.empty();
            }
            assertThat(refused.getStatus().getCode())
                    .as(refused.getMessage())
                    .isIn(
                            Status.Code.INVALID_ARGUMENT,
                            Status.Code.FAILED_PRECONDITION,
                            Status.Code.NOT_FOUND,
                            Status.Code.UNKNOWN);
            return Optional.empty();
        }
    }

    /** The file systems of a container that the runtime has to mount itself, where they have to be. */
    static void hasItsOwnFileSystems(Container container) {
        Map.of("/proc", "proc", "/sys", "sysfs", "/dev", "tmpfs")
                .forEach((point, type) -> assertThat(container.process().mounts())
                        .filteredOn(mount -> mount.point().equals(point))
                        .singleElement()
                        .satisfies(mount -> assertThat(mount.type()).isEqualTo(type)));
    }
}
