package io.portafilter.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ProcTest {

    @Test
    void statusOfThisProcessIsRead() {
        try (ProcDirectory self = ProcDirectory.open(Kernel.getpid())) {
            ProcStatus status = self.status();
            assertThat(status.uids().effective()).isEqualTo(Kernel.geteuid());
            assertThat(status.pids().getFirst()).isEqualTo(Kernel.getpid());
            assertThat(status.parentPid()).isEqualTo((int)
                    ProcessHandle.current().parent().orElseThrow().pid());
            assertThat(status.bounding().containsAll(status.permitted())).isTrue();
            assertThat(status.isZombie()).isFalse();
            for (Capability capability : List.of(Capability.CAP_CHOWN, Capability.CAP_SYS_RESOURCE)) {
                assertThat(status.bounding().contains(capability))
                        .isEqualTo(Kernel.isInBoundingSet(capability.number()));
            }
            assertThat(self.stat().hasExecuted()).isTrue();
            assertThat(self.stat().parentPid()).isEqualTo(status.parentPid());
            assertThat(self.link("exe")).endsWith("/bin/java");
            assertThat(self.namespaceInode("net"))
                    .isEqualTo(Kernel.statx(Fd.CWD, "/proc/self/ns/net", 0).inode());
            assertThat(self.mounts()).anyMatch(mount -> mount.mountPoint().equals("/"));
        }
    }

    @Test
    void aCommandCannotForgeFieldsOfItsStatus() throws IOException {
        String name = "x\\nCapBnd:0";
        Process named =
                new ProcessBuilder("sh", "-c", "printf '" + name + "' > /proc/$$/comm; echo named; read wait").start();
        try (BufferedReader output = named.inputReader();
                ProcDirectory process = ProcDirectory.open((int) named.pid());
                ProcDirectory self = ProcDirectory.open(Kernel.getpid())) {
            assertThat(output.readLine()).isEqualTo("named");
            assertThat(self.status().bounding()).isNotEqualTo(CapabilitySet.EMPTY);
            assertThat(process.status().bounding()).isEqualTo(self.status().bounding());
            assertThat(process.status().name()).isEqualTo(name);
        } finally {
            named.destroyForcibly();
        }
    }

    @Test
    void aContainersStatusIsParsed() {
        ProcStatus status = ProcStatus.parse("""
                Name:	sh
                Umask:	0022
                State:	S (sleeping)
                Pid:	4711
                PPid:	4700
                Uid:	1000	1000	1001	1000
                Gid:	4294967294	0	0	0
                Groups:	5 4294967294\s
                NSpid:	4711	12	1
                CapInh:	0000000000000000
                CapPrm:	0000000000000401
                CapEff:	00000000a80425fb
                CapBnd:	800001ffffffffff
                CapAmb:	0000000000000000
                NoNewPrivs:	1
                Seccomp:	2
                Seccomp_filters:	3
                """);
        assertThat(status.uids()).isEqualTo(new ProcStatus.Ids(1000, 1000, 1001, 1000));
        assertThat(Integer.toUnsignedLong(status.gids().real())).isEqualTo(4294967294L);
        assertThat(status.groups()).containsExactly(5, -2);
        assertThat(status.pids()).containsExactly(4711, 12, 1);
        assertThat(status.permitted()).hasToString("CHOWN, NET_BIND_SERVICE");
        assertThat(status.bounding().toString()).endsWith("CHECKPOINT_RESTORE, CAP_63");
        assertThat(status.noNewPrivileges()).isTrue();
        assertThat(status.seccompMode()).isEqualTo(2);
        assertThat(status.seccompFilters()).isEqualTo(3);
        assertThat(status.umask()).isEqualTo(022);
    }

    @Test
    void aStatusWithoutItsFieldsIsRefused() {
        assertThatThrownBy(() -> ProcStatus.parse("Name:\tx\n"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no field State");
    }

    @Test
    void aCommandCannotForgeFieldsOfItsStat() {
        ProcStat stat =
                ProcStat.parse("42 (a) R 1 (b) S 7 42 42 1083436 -1 4194368 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3\n");
        assertThat(stat).isEqualTo(new ProcStat(42, "a) R 1 (b", 'S', 7, new Device(136, 300), 4194368, 1, 987654));
        assertThat(stat.hasExecuted()).isFalse();
        assertThat(stat.hasEnded()).isFalse();
        assertThatThrownBy(() -> ProcStat.parse("nonsense")).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void escapedMountPointsArePlainAgain() {
        List<MountInfo> mounts = MountInfo.parse("""
                36 35 98:0 /mnt1 /mnt\\0402\\134x rw,noatime master:1 - ext3 /dev/root rw,errors=continue
                37 36 0:41 /null /dev/null ro shared:2 master:3 propagate_from:9 unbindable - tmpfs none rw,mode=755
                """);
        assertThat(mounts.get(0).mountPoint()).isEqualTo("/mnt 2\\x");
        assertThat(mounts.get(0).device()).isEqualTo(new Device(98, 0));
        assertThat(mounts.get(0).masterGroup()).isEqualTo(Optional.of(1));
        assertThat(mounts.get(0).options()).containsExactly("rw", "noatime");
        assertThat(mounts.get(0).superOptions()).isEqualTo("rw,errors=continue");
        assertThat(mounts.get(1).sharedGroup()).isEqualTo(Optional.of(2));
        assertThat(mounts.get(1).isUnbindable()).isTrue();
        assertThat(mounts.get(1).isReadOnly()).isTrue();
        assertThat(mounts.get(1).type()).isEqualTo("tmpfs");
    }

    @Test
    void numbersOfTheKernelAreReadWhole() {
        assertThat(ProcFile.lastCapability()).isBetween(37, 62);
        assertThat(ProcFile.readNumber("/proc/sys/kernel/pid_max")).isGreaterThan(300);
        assertThat(ProcFile.bootId()).matches("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
    }

    @Test
    void capabilitiesAreNamedInManyWays() {
        assertThat(Capability.parse("net_admin")).contains(Capability.CAP_NET_ADMIN);
        assertThat(Capability.parse("CAP_NET_ADMIN")).contains(Capability.CAP_NET_ADMIN);
        assertThat(Capability.parse("Cap_Net_Admin")).contains(Capability.CAP_NET_ADMIN);
        assertThat(Capability.parse("ALL")).isEmpty();
        assertThat(Capability.parse("CAP_CAP_CHOWN")).isEmpty();
        assertThat(Capability.parse("")).isEmpty();
        assertThat(Capability.CAP_SYS_ADMIN.number()).isEqualTo(21);
        assertThat(Capability.CAP_CHECKPOINT_RESTORE.number()).isEqualTo(40);
        CapabilitySet set = CapabilitySet.of(Capability.CAP_CHOWN, Capability.CAP_BPF);
        assertThat(set.minus(Capability.CAP_CHOWN)).isEqualTo(CapabilitySet.of(Capability.CAP_BPF));
        assertThat(CapabilitySet.upTo(40).containsAll(set)).isTrue();
        assertThat(CapabilitySet.EMPTY).hasToString("none");
    }

    @Test
    void callsPrintAsStraceDoes() {
        assertThat(ArgumentKind.CLONE_FLAGS.print(LinuxConstants.CLONE_NEWNS | 17))
                .isEqualTo("CLONE_NEWNS|SIGCHLD");
        assertThat(ArgumentKind.CLONE_FLAGS.print(LinuxConstants.CLONE_PARENT)).isEqualTo("CLONE_PARENT");
        assertThat(ArgumentKind.OPEN_FLAGS.print(LinuxConstants.O_TMPFILE | LinuxConstants.O_RDWR))
                .isEqualTo("O_RDWR|O_TMPFILE");
        assertThat(ArgumentKind.MOUNT_FLAGS.print(0)).isEqualTo("0");
        assertThat(ArgumentKind.MOUNT_FLAGS.print(1L << 40 | 1)).isEqualTo("MS_RDONLY|0x10000000000");
        assertThat(ArgumentKind.FD.print(-100)).isEqualTo("AT_FDCWD");
        assertThat(ArgumentKind.TEXT.print(0)).isEqualTo("NULL");
        assertThat(SystemCall.CLONE.number(Architecture.AARCH64)).isEqualTo(220);
        assertThat(SystemCall.CLONE.number(Architecture.X86_64)).isEqualTo(56);
    }
}
