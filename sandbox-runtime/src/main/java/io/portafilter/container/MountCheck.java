package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.*;

import io.portafilter.linux.Device;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.MountInfo;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.rootfs.Propagation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Compares the mounts that a prepared process sees with its plan: each one planned is there, and no other. */
final class MountCheck {

    private static final List<String> FLAGS = List.of("ro", "nosuid", "nodev", "noexec");
    private static final long ALL_FLAGS = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    private static final long BARE = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    private static final Set<String> KERNEL_TYPES = Set.of("proc", "sysfs", "cgroup", "cgroup2");

    private final ContainerPlan plan;
    private final PreparedMounts prepared;
    private final String cgroupPath;
    private final List<MountInfo> mounts;
    private final Map<Long, MountInfo> byId = new HashMap<>();
    private final Map<String, MountInfo> top = new HashMap<>();
    private final Set<Integer> expected = new HashSet<>();
    private final List<String> readOnlyPaths;
    private final List<String> differences = new ArrayList<>();
    // Paths with nothing on them: there is no such file, or a link of the image leads to another place.
    private int masksElsewhere;
    private int readOnlyElsewhere;

    private MountCheck(ContainerPlan plan, PreparedMounts prepared, String cgroupPath, List<MountInfo> mounts) {
        this.plan = plan;
        this.prepared = prepared;
        this.cgroupPath = cgroupPath;
        this.mounts = mounts;
        this.readOnlyPaths = plan.security().readOnlyPaths().stream()
                .map(MountCheck::normalized)
                .toList();
        for (MountInfo mount : mounts) {
            byId.put((long) mount.id(), mount);
        }
        // The order of the lines says nothing of what lies on what.
        Set<Integer> covered = new HashSet<>();
        for (MountInfo mount : mounts) {
            MountInfo parent = byId.get((long) mount.parentId());
            if (parent != null
                    && parent.id() != mount.id()
                    && parent.mountPoint().equals(mount.mountPoint())) {
                covered.add(parent.id());
            }
        }
        for (MountInfo mount : mounts) {
            if (!covered.contains(mount.id())) {
                top.put(mount.mountPoint(), mount);
            }
        }
    }

    /**
     * Every difference, in words.
     *
     * @param cgroupPath of version 2, as the server sees it: what a mount in the container's cgroup namespace begins at
     */
    static List<String> compare(
            ContainerPlan plan,
            PreparedMounts prepared,
            String cgroupPath,
            List<MountInfo> mounts,
            ProcDirectory process) {
        MountCheck check = new MountCheck(plan, prepared, cgroupPath, mounts);
        check.root();
        check.terminals();
        for (MountPlan planned : plan.mounts()) {
            check.planned(planned);
        }
        try (Fd root = Kernel.openat(process.descriptor(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
            for (String path : plan.security().maskedPaths()) {
                check.masked(root, path);
            }
            for (String path : plan.security().readOnlyPaths()) {
                check.readOnly(root, path);
            }
        }
        check.nothingMore();
        check.propagation();
        return check.differences;
    }

    private void root() {
        MountInfo root = byId.get(prepared.root());
        MountInfo atRoot = top.get("/");
        if (root == null || atRoot == null || root.id() != atRoot.id()) {
            differ("/", "the container's root file system", describe(top.get("/")));
            return;
        }
        expected.add(root.id());
        flags("/", plan.security().readOnlyRootfs() ? MOUNT_ATTR_RDONLY : readOnlyPath(root), root);
    }

    /** Commands get theirs from there also where a volume lies on it. */
    private void terminals() {
        if (prepared.terminals().equals(HOST.get("/dev/pts"))) {
            differ("no place", "a " + plan.terminals().type() + " of its own", "the host's");
        }
    }

    private void planned(MountPlan planned) {
        switch (planned) {
            case MountPlan.FileSystem(
                    String type,
                    String target,
                    List<MountPlan.Option> _,
                    long attributes,
                    boolean _) ->
                made(target, type, attributes)
                        .filter(found -> isPrivateType(type))
                        .ifPresent(found -> notTheHosts(target, type, found));
            case MountPlan.Terminals(String target) ->
                made(target, plan.terminals().type(), plan.terminals().attributes())
                        .ifPresent(found -> {
                            notTheHosts(target, plan.terminals().type(), found);
                            same("device of " + target, prepared.terminals(), found.device());
                        });
            case MountPlan.Console(String target) -> console(target);
            case MountPlan.OfPause(String target, String path) -> {
                boolean proc = path.equals("/proc");
                PauseMounts pause = prepared.pause();
                made(target, proc ? "proc" : "tmpfs", BARE)
                        .ifPresent(found -> same(
                                "device of " + target, proc ? pause.proc() : pause.sharedMemory(), found.device()));
            }
            case MountPlan.OfTarget(String target) ->
                made(target, "proc", BARE).ifPresent(found -> notTheHosts(target, "proc", found));
            case MountPlan.Devices(String target) ->
                ours(target, prepared.devices()).ifPresent(found -> flags(target, MOUNT_ATTR_NOSUID, found));
            case MountPlan.CgroupTree(String target) ->
                ours(target, prepared.cgroups().getFirst()).ifPresent(found -> flags(target, cgroupFlags(), found));
            case MountPlan.CgroupView(String target, int index) ->
                ours(target, prepared.cgroups().get(index + 1)).ifPresent(found -> flags(target, cgroupFlags(), found));
            case MountPlan.Prepared(String target, int index) ->
                ours(target, prepared.volumes().get(index)).ifPresent(found -> volume(target, index, found));
        }
    }

    private long cgroupFlags() {
        return BARE | (plan.security().privileged() ? 0 : MOUNT_ATTR_RDONLY);
    }

    /** A file system that the launching process made, or a clone of one of another process of the pod. */
    private Optional<MountInfo> made(String target, String type, long attributes) {
        MountInfo found = belowMask(target);
        String root = type.equals("cgroup2") ? cgroupPath : "/";
        if (found == null || !found.type().equals(type) || !found.root().equals(root)) {
            differ(target, type, describe(found));
            return Optional.empty();
        }
        expected.add(found.id());
        flags(target, attributes | readOnlyPath(found), found);
        return Optional.of(found);
    }

    /** Whether a file system of this type belongs to a namespace that is not the host's, or to nobody else at all. */
    private boolean isPrivateType(String type) {
        return switch (type) {
            case "proc" -> plan.pidMode() != PidMode.NODE;
            case "sysfs" -> !plan.hostNetwork();
            case "mqueue" -> !plan.hostIpc();
            default -> false;
        };
    }

    /** The host's own of these file systems, by their usual paths: what a container has must be another one. */
    private static final Map<String, Device> HOST = devices("/proc", "/sys", "/dev/pts", "/dev/mqueue");

    private static Map<String, Device> devices(String... paths) {
        Map<String, Device> devices = new HashMap<>();
        for (String path : paths) {
            try {
                devices.put(path, Kernel.statx(Fd.CWD, path, 0).device());
            } catch (KernelException e) {
                if (!e.is(Errno.ENOENT)) {
                    throw e;
                }
            }
        }
        return devices;
    }

    /** The first terminal of the container's own devpts. */
    private void console(String target) {
        MountInfo found = belowMask(target);
        if (found == null
                || !found.type().equals(plan.terminals().type())
                || !found.device().equals(prepared.terminals())
                || !found.root().equals("/0")) {
            differ(target, "the container's terminal", describe(found));
            return;
        }
        expected.add(found.id());
        flags(target, plan.terminals().attributes() | readOnlyPath(found), found);
    }

    private void notTheHosts(String target, String type, MountInfo found) {
        if (found.device().equals(HOST.get(target))) {
            differ(target, "a " + type + " of its own", "the host's, " + describe(found));
        }
    }

    /** A mount that the server made, which must be this very one. */
    private Optional<MountInfo> ours(String target, long id) {
        MountInfo found = byId.get(id);
        if (found == null || !found.mountPoint().equals(normalized(target))) {
            differ(target, "the mount that was prepared", describe(top.get(normalized(target))));
            return Optional.empty();
        }
        expected.add(found.id());
        return Optional.of(found);
    }

    private void volume(String target, int index, MountInfo found) {
        MountRequest asked = plan.prepared().get(index);
        if (asked.readOnly()) {
            same("read-only " + target, true, found.isReadOnly());
        }
        // an image's layers are mapped below the overlay, which is not
        boolean mapped = asked.ids().isPresent() && asked.source() instanceof MountRequest.Source.HostPath;
        if (asked.source() instanceof MountRequest.Source.Image) {
            same("nodev " + target, true, found.options().contains("nodev"));
        }
        if (mapped != found.options().contains("idmapped")) {
            same("idmapped " + target, mapped, !mapped);
        }
        restrictions(asked, found);
        for (MountInfo mount : mounts) {
            if (mount.parentId() == found.id() && isBelow(mount.mountPoint(), found.mountPoint())) {
                if (asked.recursiveReadOnly()) {
                    same("read-only " + mount.mountPoint(), true, mount.isReadOnly());
                }
                restrictions(asked, mount);
            }
        }
    }

    /** The source's own mount may have more of them. */
    private void restrictions(MountRequest asked, MountInfo found) {
        for (MountRequest.Restriction restriction : asked.restrictions()) {
            if (!found.options().contains(restriction.option())) {
                same(restriction.option() + " " + found.mountPoint(), true, false);
            }
        }
    }

    private void masked(Fd root, String path) {
        MountInfo found = top.get(normalized(path));
        if (found == null) {
            if (isThere(root, path)) {
                differ(path, "a mask", "nothing");
            } else if (ProgramWriter.mayFollowLinks(path)) {
                masksElsewhere++;
            }
            return;
        }
        if (!isFileMask(found) && !isDirectoryMask(found)) {
            differ(path, "a mask", describe(found));
            return;
        }
        expected.add(found.id());
        long own = isFileMask(found) ? MOUNT_ATTR_NOSUID : MOUNT_ATTR_RDONLY | BARE;
        flags(path, own | readOnlyPath(found), found);
    }

    /** What lies there below the mask that was asked for at the same place. */
    private @Nullable MountInfo belowMask(String target) {
        MountInfo found = top.get(target);
        while (found != null
                && plan.security().maskedPaths().contains(target)
                && (isFileMask(found) || isDirectoryMask(found))) {
            MountInfo covered = byId.get((long) found.parentId());
            found = covered != null && covered.mountPoint().equals(target) ? covered : null;
        }
        return found;
    }

    /** Read-only is more than was planned for a mount, but not for one that a read-only path holds. */
    private long readOnlyPath(MountInfo mount) {
        return mount.isReadOnly() && isBelowAny(mount.mountPoint(), readOnlyPaths) ? MOUNT_ATTR_RDONLY : 0;
    }

    private boolean isFileMask(MountInfo mount) {
        return mount.root().equals("/null") && mount.device().equals(prepared.nullDevice());
    }

    private boolean isDirectoryMask(MountInfo mount) {
        return mount.root().equals(PausePlan.EMPTY)
                && mount.type().equals("tmpfs")
                && mount.device().equals(prepared.pause().root())
                && mount.isReadOnly();
    }

    private void readOnly(Fd root, String path) {
        MountInfo found = top.get(normalized(path));
        if (found == null) {
            if (isThere(root, path)) {
                differ(path, "a read-only mount", "nothing");
            } else if (ProgramWriter.mayFollowLinks(path)) {
                readOnlyElsewhere++;
            }
            return;
        }
        expected.add(found.id());
        if (!found.isReadOnly()) {
            same("read-only " + path, true, false);
        }
    }

    /** Looks only into file systems of the kernel: what a volume holds may not answer. */
    private boolean isThere(Fd root, String path) {
        MountInfo holder = holder(normalized(path));
        if (holder == null || !KERNEL_TYPES.contains(holder.type())) {
            return false;
        }
        try (Fd _ = Kernel.openat2(
                root,
                ProgramWriter.relative(path),
                O_PATH | O_CLOEXEC,
                RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)) {
            return true;
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ENOTDIR)) {
                return false;
            }
            if (e.is(Errno.ELOOP)) {
                return true; // a link of the kernel's
            }
            throw e;
        }
    }

    private @Nullable MountInfo holder(String path) {
        String at = path;
        while (at.length() > 1) {
            MountInfo found = top.get(at);
            if (found != null) {
                return found;
            }
            at = at.substring(0, at.lastIndexOf('/'));
        }
        return top.get("/");
    }

    /** What is mounted below a volume came with it; anything else was not planned. */
    private void nothingMore() {
        List<String> open = new ArrayList<>(readOnlyPaths);
        for (MountPlan mount : plan.mounts()) {
            if (mount instanceof MountPlan.Prepared) {
                open.add(normalized(mount.target()));
            }
        }
        for (MountInfo mount : mounts) {
            if (!expected.contains(mount.id()) && !isBelowAny(mount.mountPoint(), open) && !isBehindLink(mount)) {
                differ(mount.mountPoint(), "no more than was planned", describe(mount));
            }
        }
    }

    /** Mounts pass neither in nor out but through a volume that asks for it, and what is attached below it. */
    private void propagation() {
        for (MountInfo mount : mounts) {
            if (mount.sharedGroup().isPresent() && !passes(mount, Set.of(Propagation.BIDIRECTIONAL))) {
                differences.add(
                        "propagation of " + mount.mountPoint() + " differs: asked none to the host, kernel shared");
            }
            if (mount.masterGroup().isPresent()
                    && !passes(mount, Set.of(Propagation.BIDIRECTIONAL, Propagation.HOST_TO_CONTAINER))) {
                differences.add(
                        "propagation of " + mount.mountPoint() + " differs: asked none from the host, kernel slave");
            }
        }
    }

    private boolean passes(MountInfo mount, Set<Propagation> kinds) {
        for (MountPlan planned : plan.mounts()) {
            if (planned instanceof MountPlan.Prepared(String target, int index)
                    && kinds.contains(plan.prepared().get(index).propagation())
                    && isBelow(mount.mountPoint(), normalized(target))) {
                return true;
            }
        }
        return false;
    }

    /**
     * Whether it is the mask, or the read-only mount, of a path that is a link in the image (a masked /bin/ls where /bin
     * leads to /usr/bin): it lies where the link leads. Either takes away from the container only.
     */
    private boolean isBehindLink(MountInfo mount) {
        if (masksElsewhere > 0 && (isFileMask(mount) || isDirectoryMask(mount))) {
            masksElsewhere--;
            return true;
        }
        if (readOnlyElsewhere > 0 && mount.isReadOnly() && isOfRoot(mount)) {
            readOnlyElsewhere--;
            return true;
        }
        return false;
    }

    private boolean isOfRoot(MountInfo mount) {
        MountInfo root = byId.get(prepared.root());
        return root != null && mount.device().equals(root.device());
    }

    private void flags(String target, long attributes, MountInfo found) {
        long kernel = 0;
        for (String option : found.options()) {
            kernel |= flag(option);
        }
        long asked = attributes & ALL_FLAGS;
        if (asked != kernel) {
            same("flags of " + target, names(asked), names(kernel));
        }
    }

    private static Set<String> names(long flags) {
        Set<String> names = new TreeSet<>();
        for (String name : FLAGS) {
            if ((flags & flag(name)) != 0) {
                names.add(name);
            }
        }
        return names;
    }

    private static long flag(String option) {
        return switch (option) {
            case "ro" -> MOUNT_ATTR_RDONLY;
            case "nosuid" -> MOUNT_ATTR_NOSUID;
            case "nodev" -> MOUNT_ATTR_NODEV;
            case "noexec" -> MOUNT_ATTR_NOEXEC;
            default -> 0;
        };
    }

    private void same(String what, Object asked, Object kernel) {
        if (!asked.equals(kernel)) {
            differences.add(what + " differs: asked " + asked + ", kernel " + kernel);
        }
    }

    private void differ(String path, String asked, String kernel) {
        differences.add("mount on " + path + " differs: asked " + asked + ", kernel " + kernel);
    }

    private static String describe(@Nullable MountInfo mount) {
        return mount == null ? "nothing" : mount.type() + " " + mount.device() + " with root " + mount.root();
    }

    private static boolean isBelow(String path, String directory) {
        return path.startsWith(directory)
                && (path.length() == directory.length()
                        || directory.equals("/")
                        || path.charAt(directory.length()) == '/');
    }

    private static boolean isBelowAny(String path, List<String> directories) {
        for (String directory : directories) {
            if (isBelow(path, directory)) {
                return true;
            }
        }
        return false;
    }

    static String normalized(String path) {
        return isNormal(path) ? path : Path.of("/").resolve(path).normalize().toString();
    }

    /** Most are; the others cost more. */
    private static boolean isNormal(String path) {
        return path.startsWith("/")
                && !path.contains("//")
                && !path.contains("/.")
                && (path.length() == 1 || !path.endsWith("/"));
    }
}
