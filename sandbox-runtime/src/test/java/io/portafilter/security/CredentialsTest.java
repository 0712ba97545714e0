package io.portafilter.security;

import static io.portafilter.security.SecurityFixture.container;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CredentialsTest {

    private static SecurityFixture withAccounts() {
        return container()
                .passwd(
                        "root:x:0:0:root:/root:/bin/sh",
                        "app:x:1000:1001:App,,,:/home/app:/bin/sh",
                        "web:x:33:33::/var/www:/sbin/nologin")
                .group("root:x:0:", "app:x:1001:", "web:x:33:app", "logs:x:50000:web,app", "staff:x:50:webapp,ap");
    }

    // ---- user

    @Test
    void isRootWhenNothingIsAsked() {
        assertThat(container().user())
                .extracting(Credentials::uid, Credentials::gid, Credentials::home)
                .containsExactly(0L, 0L, "/");
        assertThat(withAccounts().user().home()).isEqualTo("/root");
    }

    @Test
    void takesANumberThatTheImageDoesNotKnowWithGroupZero() {
        Credentials user = withAccounts().runAsUser(4711).user();
        assertThat(user.uid()).isEqualTo(4711);
        assertThat(user.gid()).isZero();
        assertThat(user.groups()).containsExactly(0L);
        assertThat(user.userName()).isEmpty();
        assertThat(user.home()).isEqualTo("/");
    }

    @Test
    void takesGroupNameAndHomeOfANumberFromTheImage() {
        assertThat(withAccounts().runAsUser(1000).strictGroups().user())
                .isEqualTo(new Credentials(1000, 1001, java.util.List.of(1001L), "app", "/home/app"));
    }

    @Test
    void letsANameWinOverANumber() {
        assertThat(withAccounts().runAsUser(0).runAsUsername("app").user().uid())
                .isEqualTo(1000);
    }

    @Test
    void letsTheRequestWinOverTheWholeUserOfTheImage() {
        Credentials user = withAccounts().runAsUser(33).imageUser("app:50000").user();
        assertThat(user.uid()).isEqualTo(33);
        assertThat(user.gid()).isEqualTo(33);
    }

    @Test
    void refusesAnUnknownName() {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> withAccounts().runAsUsername("nobody").plan())
                .withMessageContaining("run_as_username: the user \"nobody\" is not in the image's /etc/passwd");
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> container().imageUser("app").plan())
                .withMessageContaining("the user \"app\" is not in the image's /etc/passwd");
    }

    @ParameterizedTest
    @CsvSource({
        "1000, 1000, 1001",
        "1000:7, 1000, 7",
        "app, 1000, 1001",
        "app:logs, 1000, 50000",
        "app:0, 1000, 0",
        "0:web, 0, 33",
        "4711, 4711, 0",
        "4711:app, 4711, 1001",
        "app:, 1000, 1001",
        "0001000, 1000, 1001",
        "2147483647:2147483647, 2147483647, 2147483647"
    })
    void readsTheUserOfTheImage(String imageUser, long uid, long gid) {
        Credentials user = withAccounts().imageUser(imageUser).user();
        assertThat(user.uid()).isEqualTo(uid);
        assertThat(user.gid()).isEqualTo(gid);
    }

    @ParameterizedTest
    @ValueSource(strings = {":", ":0", ":app", "app:web:", "app:web:logs", "app:nosuch", " app", "app ", "App", "*"})
    void refusesAUserOfTheImageThatNamesNobody(String imageUser) {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> withAccounts().imageUser(imageUser).plan())
                .withMessageContaining("of the image");
    }

    // ---- group

    @Test
    void refusesAGroupWithoutAUserEvenIfTheImageHasOne() {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> withAccounts().runAsGroup(1).imageUser("app").plan())
                .withMessageContaining("run_as_group: the group 1 without a user");
    }

    @Test
    void prefersTheGroupThatWasAskedFor() {
        assertThat(withAccounts().runAsUser(1000).runAsGroup(5).user().gid()).isEqualTo(5);
        assertThat(withAccounts().runAsUsername("web").runAsGroup(0).user().gid())
                .isZero();
    }

    // ---- supplementary groups

    @Test
    void mergesTheGroupsOfTheImageWithThoseOfThePod() {
        assertThat(withAccounts()
                        .runAsUser(1000)
                        .supplementalGroups(1234L)
                        .user()
                        .groups())
                .containsExactly(33L, 1001L, 1234L, 50_000L);
    }

    @Test
    void takesOnlyThePodsGroupsWhenStrict() {
        assertThat(withAccounts()
                        .runAsUser(1000)
                        .supplementalGroups(1234L)
                        .strictGroups()
                        .user()
                        .groups())
                .containsExactly(1001L, 1234L);
    }

    @Test
    void sortsGroupsAndDropsDuplicates() {
        assertThat(withAccounts()
                        .runAsUser(1000)
                        .runAsGroup(9)
                        .supplementalGroups(50_000L, 9L, 3L, 3L)
                        .user()
                        .groups())
                .containsExactly(3L, 9L, 33L, 50_000L);
    }

    @Test
    void mergesTheGroupsOfTheNameAndNotOfTheNumber() {
        SecurityFixture twins = container()
                .passwd("first:x:5:5::/:", "second:x:5:6::/:")
                .group("one:x:101:first", "two:x:102:second", "digits:x:103:5");
        assertThat(twins.runAsUsername("second").user().groups()).containsExactly(6L, 102L);
        assertThat(container()
                        .passwd("first:x:5:5::/:", "second:x:5:6::/:")
                        .group("one:x:101:first", "two:x:102:second", "digits:x:103:5")
                        .runAsUser(5)
                        .user()
                        .groups())
                .containsExactly(5L, 101L);
    }

    @Test
    void givesAnUnknownNumberNoGroupOfTheImage() {
        assertThat(container()
                        .group("evil:x:0:4711", "wheel:x:10:")
                        .runAsUser(4711)
                        .runAsGroup(4711)
                        .user()
                        .groups())
                .containsExactly(4711L);
    }

    // ---- ids out of range, numbers and names

    @ParameterizedTest
    @ValueSource(longs = {-1, 2_147_483_648L, 4_294_967_295L, 4_294_967_296L, Long.MAX_VALUE, Long.MIN_VALUE})
    void refusesIdsOutOfRangeInsteadOfCuttingThem(long id) {
        assertOutOfRange("run_as_user", container().runAsUser(id));
        assertOutOfRange("run_as_group", container().runAsUser(1).runAsGroup(id));
        assertOutOfRange("supplemental_groups", container().supplementalGroups(id));
        assertOutOfRange("user of the image", container().imageUser(Long.toString(id)));
        assertOutOfRange("group of the image's user", container().imageUser("0:" + id));
        assertOutOfRange("run_as_username", container().runAsUsername(Long.toString(id)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"4294967296", "99999999999999999999", "18446744073709551616", "-1", "+1000", "-0", "2147483648"})
    void neverTakesANumberAsAName(String number) {
        SecurityFixture trap = container()
                .passwd(number + ":x:0:0::/root:/bin/sh", "x:x:0:0::/:")
                .group(number + ":x:0:");
        assertOutOfRange("user of the image", trap.imageUser(number));
        assertOutOfRange("run_as_username", trap.imageUser("").runAsUsername(number));
        assertOutOfRange(
                "group of the image's user", container().group(number + ":x:0:").imageUser("5:" + number));
    }

    @Test
    void doesNotTakeANumberForTheNameOfALine() {
        Credentials user = container()
                .passwd("1000:x:0:0::/root:/bin/sh", "app:x:1000:1000::/app:/bin/sh")
                .imageUser("1000")
                .user();
        assertThat(user.uid()).isEqualTo(1000);
        assertThat(user.userName()).isEqualTo("app");
    }

    @Test
    void refusesIdsOutOfRangeInTheLinesThatItUses() {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> container()
                        .passwd("app:x:4294967296:0::/:")
                        .runAsUsername("app")
                        .plan())
                .withMessageContaining("uid of app in the image's /etc/passwd: the id 4294967296 is out of range");
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> container()
                        .passwd("app:x:5:4294967296::/:")
                        .runAsUser(5)
                        .plan())
                .withMessageContaining("gid of app");
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> container()
                        .passwd("app:x:5:5::/:")
                        .group("big:x:4294967296:app")
                        .runAsUser(5)
                        .plan())
                .withMessageContaining("gid of big");
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> container()
                        .group("big:x:4294967296:")
                        .imageUser("5:big")
                        .plan())
                .withMessageContaining("gid of big");
    }

    @Test
    void takesNoNoticeOfLinesThatItDoesNotUse() {
        assertThat(container()
                        .passwd("nobody4:x:4294967294:4294967294::/:", "app:x:5:6::/:")
                        .group("big:x:4294967296:other")
                        .runAsUsername("app")
                        .user()
                        .uid())
                .isEqualTo(5);
    }

    // ---- the files

    @Test
    void skipsMalformedLines() {
        Credentials user = container()
                .passwd(
                        "",
                        "# app:x:1:1::/:",
                        "app",
                        "app:x",
                        "app:x:two:2::/:",
                        "app:x:3",
                        ":x:4:4::/:",
                        "+app:x:5:5::/:",
                        "-app:x:5:5::/:",
                        "app:x::6::/:",
                        "app:x:0x7:7::/:",
                        "  app:x:1000:1000:a:/home/app:/bin/sh  ",
                        "app:x:0:0::/root:")
                .group("logs", "logs:x:a:app", "logs:x", ":x:1:app", "logs:x:77:app")
                .runAsUsername("app")
                .user();
        assertThat(user.uid()).isEqualTo(1000);
        assertThat(user.home()).isEqualTo("/home/app");
        assertThat(user.groups()).containsExactly(77L, 1000L);
    }

    @Test
    void takesTheRootDirectoryForAHomeThatIsNone() {
        assertThat(container()
                        .passwd("app:x:5:6::relative:")
                        .runAsUser(5)
                        .user()
                        .home())
                .isEqualTo("/");
        assertThat(container().passwd("app:x:5:6").runAsUser(5).user().home()).isEqualTo("/");
    }

    @Test
    void refusesFilesThatAreTooLarge() {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> new ImageAccounts("", "x".repeat(ImageAccounts.LIMIT_BYTES + 1)))
                .withMessageContaining("/etc/group is larger");
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> new ImageAccounts("\n".repeat(ImageAccounts.LIMIT_LINES + 1), ""))
                .withMessageContaining("/etc/passwd has more than");
    }

    @Test
    void refusesMoreGroupsThanAreReasonable() {
        String many = IntStream.rangeClosed(1, ImageAccounts.LIMIT_GROUPS + 1)
                .mapToObj(id -> "g" + id + ":x:" + id + ":app")
                .collect(Collectors.joining("\n"));
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> container()
                        .passwd("app:x:5:5::/:")
                        .group(many)
                        .runAsUser(5)
                        .plan())
                .withMessageContaining("more than 1024 groups");
        assertThat(container()
                        .passwd("app:x:5:5::/:")
                        .group(many)
                        .runAsUser(5)
                        .strictGroups()
                        .user()
                        .groups())
                .containsExactly(5L);
    }

    private static void assertOutOfRange(String field, SecurityFixture asked) {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(asked::plan)
                .withMessageContaining(field + ": the id ")
                .withMessageContaining("is out of range; give a number from 0 to 2147483647");
    }
}
