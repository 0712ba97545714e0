package io.portafilter.container;

import io.portafilter.rootfs.DeviceNode;
import io.portafilter.security.Credentials;
import io.portafilter.security.IdMappings;
import java.util.Optional;
import java.util.function.BiFunction;

/**
 * A device node that a container is to have, beyond those that every one has.
 *
 * @param path absolute, inside
 * @param type {@code c} character or {@code b} block
 * @param major the device's major number
 * @param minor the device's minor number
 * @param mode permission bits
 * @param uid whose it is
 * @param gid whose group's
 */
public record ContainerDevice(String path, char type, int major, int minor, int mode, OwnerId uid, OwnerId gid) {

    /** A user or group that owns a node. */
    public sealed interface OwnerId {

        /** As the host counts, such as the owner of the host's own node. */
        record OfHost(long id) implements OwnerId {}

        /** As the container counts; it must exist in its user namespace. */
        record OfContainer(long id) implements OwnerId {}

        /** Whatever the container's program runs as. */
        record OfProgram() implements OwnerId {}

        /**
         * The host's id.
         *
         * @param ofProgram what the program runs as, inside
         */
        private long onHost(long ofProgram, Optional<IdMappings> ids, BiFunction<IdMappings, Long, Long> translate) {
            return switch (this) {
                case OfHost(long id) -> id;
                case OfContainer(long id) ->
                    ids.map(map -> translate.apply(map, id)).orElse(id);
                case OfProgram() ->
                    ids.map(map -> translate.apply(map, ofProgram)).orElse(ofProgram);
            };
        }
    }

    /** Refuses what is no node of a device. */
    public ContainerDevice {
        var _ = new DeviceNode(path, type, major, minor, mode, 0, 0);
    }

    /**
     * The node as the host makes it; refuses an owner whom the container's user namespace does not have.
     *
     * @param user what the container's program runs as
     */
    DeviceNode node(Credentials user, Optional<IdMappings> ids) {
        return new DeviceNode(
                path,
                type,
                major,
                minor,
                mode,
                uid.onHost(user.uid(), ids, IdMappings::hostUid),
                gid.onHost(user.gid(), ids, IdMappings::hostGid));
    }
}
