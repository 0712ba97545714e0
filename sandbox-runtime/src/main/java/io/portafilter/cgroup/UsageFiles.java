package io.portafilter.cgroup;

import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalLong;

/** The files of a cgroup that count, by their names, which are different ones in version 1 and 2. */
@FunctionalInterface
interface UsageFiles {
    /** Its text without the blanks around it; empty when this kernel, host or cgroup does not have it. */
    Optional<String> text(String file);

    /** What version 1 writes when there is no limit lies just below 2^63; no machine has a memory of 2^62 bytes. */
    long BEYOND_ALL_LIMITS = 1L << 62;

    /** Far more than most of these files hold. */
    int USUAL_BYTES = 8192;

    /** Those of a cgroup, read from the kernel when they are asked for, by one thread. */
    static UsageFiles of(CgroupHierarchy hierarchy, String path) {
        CgroupPath checked = new CgroupPath(path);
        // one for all: twenty files of each of hundreds of containers are read each few seconds
        byte[] buffer = new byte[USUAL_BYTES];
        return switch (hierarchy) {
            case CgroupHierarchy.V2 v2 -> {
                String directory = v2.directory() + checked.value();
                yield file -> read(directory + "/" + file, buffer);
            }
            case CgroupHierarchy.V1 v1 ->
                // the file's first word is the controller's name
                file -> v1.of(file.substring(0, file.indexOf('.')))
                        .flatMap(mount -> read(mount.directory() + checked.value() + "/" + file, buffer));
        };
    }

    private static Optional<String> read(String path, byte[] buffer) {
        try (Fd file = Kernel.open(path, O_RDONLY | O_NOFOLLOW)) {
            // most of them are had by one call
            int length = Kernel.pread(file, buffer, 0, buffer.length, 0);
            byte[] all = length < buffer.length ? buffer : Kernel.readAll(file, 1 << 20);
            return Optional.of(
                    new String(all, 0, length < buffer.length ? length : all.length, StandardCharsets.UTF_8).strip());
        } catch (KernelException e) {
            // gone, or pressure that this kernel was told not to count
            if (e.is(Errno.ENOENT) || e.is(Errno.ENODEV) || e.is(Errno.EOPNOTSUPP)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** The number that is the whole file. */
    default OptionalLong number(String file) {
        return text(file).map(Long::parseLong).map(OptionalLong::of).orElse(OptionalLong.empty());
    }

    /** The limit in a file; empty also when there is none. */
    default OptionalLong limit(String file) {
        Optional<Long> limit = text(file)
                .filter(text -> !text.equals("max"))
                .map(Long::parseLong)
                .filter(bytes -> bytes >= 0 && bytes < BEYOND_ALL_LIMITS);
        return limit.map(OptionalLong::of).orElse(OptionalLong.empty());
    }

    /** How long was waited; empty where the kernel does not count it. */
    default Optional<Pressure> pressure(String file) {
        return text(file).flatMap(Pressure::parse);
    }
}
