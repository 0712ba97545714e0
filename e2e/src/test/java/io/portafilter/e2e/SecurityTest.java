package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the kernel says of a process, from outside and from an exec inside, after each field of a security context. */
class SecurityTest {
    private static final Set<String> DEFAULT = new TreeSet<>(Set.of(
            "CHOWN",
            "DAC_OVERRIDE",
            "FSETID",
            "FOWNER",
            "MKNOD",
            "NET_RAW",
            "SETGID",
            "SETUID",
            "SETFCAP",
            "SETPCAP",
            "NET_BIND_SERVICE",
            "SYS_CHROOT",
            "KILL",
            "AUDIT_WRITE"));

    @RegisterExtension
    static final Live live = Live.server();

    private static ContainerFixture idle() {
        return live.pod().run().container(live.busybox()).idle();
    }

    /** What the first process and an exec have must be one and the same. */
    private static Map<String, String> statusOf(Container container) {
        Map<String, String> first = container.process().status();
        Map<String, String> exec = Proc.parseStatus(container.shell("cat /proc/self/status"));
        for (String line :
                List.of("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")) {
            assertThat(exec.get(line)).as("%s of an exec", line).isEqualTo(first.get(line));
        }
        return first;
    }

    private static Set<String> capabilities(Map<String, String> status, String set) {
        return Proc.capabilityNames(Proc.required(status, set));
    }

    @Test
    void rootHasTheDefaultCapabilitiesAndNothingToInherit() {
        Map<String, String> status = statusOf(idle().start());
        for (String set : List.of("CapPrm", "CapEff", "CapBnd")) {
            assertThat(capabilities(status, set)).as(set).isEqualTo(DEFAULT);
        }
        assertThat(capabilities(status, "CapInh")).isEmpty();
        assertThat(capabilities(status, "CapAmb")).isEmpty();
        assertThat(status.get("NoNewPrivs")).isEqualTo("0");
        assertThat(status.get("Seccomp")).isEqualTo("0");
        assertThat(status.get("Groups")).isIn("", "0");
    }

    @Test
    void droppedAndAddedCapabilitiesAreExactlyThose() {
        Set<String> expected = new TreeSet<>(DEFAULT);
        expected.remove("NET_RAW");
        expected.remove("MKNOD");
        expected.add("SYS_TIME");
        Map<String, String> status =
                statusOf(idle().drop("NET_RAW", "CAP_MKNOD").add("sys_time").start());
        assertThat(capabilities(status, "CapBnd")).isEqualTo(expected);
        assertThat(capabilities(status, "CapEff")).isEqualTo(expected);
    }

    @Test
    void dropAllLeavesNothingAndSingleAddsBeatIt() {
        Map<String, String> none = statusOf(idle().drop("ALL").start());
        for (String set : List.of("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")) {
            assertThat(capabilities(none, set)).as(set).isEmpty();
        }
        Map<String, String> one =
                statusOf(idle().drop("ALL").add("NET_BIND_SERVICE").start());
        assertThat(capabilities(one, "CapBnd")).containsExactly("NET_BIND_SERVICE");
        assertThat(capabilities(one, "CapEff")).containsExactly("NET_BIND_SERVICE");
    }

    @Test
    void addAllIsWhatTheServerItselfHas() {
        Set<String> ours = new Proc(live.portafilter().pid()).capabilities("CapBnd");
        Map<String, String> status = statusOf(idle().add("ALL").start());
        assertThat(capabilities(status, "CapBnd")).isEqualTo(ours);
        assertThat(capabilities(status, "CapEff")).isEqualTo(ours);
    }

    @Test
    void aUserOtherThanRootHasNoEffectiveCapabilities() {
        Map<String, String> status =
                statusOf(idle().runAsUser(1000).add("NET_ADMIN").start());
        assertThat(capabilities(status, "CapEff")).isEmpty();
        assertThat(capabilities(status, "CapPrm")).isEmpty();
        assertThat(capabilities(status, "CapBnd")).contains("NET_ADMIN");
    }

    @Test
    void ambientCapabilitiesReachAUserOtherThanRoot() {
        Map<String, String> status = statusOf(idle().runAsUser(1000)
                .security(s -> s.getCapabilitiesBuilder().addAddAmbientCapabilities("NET_BIND_SERVICE"))
                .start());
        assertThat(capabilities(status, "CapAmb")).containsExactly("NET_BIND_SERVICE");
        assertThat(capabilities(status, "CapEff")).containsExactly("NET_BIND_SERVICE");
        assertThat(capabilities(status, "CapInh")).containsExactly("NET_BIND_SERVICE");
    }

    @Test
    void anUnknownCapabilityIsRefused() {
        Refusal refusal = Refusal.of(() -> idle().add("FLY").create());
        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains("FLY");
    }

    @Test
    void runtimeDefaultFiltersWithAndWithoutNoNewPrivs() {
        for (boolean noNewPrivs : List.of(false, true)) {
            Container container = idle().seccomp(ProfileType.RuntimeDefault)
                    .security(s -> s.setNoNewPrivs(noNewPrivs))
                    .start();
            Map<String, String> status = statusOf(container);
            assertThat(status.get("Seccomp")).isEqualTo("2");
            assertThat(status.get("Seccomp_filters")).isEqualTo("1");
            assertThat(status.get("NoNewPrivs")).isEqualTo(noNewPrivs ? "1" : "0");
            // The one capability that the filter's loading took is gone.
            assertThat(capabilities(status, "CapEff")).isEqualTo(DEFAULT);
            assertThat(capabilities(status, "CapBnd")).isEqualTo(DEFAULT);
            assertThat(container.shell("unshare -m true 2>&1 || echo refused")).contains("refused");
            assertThat(container.shell("echo ordinary calls work; ls / > /dev/null; sleep 0"))
                    .isEqualTo("ordinary calls work");
        }
    }

    @Test
    void runtimeDefaultForAUserOtherThanRoot() {
        for (boolean noNewPrivs : List.of(false, true)) {
            Map<String, String> status = statusOf(idle().seccomp(ProfileType.RuntimeDefault)
                    .runAsUser(1000)
                    .security(s -> s.setNoNewPrivs(noNewPrivs))
                    .start());
            assertThat(status.get("Seccomp")).isEqualTo("2");
            assertThat(capabilities(status, "CapEff")).isEmpty();
            assertThat(capabilities(status, "CapPrm")).isEmpty();
        }
    }

    @Test
    void runtimeDefaultAllowsWhatAnAddedCapabilityIsFor() {
        Container plain =
                idle().seccomp(ProfileType.RuntimeDefault).add("SYS_ADMIN").start();
        assertThat(plain.shell("mount -t tmpfs none /tmp && echo mounted")).isEqualTo("mounted");
    }

    @Test
    void unconfinedAndNoProfileAreNotFiltered() {
        assertThat(statusOf(idle().seccomp(ProfileType.Unconfined).start()).get("Seccomp"))
                .isEqualTo("0");
        assertThat(statusOf(idle().start()).get("Seccomp")).isEqualTo("0");
        // An empty message is RuntimeDefault, as its zero value says.
        assertThat(statusOf(idle().security(s -> s.getSeccompBuilder()).start()).get("Seccomp"))
                .isEqualTo("2");
    }

    @Test
    @SuppressWarnings("deprecation") // an older kubelet still sends it
    void theOldSpellingsOfAFilterAreReadWhereTheNewFieldIsAbsent() {
        for (String spelling : List.of("runtime/default", "docker/default")) {
            Container filtered =
                    idle().security(s -> s.setSeccompProfilePath(spelling)).start();
            assertThat(statusOf(filtered).get("Seccomp")).as(spelling).isEqualTo("2");
        }
        Container free =
                idle().security(s -> s.setSeccompProfilePath("unconfined")).start();
        assertThat(statusOf(free).get("Seccomp")).isEqualTo("0");
        Container newer = idle().seccomp(ProfileType.Unconfined)
                .security(s -> s.setSeccompProfilePath("runtime/default"))
                .start();
        assertThat(statusOf(newer).get("Seccomp")).isEqualTo("0");
        Refusal refusal = Refusal.of(
                () -> idle().security(s -> s.setSeccompProfilePath("strict")).create());
        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains("seccomp_profile_path").contains("strict");
    }

    @Test
    void theFilterIsThereInASharedPidNamespaceToo() {
        Container container = live.pod()
                .pid(NamespaceMode.POD)
                .run()
                .container(live.busybox())
                .idle()
                .seccomp(ProfileType.RuntimeDefault)
                .start();
        Map<String, String> status = statusOf(container);
        assertThat(status.get("Seccomp")).isEqualTo("2");
        assertThat(capabilities(status, "CapEff")).isEqualTo(DEFAULT);
    }

    @Test
    void privilegedHasAllButWhatWasAskedFor() {
        Pod pod = live.pod().privileged().run();
        Set<String> ours = new Proc(live.portafilter().pid()).capabilities("CapBnd");
        Container container = pod.container(live.busybox())
                .idle()
                .privileged()
                .seccomp(ProfileType.RuntimeDefault)
                .start();
        Map<String, String> status = statusOf(container);
        assertThat(capabilities(status, "CapEff")).isEqualTo(ours);
        assertThat(status.get("Seccomp")).isEqualTo("0");
        assertThat(container.shell("mount -t tmpfs none /tmp && echo mounted")).isEqualTo("mounted");
        assertThat(container.process().mounts())
                .filteredOn(m -> m.point().equals("/sys"))
                .allMatch(m -> m.options().contains("rw"));

        Container restricted = pod.container(live.busybox())
                .idle()
                .privileged()
                .runAsUser(1000)
                .noNewPrivs()
                .security(s -> s.setReadonlyRootfs(true))
                .start();
        Map<String, String> second = statusOf(restricted);
        assertThat(second.get("Uid")).startsWith("1000 ");
        assertThat(second.get("NoNewPrivs")).isEqualTo("1");
        assertThat(restricted.shell("touch /x 2>&1 || true")).contains("Read-only file system");
    }

    @Test
    void privilegedWantsAPrivilegedPod() {
        Refusal refusal = Refusal.of(() -> idle().privileged().create());
        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).containsIgnoringCase("privileged");
    }

    @Test
    void userGroupAndNameDecideWhoRuns() {
        assertThat(ids(idle().runAsUser(1000))).isEqualTo("1000 1000");
        assertThat(ids(idle().runAsUser(1000).runAsGroup(7))).isEqualTo("1000 7");
        assertThat(ids(idle().runAsUser(4242))).isEqualTo("4242 0");
        assertThat(ids(idle().runAsUsername("other"))).isEqualTo("1001 1001");
        assertThat(ids(idle().runAsUser(1000).runAsUsername("other"))).isEqualTo("1001 1001");
        assertThat(ids(live.pod()
                        .run()
                        .container(live.image(TestImages.layered()))
                        .command("/bin/sleep", "1000")))
                .isEqualTo("1000 1000");
    }

    private static String ids(ContainerFixture fixture) {
        Map<String, String> status = fixture.start().process().status();
        String uid = Proc.required(status, "Uid");
        String gid = Proc.required(status, "Gid");
        // All four of each: real, effective, saved, file system.
        assertThat(new TreeSet<>(List.of(uid.split(" ")))).hasSize(1);
        assertThat(new TreeSet<>(List.of(gid.split(" ")))).hasSize(1);
        return uid.split(" ")[0] + " " + gid.split(" ")[0];
    }

    @Test
    void supplementalGroupsAreMergedOrStrict() {
        Container merged = idle().runAsUser(1000)
                .runAsGroup(1000)
                .security(s -> s.addSupplementalGroups(50_000))
                .start();
        assertThat(merged.shell("id -G")).isEqualTo("1000 2000 2001 50000");
        assertThat(merged.process().status().get("Groups")).isEqualTo("1000 2000 2001 50000");
        assertThat(merged.status().getUser().getLinux().getSupplementalGroupsList())
                .containsExactly(1000L, 2000L, 2001L, 50_000L);
        Container strict = idle().runAsUser(1000)
                .runAsGroup(1000)
                .security(s ->
                        s.addSupplementalGroups(50_000).setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict))
                .start();
        assertThat(strict.shell("id -G")).isEqualTo("1000 50000");
        assertThat(strict.status().getUser().getLinux().getUid()).isEqualTo(1000);
    }

    @Test
    void setuidProgramsGainNothingWithNoNewPrivs() {
        Pod pod = live.pod().run();
        String image = live.attacker();
        String effective = "/usr/bin/suid-perl -e 'print $>'";
        assertThat(pod.container(image)
                        .shell(effective)
                        .runAsUser(1000)
                        .runToEnd()
                        .output())
                .isEqualTo("0");
        assertThat(pod.container(image)
                        .shell(effective)
                        .runAsUser(1000)
                        .noNewPrivs()
                        .runToEnd()
                        .output())
                .isEqualTo("1000");
        Container running =
                pod.container(image).idle().runAsUser(1000).noNewPrivs().start();
        assertThat(running.shell(effective)).isEqualTo("1000");
    }

    @Test
    void aReadOnlyRootCannotBeWrittenButVolumesCan() {
        Container container = idle().security(s -> s.setReadonlyRootfs(true))
                .mount(live.directory("volume"), "/volume")
                .start();
        assertThat(container
                        .shell("for d in / /tmp /etc /root; do touch $d/x 2>&1; done; true")
                        .lines())
                .hasSize(4)
                .allMatch(line -> line.contains("Read-only file system"));
        assertThat(container.shell("touch /volume/x /dev/shm/x && echo ok")).isEqualTo("ok");
        assertThat(container.shell("mount -o remount,rw / 2>&1 || echo refused"))
                .contains("refused");
        assertThat(container.process().mounts())
                .filteredOn(m -> m.point().equals("/"))
                .singleElement()
                .satisfies(m -> assertThat(m.options()).contains("ro"));
    }

    @Test
    void maskedPathsShowNothing() {
        Container container = idle().security(s -> s.addMaskedPaths("/proc/kcore")
                        .addMaskedPaths("/proc/timer_list")
                        .addMaskedPaths("/sys/firmware")
                        .addMaskedPaths("/etc/group")
                        .addMaskedPaths("/no/such/path"))
                .start();
        assertThat(container.shell("wc -c < /proc/timer_list; wc -c < /etc/group; ls -A /sys/firmware"))
                .isEqualTo("0\n0");
        assertThat(container.shell("stat -c '%t:%T %F' /etc/group")).isEqualTo("1:3 character special file");
        assertThat(container.shell("touch /sys/firmware/x 2>&1 || true")).contains("Read-only");
        assertThat(container.shell("umount /etc/group 2>&1 || echo refused")).contains("refused");
    }

    @Test
    void readOnlyPathsCannotBeWritten() {
        Container container = idle().security(s ->
                        s.addReadonlyPaths("/proc/sys").addReadonlyPaths("/tmp").addReadonlyPaths("/no/such/path"))
                .start();
        assertThat(container.shell("echo 1 2>&1 > /proc/sys/kernel/printk_delay || echo refused"))
                .contains("refused");
        assertThat(container.shell("touch /tmp/x 2>&1 || true")).contains("Read-only file system");
        assertThat(container.shell("cat /proc/sys/kernel/ostype")).isEqualTo("Linux");
    }

    @Test
    void sysAndCgroupAreReadOnly() {
        Container container = idle().start();
        assertThat(container.process().mounts())
                .filteredOn(m -> m.type().equals("sysfs") || m.type().startsWith("cgroup"))
                .isNotEmpty()
                .allMatch(m -> m.options().contains("ro"));
        assertThat(container.shell("echo 1 2>&1 > /sys/kernel/profiling || echo refused"))
                .contains("refused");
    }

    @Test
    void theUsersNamespaceMapsWhatWasAskedAndAllCapabilitiesAreItsOwn() {
        Container container = live.pod()
                .userNamespace(1_966_080)
                .run()
                .container(live.busybox())
                .idle()
                .seccomp(ProfileType.RuntimeDefault)
                .start();
        Map<String, String> status = statusOf(container);
        assertThat(status.get("Uid")).startsWith("1966080 ");
        assertThat(capabilities(status, "CapEff")).isEqualTo(DEFAULT);
        assertThat(status.get("Seccomp")).isEqualTo("2");
        assertThat(container.shell("cat /proc/self/uid_map").trim().split("\\s+"))
                .containsExactly("0", "1966080", "65536");
        assertThat(container.shell("cat /proc/self/setgroups")).isEqualTo("allow");
        Container user = live.pod()
                .userNamespace(1_966_080)
                .run()
                .container(live.busybox())
                .idle()
                .runAsUser(1000)
                .start();
        assertThat(user.process().status().get("Uid")).startsWith("1967080 ");
        assertThat(user.shell("id -u")).isEqualTo("1000");
    }

    @Test
    void noProcessOfOursHoldsACapabilityOrDescriptorTooManyInAContainer() {
        Container container = idle().start();
        assertThat(container.shell("ls /proc/1/fd").split("\n")).containsExactly("0", "1", "2");
        // ls itself opens the directory: its own number 3.
        assertThat(container.shell("ls /proc/self/fd").split("\n")).containsExactly("0", "1", "2", "3");
        assertThat(container
                        .shell("cat /proc/1/environ | tr '\\0' '\\n' | cut -d= -f1 | sort")
                        .split("\n"))
                .containsExactly("HOME", "HOSTNAME", "PATH");
    }

    @Test
    void limitsMaskAndSessionAreOurDefaults() {
        // No shell: busybox's ignores SIGQUIT.
        Container container = idle().command("/bin/sleep", "1000").start();
        assertThat(container.shell("umask")).isEqualTo("0022");
        Map<String, String> status = container.process().status();
        assertThat(status.get("SigBlk")).isEqualTo("0000000000000000");
        assertThat(status.get("SigIgn")).isEqualTo("0000000000000000");
        Map<String, String> exec =
                Proc.parseStatus(container.exec("/bin/cat", "/proc/self/status").stdout());
        assertThat(exec.get("SigBlk")).isEqualTo("0000000000000000");
        assertThat(exec.get("SigIgn")).isEqualTo("0000000000000000");
    }
}
