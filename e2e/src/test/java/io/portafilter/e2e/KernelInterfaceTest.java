package io.portafilter.e2e;

import static io.portafilter.e2e.Attempts.EACCES;
import static io.portafilter.e2e.Attempts.ENOENT;
import static io.portafilter.e2e.Attempts.ENOKEY;
import static io.portafilter.e2e.Attempts.ENOSYS;
import static io.portafilter.e2e.Attempts.ENOTTY;
import static io.portafilter.e2e.Attempts.ENXIO;
import static io.portafilter.e2e.Attempts.EPERM;
import static io.portafilter.e2e.Attempts.EROFS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The kernel's doors to the whole machine, each tried from inside by root. Files are opened and not written, calls have
 * arguments that do no harm where they are allowed.
 */
class KernelInterfaceTest {
    private static final int FIRST_HOST_ID = 6_553_600;

    @RegisterExtension
    static final Live live = Live.server();

    /** Who tries: the first two may have what kubelet gives by default, the third has no rights but those of its user. */
    private enum Who {
        ROOT,
        ROOT_OF_A_USER_NAMESPACE,
        USER;

        Container container() {
            PodFixture pod = this == ROOT_OF_A_USER_NAMESPACE ? live.pod().userNamespace(FIRST_HOST_ID) : live.pod();
            ContainerFixture fixture = Attempts.attacker(pod.run(), live.attacker());
            return (this == USER ? fixture.runAsUser(1000) : fixture).start();
        }
    }

    /** All of the kernel's doors that are files; what this kernel does not have proves nothing. */
    private static final List<String> WRITTEN = List.of(
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/modprobe",
            "/proc/sys/kernel/poweroff_cmd",
            "/proc/sys/kernel/randomize_va_space",
            "/proc/sys/kernel/printk",
            "/proc/sys/fs/suid_dumpable",
            "/proc/sys/fs/protected_symlinks",
            "/proc/sys/vm/overcommit_memory",
            "/proc/sys/vm/drop_caches",
            "/proc/sys/net/ipv4/ip_forward",
            "/proc/sysrq-trigger",
            "/proc/irq/default_smp_affinity",
            "/proc/mtrr",
            "/sys/kernel/uevent_helper",
            "/sys/kernel/profiling",
            "/sys/kernel/mm/ksm/run",
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "/sys/module/kernel/parameters/panic",
            "/sys/fs/cgroup/memory/release_agent",
            "/sys/fs/cgroup/pids/cgroup.procs",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/devices/devices.allow",
            "/sys/fs/cgroup/cgroup.procs");

    @TestFactory
    Stream<DynamicTest> nobodyOpensAFileOfTheKernelToWrite() {
        return everybody("", "w", WRITTEN, outcome -> outcome.failedWith(EPERM, EACCES, EROFS, ENOENT));
    }

    private static final List<String> READ =
            List.of("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts", "/proc/kmsg");

    @TestFactory
    Stream<DynamicTest> nobodyReadsWhatTellsOfTheWholeMachine() {
        return everybody("reading ", "r", READ, outcome -> {
            if (!outcome.said().equals("empty")) {
                outcome.failedWith(EPERM, EACCES, ENOENT);
            }
        });
    }

    private static Stream<DynamicTest> everybody(
            String name, String function, List<String> paths, java.util.function.Consumer<Attempts.Outcome> judge) {
        return Stream.of(Who.values()).flatMap(who -> {
            Attempts attempts = new Attempts();
            paths.forEach(path -> attempts.add(path, function + "('" + path + "')"));
            Attempts.Outcomes outcomes = attempts.in(who.container());
            return paths.stream()
                    .map(path -> DynamicTest.dynamicTest(name + path + " by " + who, () -> {
                        assumeTrue(Files.exists(Path.of(path)), () -> "this kernel has no " + path);
                        judge.accept(outcomes.of(path));
                    }));
        });
    }

    /**
     * Number and arguments of calls that none of the filter's allowances covers, whatever the capabilities are. They are
     * made without a filter and with all capabilities, too: they must do nothing there.
     */
    private static Map<String, String> forbidden() {
        Map<String, String> calls = new LinkedHashMap<>();
        calls.put("add_key", "c(248, 'user', 'pf', 'x', 1, -3)");
        calls.put("request_key", "c(249, 'user', 'pf', 0, -3)");
        calls.put("keyctl", "c(250, 0, -3, 0)");
        calls.put("userfaultfd", "c(323, 1)");
        calls.put("kexec_load", "c(246, 0, 17, 0, 0)");
        calls.put("kexec_file_load", "c(320, -1, -1, 0, 0, 0)");
        calls.put("io_uring_setup", "c(425, 0, 0)");
        calls.put("move_pages", "c(279, $$, 0, 0, 0, 0, 0)");
        calls.put("swapon", "c(167, 'none', 0)");
        calls.put("swapoff", "c(168, 'none')");
        calls.put("nfsservctl", "c(180, 0, 0, 0)");
        calls.put("pivot_root", "c(155, '/nowhere', '/nowhere')");
        calls.put("uselib", "c(134, '/nowhere')");
        calls.put("ustat", "c(136, 0, 0)");
        return calls;
    }

    /** Calls that the filter lets through only with a capability that these containers do not have. */
    private static Map<String, String> ofCapabilities() {
        Map<String, String> calls = new LinkedHashMap<>();
        calls.put("mount", "c(165, 0, '/nowhere', 0, 0, 0)");
        calls.put("umount2", "c(166, '/nowhere', 0)");
        calls.put("fsopen", "c(430, 0, 0)");
        calls.put("open_tree", "c(428, -100, '/nowhere', 0)");
        calls.put("move_mount", "c(429, -100, '/nowhere', -100, '/nowhere', 0)");
        calls.put("mount_setattr", "c(442, -100, '/nowhere', 0, 0, 0)");
        calls.put("unshare NEWUSER", "c(272, 0x10000000)");
        calls.put("unshare NEWNS", "c(272, 0x20000)");
        calls.put(
                "clone NEWUSER",
                "my $p = syscall(56, 0x10000011, 0, 0, 0, 0); kill(9, $$) if $p == 0; $p < 0 ? undef : 'ok'");
        calls.put("setns", "c(308, -1, 0)");
        calls.put("bpf", "c(321, 0, 0, 0)");
        calls.put("perf_event_open", "c(298, 0, 0, -1, -1, 0)");
        calls.put("init_module", "c(175, 0, 0, 0)");
        calls.put("finit_module", "c(313, -1, 0, 0)");
        calls.put("delete_module", "c(176, 0, 0)");
        calls.put("open_by_handle_at", "c(304, -1, 0, 0)");
        calls.put("reboot with no valid magic number", "c(169, 0, 0, 0, 0)");
        calls.put("settimeofday of nothing", "c(164, 0, 0)");
        calls.put("clock_settime from nowhere", "c(227, 0, 0)");
        calls.put("sethostname", "c(170, 0, -1)");
        calls.put("setdomainname", "c(171, 0, -1)");
        calls.put("syslog read all", "c(103, 3, 0, -1)");
        calls.put("acct off", "c(163, 0)");
        calls.put("iopl", "c(172, 3)");
        calls.put("ioperm", "c(173, 0x80, 1, 1)");
        calls.put("quotactl", "c(179, 0, 0, 0, 0)");
        calls.put("fanotify_init", "c(300, -1, 0)");
        calls.put("lookup_dcookie", "c(212, 0, 0, 0)");
        calls.put("vhangup", "c(153)");
        return calls;
    }

    @TestFactory
    Stream<DynamicTest> theDefaultFilterRefusesWhatContainersHaveNoUseFor() {
        return Stream.of(false, true).flatMap(userns -> {
            PodFixture pod = userns ? live.pod().userNamespace(FIRST_HOST_ID) : live.pod();
            Attempts all = new Attempts().addAll(forbidden()).addAll(ofCapabilities());
            Pod run = pod.run();
            return refused(
                    all.in(Attempts.attacker(run, live.attacker())
                            .seccomp(ProfileType.RuntimeDefault)
                            .start()),
                    all.in(Attempts.attacker(run, live.attacker()).start()),
                    userns ? "in a user namespace" : "by root");
        });
    }

    /** The filter's allowances for capabilities are for those alone: these it does not allow to root of the machine. */
    @TestFactory
    Stream<DynamicTest> theDefaultFilterRefusesSomeCallsWhateverTheCapabilities() {
        Attempts attempts = new Attempts().addAll(forbidden());
        return refused(
                attempts.in(withAllCapabilities()
                        .seccomp(ProfileType.RuntimeDefault)
                        .start()),
                attempts.in(withAllCapabilities().start()),
                "with all capabilities");
    }

    private static ContainerFixture withAllCapabilities() {
        return Attempts.attacker(live.pod().run(), live.attacker()).add("ALL");
    }

    /** @param unfiltered the same without a filter: what is refused there alike is not the filter's doing, and says so */
    private static Stream<DynamicTest> refused(Attempts.Outcomes filtered, Attempts.Outcomes unfiltered, String by) {
        return filtered.all().stream().map(outcome -> {
            boolean byTheFilter = !unfiltered.of(outcome.attempt()).errno().equals(outcome.errno());
            return DynamicTest.dynamicTest(
                    outcome.attempt() + " " + by + (byTheFilter ? "" : ", as without the filter"),
                    () -> outcome.failedWith(EPERM, ENOSYS));
        });
    }

    /** Or the attempts above would prove nothing. */
    @Test
    void withoutAFilterTheSameCallsGetFurther() {
        Attempts attempts = new Attempts().addAll(forbidden());
        Attempts.Outcomes unfiltered = attempts.in(withAllCapabilities().start());
        Attempts.Outcomes filtered = attempts.in(
                withAllCapabilities().seccomp(ProfileType.RuntimeDefault).start());
        // The others depend on the kernel: not built, or switched off by a sysctl.
        for (String call : List.of("add_key", "keyctl", "move_pages", "swapon", "swapoff", "pivot_root")) {
            assertThat(unfiltered.of(call).errno())
                    .as(call)
                    .isNotEqualTo(filtered.of(call).errno());
        }
        for (String call : forbidden().keySet()) {
            if (unfiltered.of(call).errno().equals(filtered.of(call).errno())) {
                unfiltered.of(call).failedWith(EPERM, ENOSYS);
            }
        }
    }

    /** What capabilities alone keep from root, without a filter; nor does a user namespace of the pod give it. */
    @TestFactory
    Stream<DynamicTest> withoutAFilterTheMissingCapabilitiesRefuse() {
        Attempts attempts = new Attempts()
                .add("mount", "c(165, 'none', '/tmp', 'tmpfs', 0, 0)")
                .add("umount2 of /proc", "c(166, '/proc', 2)")
                .add("remount of /sys", "c(165, 0, '/sys', 0, 0x1020, 0)")
                .add("unshare NEWNS", "c(272, 0x20000)")
                .add("fsopen", "c(430, 'tmpfs', 0)")
                .add(
                        "setns to the first process's mounts",
                        "my $f; open($f, '<', '/proc/1/ns/mnt') ? c(308, fileno($f), 0) : undef")
                .add("perf_event_open", "my $a = pack('LLQx104', 0, 112, 0); c(298, $a, -1, 0, -1, 0)")
                .add("bpf program", "my $a = pack('LLx120', 1, 0); c(321, 5, $a, 128)")
                .add("init_module", "c(175, 0, 0, 0)")
                .add("kexec_load", "c(246, 0, 17, 0, 0)")
                .add("reboot with no valid magic number", "c(169, 0, 0, 0, 0)")
                .add("syslog clear", "c(103, 5, 0, 0)")
                .add("acct to nowhere", "c(163, '/nowhere')")
                .add("swapon of nothing", "c(167, '/nowhere', 0)")
                .add("iopl", "c(172, 3)")
                .add("settimeofday of nothing", "c(164, 0, 0)")
                .add("sethostname", "c(170, 'pwned', 5)")
                .add(
                        "open_by_handle_at",
                        "my $h = pack('LlQ', 8, 1, 2); my $f; open($f, '<', '/etc/passwd') && c(304, fileno($f), $h, 0)")
                .add("raise of a limit", "my $l = pack('QQ', 1 << 30, 1 << 30); c(302, 0, 7, $l, 0)");
        return Stream.of(false, true).flatMap(userns -> {
            Pod pod = (userns ? live.pod().userNamespace(FIRST_HOST_ID) : live.pod()).run();
            Attempts.Outcomes outcomes =
                    attempts.in(Attempts.attacker(pod, live.attacker()).start());
            return refusedByTheKernel(outcomes, userns ? "in a user namespace" : "by root");
        });
    }

    private static Stream<DynamicTest> refusedByTheKernel(Attempts.Outcomes outcomes, String by) {
        return outcomes.all().stream()
                .map(outcome -> DynamicTest.dynamicTest(
                        outcome.attempt() + " " + by + " without a filter",
                        () -> outcome.failedWith(EPERM, EACCES, ENOSYS)));
    }

    /** Session keyrings are named by no one and inherited from no one. */
    @Test
    void aKeyOfOneContainerIsNotFoundInAnother() {
        Attempts add = new Attempts()
                .add("add", "c(248, 'user', 'portafilter-e2e', 'secret', 6, -3)")
                .add("find", "c(249, 'user', 'portafilter-e2e', 0, 0)")
                .add("session", "c(250, 0, -3, 0)");
        Pod pod = live.pod().run();
        Container first = Attempts.attacker(pod, live.attacker()).start();
        // In one process: each attempt is a child of it, and has its session.
        Attempts.Outcomes owner = add.in(first);
        owner.all().forEach(Attempts.Outcome::succeeded);
        Attempts find = new Attempts()
                .add("find", "c(249, 'user', 'portafilter-e2e', 0, 0)")
                .add("session", "c(250, 0, -3, 0)");
        for (Container other : List.of(
                Attempts.attacker(pod, live.attacker()).start(),
                Attempts.attacker(live.pod().run(), live.attacker()).start())) {
            Attempts.Outcomes outcomes = find.in(other);
            outcomes.of("find").failedWith(ENOKEY);
            assertThat(outcomes.of("session").said())
                    .isNotEqualTo(owner.of("session").said());
        }
        String ofTheHost = Commands.run("/usr/bin/perl", "-e", "print syscall(250, 0, -3, 0)")
                .stdout();
        assertThat("ok " + ofTheHost).isNotEqualTo(owner.of("session").said());
    }

    /** TIOCSTI into a terminal that the container shares with somebody: it has none. */
    @Test
    void noTerminalIsThereToTypeInto() {
        Attempts.Outcomes outcomes = new Attempts()
                .add("tty", "sysopen(my $f, '/dev/tty', 2) ? 'ok' : undef")
                .add("stdin", "my $c = 'x'; ioctl(STDIN, 0x5412, $c)")
                .add("stdout", "my $c = 'x'; ioctl(STDOUT, 0x5412, $c)")
                .add("stderr", "my $c = 'x'; ioctl(STDERR, 0x5412, $c)")
                .in(Attempts.attacker(live.pod().run(), live.attacker()).start());
        outcomes.of("tty").failedWith(ENXIO);
        for (String stream : List.of("stdin", "stdout", "stderr")) {
            outcomes.of(stream).failedWith(ENOTTY);
        }
    }

    /** The host's processes are seen there, and that is all: each door of /proc wants what the container does not have. */
    @TestFactory
    Stream<DynamicTest> amongTheHostsProcessesNoneIsEntered() {
        long server = live.portafilter().pid();
        Container container = Attempts.attacker(
                        live.pod().pid(NamespaceMode.NODE).run(), live.attacker())
                .start();
        Attempts attempts = new Attempts();
        for (long pid : List.of(1L, server)) {
            for (String door : List.of("root/etc", "cwd")) {
                attempts.add(
                        "/proc/" + pid + "/" + door, "opendir(my $d, '/proc/" + pid + "/" + door + "') ? 'ok' : undef");
            }
            for (String door : List.of("environ", "mem", "maps", "ns/mnt", "ns/user", "exe", "fd/0")) {
                attempts.add("/proc/" + pid + "/" + door, "r('/proc/" + pid + "/" + door + "')");
            }
            attempts.add("ptrace of " + pid, "c(101, 0x4206, " + pid + ", 0, 0)");
            attempts.add(
                    "pidfd_getfd of " + pid, "my $p = syscall(434, " + pid + ", 0); $p < 0 ? undef : c(438, $p, 0, 0)");
        }
        return attempts.in(container).all().stream()
                .map(outcome -> DynamicTest.dynamicTest(
                        outcome.attempt().replace(Long.toString(server), "SERVER"),
                        () -> outcome.failedWith(EPERM, EACCES)));
    }

    /** Without the host's PID namespace there is nothing of it to be named. */
    @Test
    void theHostsProcessesAreNotSeen() {
        for (NamespaceMode mode : List.of(NamespaceMode.CONTAINER, NamespaceMode.POD)) {
            Container container =
                    live.pod().pid(mode).run().container(live.busybox()).idle().start();
            List<String> pids =
                    container.shell("ls /proc | grep '^[0-9]*$'").lines().toList();
            assertThat(pids).as(mode.name()).hasSizeLessThan(8);
            assertThat(container.shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))
                    .doesNotContain("java")
                    .doesNotContain("config.toml");
        }
    }
}
