package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.AT_RECURSIVE;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWNS;
import static io.portafilter.linux.LinuxConstants.MNT_DETACH;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NODEV;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOSUID;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.MOVE_MOUNT_F_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.MS_PRIVATE;
import static io.portafilter.linux.LinuxConstants.MS_REC;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLONE;
import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDWR;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.errorprone.annotations.MustBeClosed;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MountCallsTest {

    @TempDir
    private Path directory;

    @BeforeEach
    void needsMounts() {
        Needs.capability(Capability.CAP_SYS_ADMIN);
        Needs.kernel(5, 12);
    }

    @MustBeClosed
    private static Fd tmpfs(long attributes) {
        try (Fd context = Kernel.fsopen("tmpfs")) {
            Kernel.fsconfigString(context, "mode", "0711");
            Kernel.fsconfigCreate(context);
            return Kernel.fsmount(context, attributes);
        }
    }

    @Test
    void aDetachedMountIsUsedWithoutAppearingInTheMountTable() {
        String before = ProcFile.read("/proc/self/mountinfo");
        try (Fd mount = tmpfs(MOUNT_ATTR_NOSUID)) {
            Kernel.mkdirat(mount, "inside", 0700);
            assertThat(Kernel.list(mount)).containsExactly("inside");
            assertThat(Kernel.fstat(mount).permissions()).isEqualTo(0711);
            assertThat(Kernel.fstatfs(mount)).isEqualTo(LinuxConstants.TMPFS_MAGIC);
            assertThat(ProcFile.read("/proc/self/mountinfo")).isEqualTo(before);
        }
    }

    @Test
    void aReadOnlyMountRefusesToWrite() {
        try (Fd mount = tmpfs(0);
                Fd clone = Kernel.openTree(mount, "", OPEN_TREE_CLONE | AT_EMPTY_PATH)) {
            Kernel.mountSetattr(
                    clone,
                    "",
                    AT_EMPTY_PATH | AT_RECURSIVE,
                    MountAttributes.set(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV)
                            .and(MountAttributes.propagation(MS_PRIVATE)));
            Kernel.mkdirat(mount, "writable", 0700);
            assertThatThrownBy(() -> Kernel.mkdirat(clone, "read-only", 0700)).hasMessageContaining("EROFS");
        }
    }

    @Test
    void aMountIsAttachedInANamespaceOfItsOwn() {
        String target = directory.toString();
        List<MountInfo> seen = OwnThread.call("mounts", () -> {
            Kernel.unshare(CLONE_NEWNS);
            Kernel.mount("", "/", "", MS_REC | MS_PRIVATE, "");
            try (Fd mount = tmpfs(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)) {
                Kernel.moveMount(mount, "", Fd.CWD, target, MOVE_MOUNT_F_EMPTY_PATH);
            }
            List<MountInfo> mounts = MountInfo.parse(ProcFile.read("/proc/thread-self/mountinfo"));
            Kernel.umount2(target, MNT_DETACH);
            return mounts;
        });
        assertThat(seen)
                .filteredOn(mount -> mount.mountPoint().equals(target))
                .singleElement()
                .satisfies(mount -> {
                    assertThat(mount.type()).isEqualTo("tmpfs");
                    assertThat(mount.options()).contains("nosuid", "nodev");
                    assertThat(mount.sharedGroup()).isEmpty();
                    assertThat(mount.root()).isEqualTo("/");
                });
        assertThat(MountInfo.parse(ProcFile.read("/proc/self/mountinfo")))
                .noneMatch(mount -> mount.mountPoint().equals(target));
    }

    @Test
    void aFileSystemContextExplainsItsRefusal() {
        try (Fd context = Kernel.fsopen("tmpfs")) {
            assertThatThrownBy(() -> Kernel.fsconfigString(context, "nonsense", "value"))
                    .isInstanceOfSatisfying(KernelException.class, e -> {
                        assertThat(e.detail())
                                .hasValueSatisfying(text -> assertThat(text).contains("nonsense"));
                        assertThat(e.getMessage())
                                .startsWith(
                                        "fsconfig(" + context.number()
                                                + ", FSCONFIG_SET_STRING, \"nonsense\", \"value\", 0): EINVAL (Invalid argument): ")
                                .contains("nknown parameter");
                    });
        }
        assertThatThrownBy(() -> Kernel.fsopen("nosuchfs").close())
                .hasMessage("fsopen(\"nosuchfs\", FSOPEN_CLOEXEC): ENODEV (No such device)");
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closed at once
    void removalDoesNotEnterAMount() {
        String target = directory.resolve("tree").toString();
        OwnThread.call("mounts", () -> {
            Kernel.unshare(CLONE_NEWNS);
            Kernel.mount("", "/", "", MS_REC | MS_PRIVATE, "");
            try (Fd parent = Kernel.open(directory.toString(), O_PATH | O_DIRECTORY);
                    Fd mount = tmpfs(0)) {
                Kernel.mkdirat(parent, "tree", 0700);
                Kernel.mkdirat(parent, "tree/mounted", 0700);
                Kernel.openat(mount, "precious", O_CREAT | O_RDWR, 0600).close();
                Kernel.moveMount(mount, "", Fd.CWD, target + "/mounted", MOVE_MOUNT_F_EMPTY_PATH);
                assertThatThrownBy(() -> Kernel.removeTree(parent, "tree")).hasMessageContaining("EXDEV");
                assertThat(Kernel.list(mount)).containsExactly("precious");
            }
            Kernel.umount2(target + "/mounted", MNT_DETACH);
            return true;
        });
    }

    @Test
    void aNetworkNamespaceComesWithLoopbackUp() {
        Needs.capability(Capability.CAP_NET_ADMIN);
        long own = Kernel.statx(Fd.CWD, "/proc/self/ns/net", 0).inode();
        try (Fd namespace = OwnThread.newNetworkNamespace()) {
            assertThat(Kernel.fstat(namespace).inode()).isNotEqualTo(own);
            int flags = OwnThread.call("look", () -> {
                Kernel.setns(namespace, LinuxConstants.CLONE_NEWNET);
                try (Fd socket = Kernel.socket(LinuxConstants.AF_INET, LinuxConstants.SOCK_DGRAM, 0)) {
                    return Kernel.interfaceFlags(socket, "lo");
                }
            });
            assertThat(flags & LinuxConstants.IFF_UP).isNotZero();
            assertThat(ProcFile.read("/proc/self/mountinfo")).doesNotContain("nsfs net:");
        }
        assertThat(Kernel.statx(Fd.CWD, "/proc/self/ns/net", 0).inode()).isEqualTo(own);
        assertThat(Kernel.statx(Fd.CWD, "/proc/thread-self/ns/net", 0).inode()).isEqualTo(own);
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // none is opened
    void whatATaskThrowsIsThrownToItsCaller() {
        assertThatThrownBy(() -> OwnThread.call("fails", () -> {
                    Kernel.open("/nowhere", O_RDWR).close();
                    return true;
                }))
                .isInstanceOf(KernelException.class);
        assertThatThrownBy(() -> OwnThread.call("fails", () -> {
                    throw new java.io.IOException("told");
                }))
                .isInstanceOf(IllegalStateException.class)
                .hasRootCauseMessage("told");
    }
}
