package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.LinuxContainerUser;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Who a container's program is: all its user and group ids and its groups, of the first process, of an exec and in
 * ContainerStatus, for requests and images of every shape.
 */
class IdentityCasesTest {
    private static final long MAX = Integer.MAX_VALUE;
    private static final int FIRST_HOST_ID = 2_097_152;

    /** Second names of a number, second lines of a name, names that look like numbers, ids out of range, broken lines. */
    static final String PASSWD = """
            root:x:0:0:root:/root:/bin/sh
            # app:x:9:9
            app:x:1000:1000:app:/home/app:/bin/sh
            other:x:1001:1001:other:/:/bin/sh
            twin:x:1000:3000:the same number:/:/bin/sh
            app:x:5555:5555:a second line:/:/bin/sh
            1234:x:4000:4000:a name of digits:/:/bin/sh
            broken:x:
            big:x:4294967296:0:wraps to root:/:/bin/sh
            wide:x:1002:4294967296:its group wraps to root's:/:/bin/sh
            minus:x:-1:-1:nobody:/:/bin/sh
            max:x:2147483647:2147483647:the last:/:/bin/sh
            far:x:70000:70000:beyond a user namespace:/:/bin/sh
            """;

    static final String GROUP = """
            root:x:0:
            app:x:1000:app
            disk:x:2000:app
            audio:x:2001:other,app
            same:x:2000:app,root
            twins:x:3001:twin
            2468:x:9999:
            broken:x
            huge:x:4294967296:wide
            listed:x:7000:root
            far:x:70001:other
            """;

    @RegisterExtension
    static final Live live = Live.server();

    private record Case(String name, Consumer<ContainerFixture> asked, long uid, long gid, List<Long> groups) {
        Case(String name, Consumer<ContainerFixture> asked, long uid, long gid, long... groups) {
            this(name, asked, uid, gid, Arrays.stream(groups).boxed().toList());
        }
    }

    private record Refused(String name, Consumer<ContainerFixture> asked, String says) {}

    /** What an image's {@code User} becomes. */
    private record Shape(String user, long uid, long gid, List<Long> groups) {
        Shape(String user, long uid, long gid, long... groups) {
            this(user, uid, gid, Arrays.stream(groups).boxed().toList());
        }
    }

    private static String image(String user) {
        return live.image(Image.BASE.withConfig(user.isEmpty() ? "" : "\"User\":\"" + user + "\""));
    }

    // Made when it is first used.
    private static final class Image {
        static final TestImage BASE = TestImages.busyboxWith(
                new TarWriter().file("etc/passwd", PASSWD).file("etc/group", GROUP));
    }

    private static ContainerFixture idle(Pod pod, String user) {
        return pod.container(image(user)).command("/bin/sleep", "1000");
    }

    private static void is(ContainerFixture fixture, long uid, long gid, List<Long> groups) {
        Container container = fixture.start();
        for (ProcessRights rights : List.of(ProcessRights.ofFirst(container), ProcessRights.ofExec(container))) {
            assertThat(rights.uids()).as("uid").isEqualTo(Set.of(uid));
            assertThat(rights.gids()).as("gid").isEqualTo(Set.of(gid));
            assertThat(rights.groups()).as("groups").isEqualTo(groups);
        }
        tells(container, uid, gid, groups);
        container.remove();
    }

    private static void tells(Container container, long uid, long gid, List<Long> groups) {
        assertThat(container.status().getUser().getLinux())
                .isEqualTo(LinuxContainerUser.newBuilder()
                        .setUid(uid)
                        .setGid(gid)
                        .addAllSupplementalGroups(groups)
                        .build());
    }

    private static void refuses(ContainerFixture fixture, String says) {
        Refusal refusal = Refusal.of(fixture::create);
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains(says);
        assertThat(live.cri()
                        .runtime()
                        .listContainers(ListContainersRequest.getDefaultInstance())
                        .getContainersList())
                .isEmpty();
    }

    private static DynamicTest named(String name, org.junit.jupiter.api.function.Executable test) {
        return DynamicTest.dynamicTest(name, test);
    }

    @TestFactory
    Stream<DynamicTest> theRequestDecidesWhoRuns() {
        Pod pod = live.pod().run();
        return AtOnce.cases(Stream.of(
                        new Case("nothing", c -> {}, 0, 0, 0, 2000, 7000),
                        new Case("user 0", c -> c.runAsUser(0), 0, 0, 0, 2000, 7000),
                        new Case("a user of the image", c -> c.runAsUser(1000), 1000, 1000, 1000, 2000, 2001),
                        new Case("a user unknown to the image", c -> c.runAsUser(4242), 4242, 0, 0),
                        new Case("the last user", c -> c.runAsUser(MAX), MAX, MAX, MAX),
                        new Case("the last user but one", c -> c.runAsUser(MAX - 1), MAX - 1, 0, 0),
                        new Case("a group too", c -> c.runAsUser(1000).runAsGroup(77), 1000, 77, 77, 1000, 2000, 2001),
                        new Case("group 0", c -> c.runAsUser(1001).runAsGroup(0), 1001, 0, 0, 2001, 70001),
                        new Case("the last group", c -> c.runAsUser(4242).runAsGroup(MAX), 4242, MAX, MAX),
                        new Case("root and a group", c -> c.runAsUser(0).runAsGroup(77), 0, 77, 77, 2000, 7000),
                        new Case("a name", c -> c.runAsUsername("app"), 1000, 1000, 1000, 2000, 2001),
                        new Case("a second name of a number", c -> c.runAsUsername("twin"), 1000, 3000, 3000, 3001),
                        new Case(
                                "a name and a group",
                                c -> c.runAsUsername("other").runAsGroup(5),
                                1001,
                                5,
                                5,
                                2001,
                                70001),
                        new Case(
                                "a name wins over a number",
                                c -> c.runAsUser(0).runAsUsername("other"),
                                1001,
                                1001,
                                1001,
                                2001,
                                70001),
                        new Case("digits are a number and no name", c -> c.runAsUsername("1234"), 1234, 0, 0),
                        new Case(
                                "digits of a known number", c -> c.runAsUsername("1000"), 1000, 1000, 1000, 2000, 2001))
                .map(one -> named(
                        one.name(), () -> is(asked(idle(pod, ""), one.asked()), one.uid(), one.gid(), one.groups()))));
    }

    private static ContainerFixture asked(ContainerFixture fixture, Consumer<ContainerFixture> more) {
        more.accept(fixture);
        return fixture;
    }

    @TestFactory
    Stream<DynamicTest> whatIsNobodyIsRefused() {
        Pod pod = live.pod().run();
        Stream<Refused> outOfRange = Stream.of(-1L, MAX + 1, 0xFFFF_FFFFL, 1L << 32, Long.MAX_VALUE, Long.MIN_VALUE)
                .flatMap(id -> Stream.of(
                        new Refused("user " + id, c -> c.runAsUser(id), "run_as_user"),
                        new Refused("group " + id, c -> c.runAsUser(0).runAsGroup(id), "run_as_group"),
                        new Refused(
                                "supplemental group " + id,
                                c -> c.security(s -> s.addSupplementalGroups(1).addSupplementalGroups(id)),
                                "supplemental_groups")));
        return Stream.concat(
                        outOfRange,
                        Stream.of(
                                new Refused("a group without a user", c -> c.runAsGroup(0), "run_as_group"),
                                new Refused("a name that is not there", c -> c.runAsUsername("ghost"), "ghost"),
                                new Refused("a name of a comment", c -> c.runAsUsername("# app"), "app"),
                                new Refused("a name of a broken line", c -> c.runAsUsername("broken"), "broken"),
                                new Refused("a name with a colon", c -> c.runAsUsername("app:x"), "app:x"),
                                new Refused(
                                        "a number that wraps to root",
                                        c -> c.runAsUsername("4294967296"),
                                        "4294967296"),
                                new Refused("a negative number as a name", c -> c.runAsUsername("-1"), "-1"),
                                new Refused("a number with a plus", c -> c.runAsUsername("+0"), "+0"),
                                new Refused(
                                        "a name whose number wraps to root", c -> c.runAsUsername("big"), "4294967296"),
                                new Refused(
                                        "a name whose group wraps to root's",
                                        c -> c.runAsUsername("wide"),
                                        "4294967296"),
                                new Refused(
                                        "a number whose group wraps to root's", c -> c.runAsUser(1002), "4294967296"),
                                new Refused(
                                        "a user who is in a group that wraps to root's",
                                        c -> c.runAsUser(1002).runAsGroup(5),
                                        "4294967296"),
                                new Refused("a name whose number is negative", c -> c.runAsUsername("minus"), "-1")))
                .map(one -> named(one.name(), () -> refuses(asked(idle(pod, ""), one.asked()), one.says())));
    }

    @TestFactory
    Stream<DynamicTest> theImageDecidesWhereTheRequestSaysNothing() {
        Pod pod = live.pod().run();
        return AtOnce.cases(Stream.of(
                        new Shape("root", 0, 0, 0, 2000, 7000),
                        new Shape("0", 0, 0, 0, 2000, 7000),
                        new Shape("app", 1000, 1000, 1000, 2000, 2001),
                        new Shape("app:", 1000, 1000, 1000, 2000, 2001),
                        new Shape("1000", 1000, 1000, 1000, 2000, 2001),
                        new Shape("001000", 1000, 1000, 1000, 2000, 2001),
                        new Shape("twin", 1000, 3000, 3000, 3001),
                        new Shape("4242", 4242, 0, 0),
                        new Shape("4242:audio", 4242, 2001, 2001),
                        new Shape("4242:77", 4242, 77, 77),
                        new Shape("app:audio", 1000, 2001, 1000, 2000, 2001),
                        new Shape("app:0", 1000, 0, 0, 1000, 2000, 2001),
                        new Shape("1000:root", 1000, 0, 0, 1000, 2000, 2001),
                        new Shape("1234:2468", 1234, 2468, 2468),
                        new Shape("2147483647:2147483647", MAX, MAX, MAX))
                .map(one -> named(
                        "User " + one.user(), () -> is(idle(pod, one.user()), one.uid(), one.gid(), one.groups()))));
    }

    @TestFactory
    Stream<DynamicTest> anImageWhoseUserIsNobodyIsRefusedAndRunsAsSomebodyElse() {
        Pod pod = live.pod().run();
        return Stream.of(
                        "ghost",
                        "app:ghost",
                        ":5",
                        ":",
                        "app:1000:1000",
                        " app",
                        "2147483648",
                        "4294967296",
                        "4294967295",
                        "18446744073709551616",
                        "-1",
                        "+1000",
                        "1000:2147483648",
                        "1000:4294967296",
                        "1000:-1",
                        "big",
                        "wide",
                        "minus")
                .map(user -> named("User " + user, () -> {
                    refuses(idle(pod, user), "image");
                    is(idle(pod, user).runAsUser(4242), 4242, 0, List.of(0L));
                }));
    }

    @TestFactory
    Stream<DynamicTest> groupsAreThoseAskedForAndByThePolicyThoseOfTheImage() {
        Pod pod = live.pod().run();
        return AtOnce.cases(Stream.of(
                        new Case(
                                "sorted, each once",
                                c -> c.runAsUser(1000)
                                        .security(s -> s.addAllSupplementalGroups(List.of(9L, 5L, 9L, 2000L, 5L))),
                                1000,
                                1000,
                                5,
                                9,
                                1000,
                                2000,
                                2001),
                        new Case(
                                "the primary among them",
                                c -> c.runAsUser(1000).security(s -> s.addSupplementalGroups(1000)),
                                1000,
                                1000,
                                1000,
                                2000,
                                2001),
                        new Case(
                                "the first and the last",
                                c -> c.runAsUser(4242)
                                        .runAsGroup(7)
                                        .security(s ->
                                                s.addSupplementalGroups(MAX).addSupplementalGroups(0)),
                                4242,
                                7,
                                0,
                                7,
                                MAX),
                        new Case("of root", c -> c.security(s -> s.addSupplementalGroups(5)), 0, 0, 0, 5, 2000, 7000),
                        new Case("strict, none", c -> strict(c.runAsUser(1000)), 1000, 1000, 1000),
                        new Case(
                                "strict, some",
                                c -> strict(c.runAsUser(1000))
                                        .security(s -> s.addAllSupplementalGroups(List.of(9L, 5L, 9L))),
                                1000,
                                1000,
                                5,
                                9,
                                1000),
                        new Case("strict, of root", c -> strict(c), 0, 0, 0),
                        new Case(
                                "strict, with a group",
                                c -> strict(c.runAsUser(1000).runAsGroup(77)),
                                1000,
                                77,
                                77),
                        new Case("strict, by name", c -> strict(c.runAsUsername("other")), 1001, 1001, 1001),
                        new Case(
                                "strict looks at no group of the image",
                                c -> strict(c.runAsUser(1002).runAsGroup(5)),
                                1002,
                                5,
                                5))
                .map(one -> named(
                        one.name(), () -> is(asked(idle(pod, ""), one.asked()), one.uid(), one.gid(), one.groups()))));
    }

    private static ContainerFixture strict(ContainerFixture fixture) {
        return fixture.security(s -> s.setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict));
    }

    @TestFactory
    Stream<DynamicTest> aPolicyThatIsNoneIsRefused() {
        Pod pod = live.pod().run();
        return Stream.of(
                named(
                        "of a container",
                        () -> refuses(
                                idle(pod, "").security(s -> s.setSupplementalGroupsPolicyValue(2)),
                                "supplemental_groups_policy")),
                named("of a pod", () -> {
                    Refusal refusal = Refusal.of(() -> live.pod()
                            .security(s -> s.setSupplementalGroupsPolicyValue(2))
                            .run());
                    assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
                    assertThat(refusal.message()).contains("supplemental_groups_policy");
                }));
    }

    /** Within the ids are as asked for; the host knows them by other numbers. */
    @TestFactory
    Stream<DynamicTest> inAUserNamespaceIdsAreThoseOfTheNamespaceAndAllMustExistThere() {
        Pod pod = live.pod().userNamespace(FIRST_HOST_ID).run();
        Stream<DynamicTest> exist = Stream.of(
                        new Case("nothing", c -> {}, 0, 0, 0, 2000, 7000),
                        new Case("a user", c -> c.runAsUser(1000), 1000, 1000, 1000, 2000, 2001),
                        new Case(
                                "the namespace's last",
                                c -> c.runAsUser(65535).runAsGroup(65535).security(s -> s.addSupplementalGroups(65534)),
                                65535,
                                65535,
                                65534,
                                65535),
                        new Case(
                                "strict, of a user with a group beyond",
                                c -> strict(c.runAsUser(1001)),
                                1001,
                                1001,
                                1001))
                .map(one -> named(one.name(), () -> {
                    Container container = asked(idle(pod, ""), one.asked()).start();
                    ProcessRights outside = ProcessRights.ofFirst(container);
                    assertThat(outside.uids()).isEqualTo(Set.of(FIRST_HOST_ID + one.uid()));
                    assertThat(outside.gids()).isEqualTo(Set.of(FIRST_HOST_ID + one.gid()));
                    assertThat(outside.groups())
                            .isEqualTo(one.groups().stream()
                                    .map(group -> FIRST_HOST_ID + group)
                                    .toList());
                    ProcessRights inside = ProcessRights.ofExec(container);
                    assertThat(inside.uids()).isEqualTo(Set.of(one.uid()));
                    assertThat(inside.gids()).isEqualTo(Set.of(one.gid()));
                    assertThat(inside.groups()).isEqualTo(one.groups());
                    tells(container, one.uid(), one.gid(), one.groups());
                    container.remove();
                }));
        Stream<DynamicTest> doNot = Stream.of(
                        new Refused("a user beyond", c -> c.runAsUser(65536), "65536"),
                        new Refused("a group beyond", c -> c.runAsUser(0).runAsGroup(65536), "65536"),
                        new Refused(
                                "a supplemental group beyond",
                                c -> c.security(s -> s.addSupplementalGroups(MAX)),
                                Long.toString(MAX)),
                        new Refused("a name beyond", c -> c.runAsUsername("far"), "70000"),
                        new Refused("a group of the image beyond", c -> c.runAsUser(1001), "70001"))
                .map(one -> named(one.name(), () -> refuses(asked(idle(pod, ""), one.asked()), one.says())));
        return Stream.concat(exist, doNot);
    }
}
