package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.LinuxContainerUser;
import io.portafilter.cri.v1.LinuxSandboxSecurityContext;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import io.portafilter.e2e.SecurityContextModel.Reasons;
import io.portafilter.e2e.SecurityContextModel.Rights;
import io.portafilter.e2e.SecurityContextModel.Whose;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Random security contexts, valid and invalid ones: what is accepted becomes exactly what {@link SecurityContextModel}
 * says, in the eyes of the kernel; what the model refuses is refused with INVALID_ARGUMENT; and nothing is left of either.
 *
 * <p>A failure names its seed and the fewest parts of the context with which it still fails. {@code -De2e.seed=N} begins
 * with another seed, {@code -De2e.contexts=N} tries more or fewer.
 */
class RandomSecurityContextsTest {
    private static final long FIRST_SEED = Long.getLong("e2e.seed", 50_000);
    private static final int CONTEXTS = Integer.getInteger("e2e.contexts", 60);
    /** Fewer than these may all have the same end by chance. */
    private static final int FEW = 60;

    private static final Duration SHORTENING = Duration.ofSeconds(40);

    /** Device 1:3 of Linux, as st_rdev. */
    private static final long NULL_DEVICE = 0x103;

    private static final Set<String> OF_THE_IMAGE =
            Set.of("/m/file", "/m/other", "/m/dir", "/m/protected", "/m/text", "/home");

    /** Lets everything pass but for a call that nothing here makes. */
    private static final String PROFILE = """
            {"defaultAction": "SCMP_ACT_ALLOW",
             "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]}
            """;

    @RegisterExtension
    static final Live live = Live.server();

    private static final Map<String, String> IMAGES = new HashMap<>();

    private static Path profile = Path.of("/");
    private static Set<String> allCapabilities = Set.of();

    @BeforeAll
    static void prepare() throws IOException {
        profile = Files.writeString(live.directory("profiles").resolve("allow.json"), PROFILE);
        allCapabilities = new Proc(live.portafilter().pid()).capabilities("CapBnd");
    }

    /** By the configured user. */
    private static String image(String user) {
        return IMAGES.computeIfAbsent(
                user, name -> live.image(Image.BASE.withConfig(name.isEmpty() ? "" : "\"User\":\"" + name + "\"")));
    }

    // Made when it is first used.
    private static final class Image {
        static final TestImage BASE = TestImages.busyboxWith(new TarWriter()
                .file("etc/passwd", IdentityCasesTest.PASSWD)
                .file("etc/group", IdentityCasesTest.GROUP)
                .directory("m")
                .file("m/file", "secret\n")
                .file("m/other", "secret\n")
                .directory("m/dir")
                .file("m/dir/inside", "secret\n")
                .directory("m/protected")
                .file("m/text", "text\n"));
    }

    private static boolean isThere(String path) {
        return OF_THE_IMAGE.contains(path)
                || ((path.startsWith("/proc/") || path.startsWith("/sys/")) && Files.exists(Path.of(path)));
    }

    /** A pod whose security context is this one and no more. */
    private static Pod run(LinuxSandboxSecurityContext context) {
        return live.pod()
                .namespaces(n -> n.clear().mergeFrom(context.getNamespaceOptions()))
                .security(security -> security.clear().mergeFrom(context))
                .run();
    }

    private static ContainerFixture container(Pod pod, String image, LinuxContainerSecurityContext context) {
        return pod.container(image)
                .command("/bin/sleep", "1000")
                .security(security -> security.clear().mergeFrom(context));
    }

    /** What became of contexts: a test in which nearly all are refused, or none, would show little. */
    private enum End {
        POD_REFUSED,
        CONTAINER_REFUSED,
        ACCEPTED
    }

    private static final Map<End, Integer> ENDS = new EnumMap<>(End.class);

    /** Runs one; answers what is wrong. */
    private static Optional<Throwable> failure(RandomSecurityContext context, Host before) {
        try {
            var _ = ENDS.merge(judge(context), 1, Integer::sum);
            removeAll();
            live.awaitAsBefore(before);
            return Optional.empty();
        } catch (AssertionError | RuntimeException e) {
            removeAll();
            return Optional.of(e);
        }
    }

    private static void removeAll() {
        live.cri().pods().forEach(pod -> live.cri().removePod(pod.getId()));
    }

    private static End judge(RandomSecurityContext context) {
        LinuxSandboxSecurityContext ofPod = context.pod();
        Reasons wrongPod = SecurityContextModel.refusedPod(ofPod);
        if (!wrongPod.isEmpty()) {
            refused(() -> run(ofPod), wrongPod);
            assertThat(live.cri().pods()).isEmpty();
            return End.POD_REFUSED;
        }
        Pod pod = run(ofPod);
        LinuxContainerSecurityContext asked = context.container();
        Map<String, Container> targets = targets(pod, asked);
        LinuxContainerSecurityContext ofContainer = asked.toBuilder()
                .setNamespaceOptions(asked.getNamespaceOptions().toBuilder()
                        .setTargetId(Optional.ofNullable(
                                        targets.get(asked.getNamespaceOptions().getTargetId()))
                                .map(Container::id)
                                .orElse(asked.getNamespaceOptions().getTargetId())))
                .build();
        if (!asked.hasNamespaceOptions()) {
            ofContainer = ofContainer.toBuilder().clearNamespaceOptions().build();
        }
        Optional<Container> running = Optional.ofNullable(targets.get(RandomSecurityContext.RUNNING));
        SecurityContextModel model = new SecurityContextModel(
                context.imageUser(),
                IdentityCasesTest.PASSWD,
                IdentityCasesTest.GROUP,
                allCapabilities,
                id -> running.filter(target -> target.id().equals(id)).isPresent(),
                path -> path.equals(profile.toString()),
                RandomSecurityContextsTest::isThere);
        Reasons wrong = model.refused(ofPod, ofContainer);
        ContainerFixture fixture = container(pod, image(context.imageUser()), ofContainer);
        if (!wrong.isEmpty()) {
            Host before = live.host();
            refused(fixture::create, wrong);
            assertThat(live.cri()
                            .runtime()
                            .listContainers(ListContainersRequest.getDefaultInstance())
                            .getContainersList())
                    .hasSize(targets.size());
            assertThat(live.host().remainsSince(before)).isEmpty();
            return End.CONTAINER_REFUSED;
        }
        accepted(pod, fixture.start(), model.rights(ofPod, ofContainer), running);
        return End.ACCEPTED;
    }

    /** What the context names as a target: a container that runs, or one that has exited. */
    private static Map<String, Container> targets(Pod pod, LinuxContainerSecurityContext asked) {
        String target = asked.getNamespaceOptions().getTargetId();
        if (!Set.of(RandomSecurityContext.RUNNING, RandomSecurityContext.STOPPED)
                .contains(target)) {
            return Map.of();
        }
        LinuxContainerSecurityContext.Builder plain = LinuxContainerSecurityContext.newBuilder();
        plain.getNamespaceOptionsBuilder().setPid(NamespaceMode.CONTAINER);
        Container beside = container(
                        pod,
                        image(""),
                        plain.setRunAsUser(zero())
                                .setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict)
                                .build())
                .start();
        if (target.equals(RandomSecurityContext.STOPPED)) {
            beside.stop(Duration.ZERO);
        }
        return Map.of(target, beside);
    }

    private static Int64Value zero() {
        return Int64Value.getDefaultInstance();
    }

    private static void refused(Runnable call, Reasons reasons) {
        Refusal refusal;
        try {
            refusal = Refusal.of(call);
        } catch (AssertionError e) {
            throw new AssertionError("accepted, though " + reasons, e);
        }
        Set<Status.Code> codes = reasons.namesSecurityModule()
                ? Set.of(Status.Code.INVALID_ARGUMENT, Status.Code.UNIMPLEMENTED, Status.Code.FAILED_PRECONDITION)
                : Set.of(Status.Code.INVALID_ARGUMENT);
        assertThat(codes).as("%s, though %s", refusal, reasons).contains(refusal.code());
    }

    private static void accepted(Pod pod, Container container, Rights expected, Optional<Container> target) {
        Proc process = container.process();
        ProcessRights first = ProcessRights.of(process.status());
        sets("the first process", first, expected);
        assertThat(first.uids()).as("uid on the host").isEqualTo(Set.of(onHost(expected.uid(), expected.uidMap())));
        assertThat(first.gids()).as("gid on the host").isEqualTo(Set.of(onHost(expected.gid(), expected.gidMap())));
        assertThat(first.groups())
                .as("groups on the host")
                .isEqualTo(expected.groups().stream()
                        .map(group -> onHost(group, expected.gidMap()))
                        .toList());

        ProcessRights exec = ProcessRights.ofExec(container);
        sets("an exec", exec, expected);
        assertThat(exec.uids()).as("uid").isEqualTo(Set.of(expected.uid()));
        assertThat(exec.gids()).as("gid").isEqualTo(Set.of(expected.gid()));
        assertThat(exec.groups()).as("groups").isEqualTo(expected.groups());
        assertThat(container.status().getUser().getLinux())
                .isEqualTo(LinuxContainerUser.newBuilder()
                        .setUid(expected.uid())
                        .setGid(expected.gid())
                        .addAllSupplementalGroups(expected.groups())
                        .build());

        namespaces(pod.pause(), process, expected, target);
        map(process, "uid_map", expected.uidMap());
        map(process, "gid_map", expected.gidMap());
        files(process, expected);
    }

    private static void sets(String whose, ProcessRights seen, Rights expected) {
        assertThat(seen.bounding()).as("bounding set of %s", whose).isEqualTo(expected.bounding());
        assertThat(seen.permitted()).as("permitted set of %s", whose).isEqualTo(expected.usable());
        assertThat(seen.effective()).as("effective set of %s", whose).isEqualTo(expected.usable());
        assertThat(seen.inheritable()).as("inheritable set of %s", whose).isEqualTo(expected.kept());
        assertThat(seen.ambient()).as("ambient set of %s", whose).isEqualTo(expected.kept());
        assertThat(seen.noNewPrivs()).as("no_new_privs of %s", whose).isEqualTo(expected.noNewPrivs());
        assertThat(seen.seccomp()).as("seccomp mode of %s", whose).isEqualTo(expected.filtered() ? 2 : 0);
        assertThat(seen.filters()).as("filters of %s", whose).isEqualTo(expected.filtered() ? 1 : 0);
    }

    private static long onHost(long id, Optional<String> map) {
        return id + map.map(line -> Long.parseLong(line.split(" ")[1])).orElse(0L);
    }

    private static void namespaces(Proc pause, Proc process, Rights expected, Optional<Container> target) {
        Map<String, Whose> whose = new HashMap<>();
        whose.put("net", expected.network());
        whose.put("uts", expected.network());
        whose.put("ipc", expected.ipc());
        whose.put("pid", expected.pid());
        whose.put("user", expected.uidMap().isPresent() ? Whose.POD : Whose.HOST);
        whose.put("mnt", Whose.OWN);
        whose.forEach((kind, owner) -> {
            String seen = process.namespace(kind);
            String pods = pause.namespace(kind);
            String hosts = Proc.self().namespace(kind);
            switch (owner) {
                case POD ->
                    assertThat(seen).as("%s is the pod's", kind).isEqualTo(pods).isNotEqualTo(hosts);
                case HOST -> assertThat(seen).as("%s is the host's", kind).isEqualTo(hosts);
                case OWN ->
                    assertThat(List.of(pods, hosts)).as("%s is its own", kind).doesNotContain(seen);
                case TARGET ->
                    assertThat(seen)
                            .as("%s is the target's", kind)
                            .isEqualTo(target.orElseThrow().process().namespace(kind));
            }
        });
    }

    private static void map(Proc process, String file, Optional<String> expected) {
        String hosts = Proc.self().read(file).strip().replaceAll(" +", " ");
        assertThat(process.read(file).strip().replaceAll(" +", " ")).as(file).isEqualTo(expected.orElse(hosts));
    }

    /** What is mounted where masks and read-only paths could be, and what is seen of what they hide. */
    private static void files(Proc process, Rights expected) {
        List<Proc.Mount> mounts = process.mounts();
        Set<String> points = mounts.stream().map(Proc.Mount::point).collect(Collectors.toCollection(HashSet::new));
        points.retainAll(Stream.concat(RandomSecurityContext.MASKED.stream(), RandomSecurityContext.READ_ONLY.stream())
                .collect(Collectors.toSet()));
        Set<String> asked = new HashSet<>(expected.masked());
        asked.addAll(expected.readOnly());
        assertThat(points).as("masks and read-only paths").isEqualTo(asked);
        for (String path : expected.readOnly()) {
            assertThat(mounts)
                    .as("read-only %s", path)
                    .anyMatch(mount ->
                            mount.point().equals(path) && mount.options().contains("ro"));
        }
        expected.masked().forEach(path -> hidden(process.path("root" + path)));
        assertThat(mounts)
                .filteredOn(mount -> mount.point().equals("/"))
                .singleElement()
                .satisfies(root -> assertThat(root.options().contains("ro"))
                        .as("read-only root")
                        .isEqualTo(expected.readOnlyRoot()));
    }

    private static void hidden(Path path) {
        try {
            if (Files.isDirectory(path)) {
                assertThat(path).isEmptyDirectory();
            } else {
                assertThat(Files.getAttribute(path, "unix:rdev"))
                        .as("device of %s", path)
                        .isEqualTo(NULL_DEVICE);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Leaves out one part after the other as long as it still fails. */
    private static RandomSecurityContext shortened(RandomSecurityContext failing, Host before) {
        long end = System.nanoTime() + SHORTENING.toNanos();
        RandomSecurityContext shortest = failing;
        for (int i = failing.parts().size() - 1; i >= 0 && System.nanoTime() < end; i--) {
            RandomSecurityContext candidate = shortest.without(i);
            if (failure(candidate, before).isPresent()) {
                shortest = candidate;
            }
        }
        return shortest;
    }

    @Test
    void whatIsAcceptedIsExactlyAsTheModelSaysAndTheRestIsRefused() {
        int begun = live.portafilter().logText().length();
        // what is kept ready on purpose is there afterwards
        for (long seed = FIRST_SEED - 5; seed < FIRST_SEED; seed++) {
            var _ = failure(RandomSecurityContext.of(new Random(seed), profile.toString()), live.host());
        }
        removeAll();
        RandomSecurityContext plain = new RandomSecurityContext("", List.of());
        Await.until("the server is quiet", Duration.ofSeconds(10), () -> {
            Host one = live.host();
            return failure(plain, one).isEmpty();
        });
        Host before = live.host();
        ENDS.clear();
        for (long seed = FIRST_SEED; seed < FIRST_SEED + CONTEXTS; seed++) {
            RandomSecurityContext context = RandomSecurityContext.of(new Random(seed), profile.toString());
            Optional<Throwable> failed = failure(context, before);
            if (failed.isPresent()) {
                RandomSecurityContext shortest = shortened(context, before);
                throw new AssertionError(
                        "seed " + seed + " of " + context.parts().size() + " parts, fails also with these: " + shortest
                                + "\n" + failed.get().getMessage(),
                        failed.get());
            }
        }
        for (End end : CONTEXTS < FEW ? List.<End>of() : List.of(End.values())) {
            assertThat(ENDS.getOrDefault(end, 0))
                    .as("%s of %s, first seed %d", end, ENDS, FIRST_SEED)
                    .isGreaterThan(CONTEXTS / 20);
        }
        assertThat(live.portafilter().logText().substring(begun).lines().filter(line -> line.contains(" ERROR ")))
                .isEmpty();
    }
}
