package io.portafilter.state;

import io.portafilter.container.LaunchedContainer;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What is kept of a container. Its launch plan is derived anew from {@code request} and {@code imageConfig}, so that
 * neither a restart of the server nor the removal of the image's name changes what the container is.
 *
 * @param id 64 lower-case hexadecimal digits
 * @param request the serialised CreateContainerRequest
 * @param imageId digest of the image's configuration, {@code sha256:HEX}
 * @param imageRef {@code repository@sha256:MANIFEST}, or the image id
 * @param imageConfig the OCI image configuration, JSON, as it was when the container was created
 * @param layerIds the chain ids of the lower layers, lowest first; layers stay while a container lists them
 * @param volumeImages the images mounted as volumes, by their normalised paths in the container; their layers stay too
 * @param logPath the absolute path of the CRI log file; empty for a container without a log
 * @param createdAtNanos nanoseconds since the epoch
 * @param startedAtNanos 0 before the start
 * @param finishedAtNanos 0 before the end
 * @param exitCode the exit status, or 128 plus the signal; meaningful once EXITED
 * @param reason CRI's short word for the end (Completed, Error, OOMKilled, StartError, Unknown); empty before it
 * @param message a sentence for people, may be empty
 * @param launched its processes; absent while no launch is prepared or running
 * @param bootId the boot that the process references belong to (/proc/sys/kernel/random/boot_id)
 * @param updated the serialised LinuxContainerResources that it has now, when these were changed since it was created
 */
public record ContainerRecord(
        String id,
        String podId,
        String name,
        int attempt,
        Bytes request,
        String imageId,
        String imageRef,
        Bytes imageConfig,
        List<String> layerIds,
        Map<String, VolumeImage> volumeImages,
        String logPath,
        long createdAtNanos,
        long startedAtNanos,
        long finishedAtNanos,
        ContainerState state,
        int exitCode,
        String reason,
        String message,
        Optional<LaunchedContainer> launched,
        String bootId,
        Optional<Bytes> updated) {

    public ContainerRecord {
        layerIds = List.copyOf(layerIds);
        volumeImages = Map.copyOf(volumeImages);
    }

    /** The chain ids of all layers that stay while this record is there. */
    public List<String> usedLayers() {
        return Stream.concat(
                        layerIds.stream(), volumeImages.values().stream().flatMap(image -> image.layerChain().stream()))
                .distinct()
                .toList();
    }

    /** The same container with a prepared launch of the boot {@code newBootId}. */
    public ContainerRecord prepared(LaunchedContainer prepared, String newBootId) {
        return with(state, startedAtNanos, Optional.of(prepared), newBootId);
    }

    /** The same container without a prepared launch: to be prepared again when it is started. */
    public ContainerRecord unprepared() {
        return with(state, startedAtNanos, Optional.empty(), bootId);
    }

    /** The same container, about to run: committed before the gate opens. */
    public ContainerRecord starting(long atNanos) {
        return with(ContainerState.STARTING, atNanos, launched, bootId);
    }

    /** The same container, its program running. */
    public ContainerRecord running(long atNanos) {
        return with(ContainerState.RUNNING, atNanos, launched, bootId);
    }

    /** The same container, ended; a clock that went backwards does not make it end before its start. */
    public ContainerRecord exited(long atNanos, int code, String why, String sentence) {
        return new ContainerRecord(
                id,
                podId,
                name,
                attempt,
                request,
                imageId,
                imageRef,
                imageConfig,
                layerIds,
                volumeImages,
                logPath,
                createdAtNanos,
                startedAtNanos,
                Math.max(atNanos, Math.max(startedAtNanos, createdAtNanos)),
                ContainerState.EXITED,
                code,
                why,
                sentence,
                Optional.empty(),
                bootId,
                updated);
    }

    /** The same container with other resources. */
    public ContainerRecord updated(Bytes resources) {
        return new ContainerRecord(
                id,
                podId,
                name,
                attempt,
                request,
                imageId,
                imageRef,
                imageConfig,
                layerIds,
                volumeImages,
                logPath,
                createdAtNanos,
                startedAtNanos,
                finishedAtNanos,
                state,
                exitCode,
                reason,
                message,
                launched,
                bootId,
                Optional.of(resources));
    }

    private ContainerRecord with(
            ContainerState newState,
            long newStartedAtNanos,
            Optional<LaunchedContainer> newLaunched,
            String newBootId) {
        return new ContainerRecord(
                id,
                podId,
                name,
                attempt,
                request,
                imageId,
                imageRef,
                imageConfig,
                layerIds,
                volumeImages,
                logPath,
                createdAtNanos,
                newStartedAtNanos,
                finishedAtNanos,
                newState,
                exitCode,
                reason,
                message,
                newLaunched,
                newBootId,
                updated);
    }
}
