package io.portafilter.cli;

import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.MNT_DETACH;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;

import io.portafilter.linux.DirectoryTree;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.rootfs.MountRefusal;
import io.portafilter.rootfs.RootPath;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The volumes of one run of a pod on the host, as kubelet makes them: fresh directories and tmpfs mounts for emptyDir,
 * checked host paths, and sub paths. They end with the run.
 */
final class PodVolumes implements AutoCloseable {
    private final Path directory;
    private final Pod pod;
    private final Map<String, Path> paths = new HashMap<>();
    private final List<Path> mounted = new ArrayList<>();
    /** Sub paths stay open until the run ends: the server follows /proc/PID/fd/N to exactly these files. */
    private final List<Fd> subPaths = new ArrayList<>();

    private PodVolumes(Path directory, Pod pod) {
        this.directory = directory;
        this.pod = pod;
    }

    /**
     * Makes the volumes below a new directory, which only root can enter.
     *
     * @throws CommandException if a host path is not what the manifest says
     */
    static PodVolumes create(Path directory, Pod pod) throws CommandException, IOException {
        PodVolumes volumes = new PodVolumes(directory, pod);
        try {
            Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            for (Pod.Volume volume : pod.volumes()) {
                volumes.paths.put(
                        volume.name(),
                        switch (volume) {
                            case Pod.Volume.EmptyDir emptyDir -> volumes.make(emptyDir);
                            case Pod.Volume.HostPath hostPath -> check(hostPath);
                        });
            }
            return volumes;
        } catch (CommandException | IOException | RuntimeException e) {
            try {
                volumes.close();
            } catch (RuntimeException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    private Path make(Pod.Volume.EmptyDir volume) {
        Path path = directory.resolve(volume.name());
        Kernel.mkdirat(Fd.CWD, path.toString(), 0700);
        if (volume.inMemory()) {
            String size =
                    volume.sizeLimit().map(limit -> ",size=" + limit.units()).orElse("");
            Kernel.mount("tmpfs", path.toString(), "tmpfs", 0, "mode=0700" + size);
            mounted.add(path);
        }
        Optional<Long> group = pod.security().fsGroup();
        group.ifPresent(gid -> Kernel.fchownat(Fd.CWD, path.toString(), -1, Math.toIntExact(gid), AT_SYMLINK_NOFOLLOW));
        // Set-group-id: what is made in it belongs to that group too.
        Kernel.fchmodat(Fd.CWD, path.toString(), group.isPresent() ? 02777 : 0777);
        return path;
    }

    private static Path check(Pod.Volume.HostPath volume) throws CommandException, IOException {
        Path path = Path.of(volume.path());
        switch (volume.type()) {
            case UNCHECKED -> {
                // the server makes a directory where nothing is
            }
            case DIRECTORY_OR_CREATE -> {
                if (!Files.exists(path)) {
                    Files.createDirectories(path);
                }
                require(volume, path, 0040000, "a directory");
            }
            case FILE_OR_CREATE -> {
                if (!Files.exists(path)) {
                    Files.createFile(
                            path, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-r--r--")));
                }
                require(volume, path, 0100000, "a regular file");
            }
            case DIRECTORY -> require(volume, path, 0040000, "a directory");
            case FILE -> require(volume, path, 0100000, "a regular file");
            case SOCKET -> require(volume, path, 0140000, "a socket");
            case CHAR_DEVICE -> require(volume, path, 0020000, "a character device");
            case BLOCK_DEVICE -> require(volume, path, 0060000, "a block device");
        }
        return path;
    }

    /** The type bits of inode(7). */
    private static void require(Pod.Volume.HostPath volume, Path path, int type, String words)
            throws CommandException, IOException {
        if (!Files.exists(path)) {
            throw refused(volume, "does not exist");
        }
        if (((Integer) Files.getAttribute(path, "unix:mode") & 0170000) != type) {
            throw refused(volume, "is not " + words);
        }
    }

    private static CommandException refused(Pod.Volume.HostPath volume, String why) {
        return new CommandException(
                ExitStatus.RUN_FAILED,
                "volume " + volume.name() + ": hostPath " + volume.path() + " " + why + ", as its type "
                        + volume.type().word + " demands");
    }

    /**
     * Where a container's volume is. A sub path is opened below the volume once, so that nobody who can write to the
     * volume may exchange it for a link to elsewhere (CVE-2017-1002101, CVE-2021-25741); what is missing is made.
     *
     * @param env for {@code subPathExpr}
     */
    String hostPath(Pod.VolumeMount mount, Map<String, String> env) throws CommandException {
        Path volume = paths.get(mount.volume());
        if (volume == null) {
            throw new IllegalStateException("volume " + mount.volume() + " was not made");
        }
        String subPath = mount.expandSubPath() ? PodTranslation.expand(mount.subPath(), env) : mount.subPath();
        if (mount.subPath().isEmpty()) {
            return volume.toString();
        }
        if (subPath.isEmpty()
                || subPath.startsWith("/")
                || List.of(subPath.split("/")).contains("..")) {
            throw refused(mount, subPath, "must be relative, without '..'");
        }
        try (Fd root = Kernel.open(volume.toString(), O_PATH)) {
            Fd found = RootPath.find(root, "/" + subPath).orElseGet(() -> make(root, "/" + subPath));
            subPaths.add(found);
            return "/proc/" + ProcessHandle.current().pid() + "/fd/" + found.number();
        } catch (KernelException | MountRefusal e) {
            throw refused(mount, subPath, String.valueOf(e.getMessage()));
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // hostPath keeps it until close()
    private static Fd make(Fd root, String subPath) {
        FileStatus volume = Kernel.fstat(root);
        return RootPath.ensureDirectory(root, subPath, volume.mode() & 07777, volume.uid(), volume.gid());
    }

    private static CommandException refused(Pod.VolumeMount mount, String subPath, String why) {
        return new CommandException(
                ExitStatus.RUN_FAILED, "volume " + mount.volume() + ", sub path \"" + subPath + "\": " + why);
    }

    /**
     * The pod's /etc/hosts, beside the volumes.
     *
     * @param addresses the pod's own
     */
    Path hostsFile(List<String> addresses, String hostname) throws IOException {
        List<String> lines = new ArrayList<>();
        if (pod.hostNetwork()) {
            lines.addAll(Files.readAllLines(Path.of("/etc/hosts")));
        } else {
            lines.add("127.0.0.1\tlocalhost");
            lines.add("::1\tlocalhost ip6-localhost ip6-loopback");
            lines.add("fe00::0\tip6-localnet");
            lines.add("fe00::0\tip6-mcastprefix");
            lines.add("fe00::1\tip6-allnodes");
            lines.add("fe00::2\tip6-allrouters");
            List<String> own = addresses.isEmpty() ? List.of("127.0.1.1") : addresses;
            own.forEach(address -> lines.add(address + "\t" + hostname));
        }
        for (Pod.HostAlias alias : pod.hostAliases()) {
            lines.add(alias.ip() + "\t" + String.join("\t", alias.hostnames()));
        }
        Path file = directory.resolve("..").normalize().resolve("etc-hosts");
        Files.write(file, lines);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
        return file;
    }

    /** Ends the volumes: unmounts what was mounted and removes what was made. */
    @Override
    public void close() {
        subPaths.forEach(Fd::close);
        subPaths.clear();
        for (Path mount : mounted.reversed()) {
            Kernel.umount2(mount.toString(), MNT_DETACH);
        }
        mounted.clear();
        removeTree(directory);
    }

    /** Removes a directory with all that containers may have put there; nothing happens when it is gone. */
    static void removeTree(Path directory) {
        Path parent = directory.toAbsolutePath().getParent();
        Path name = directory.getFileName();
        if (parent == null || name == null) {
            throw new IllegalArgumentException(directory + " is not removed");
        }
        try (Fd above = Kernel.open(parent.toString(), O_PATH | O_DIRECTORY)) {
            DirectoryTree.remove(above, name.toString());
        } catch (KernelException e) {
            if (!e.is(Errno.ENOENT)) {
                throw e;
            }
        }
    }
}
