package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Programs that carry capabilities ({@code setcap(8)}) in an image's layer: they have them for a user other than root
 * when the container's bounding set does, and no_new_privs is off.
 */
class FileCapabilityTest {
    private static final int FIRST_HOST_ID = 0x110000;
    private static final String ATTRIBUTE = "security.capability";
    private static final int VFS_CAP_REVISION_2 = 0x0200_0000;
    private static final int VFS_CAP_REVISION_3 = 0x0300_0000;
    private static final int VFS_CAP_FLAGS_EFFECTIVE = 1;
    private static final int CAP_CHOWN = 0;
    private static final int CAP_SYS_TIME = 25;
    /** busybox takes the applet from its first argument when its own name begins with that of busybox. */
    private static final String SETS = " grep Cap /proc/self/status";

    private static final Set<String> NONE = Set.of();

    @RegisterExtension
    static final Live live = Live.server();

    private String image = "";

    @BeforeEach
    void push() {
        byte[] busybox = busybox();
        image = live.image(TestImages.busyboxWith(new TarWriter()
                .program("bin/busybox-chowner", busybox, ATTRIBUTE, version2(VFS_CAP_FLAGS_EFFECTIVE, CAP_CHOWN))
                .program("bin/busybox-permitted", busybox, ATTRIBUTE, version2(0, CAP_CHOWN))
                .program("bin/busybox-timer", busybox, ATTRIBUTE, version2(VFS_CAP_FLAGS_EFFECTIVE, CAP_SYS_TIME))
                .program("bin/busybox-of-root", busybox, ATTRIBUTE, version3(CAP_CHOWN, 0))
                .program("bin/busybox-of-another", busybox, ATTRIBUTE, version3(CAP_CHOWN, FIRST_HOST_ID))
                .program("bin/busybox-plain", busybox)));
    }

    private static byte[] busybox() {
        try {
            return Files.readAllBytes(Tree.busybox().orElseThrow());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** {@code struct vfs_cap_data} with one permitted capability (linux/capability.h). */
    private static byte[] version2(int flags, int capability) {
        return data(20, VFS_CAP_REVISION_2 | flags, capability).array();
    }

    /** {@code struct vfs_ns_cap_data}: for the user namespaces whose root is this id of the host. */
    private static byte[] version3(int capability, int root) {
        return data(24, VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE, capability)
                .putInt(20, root)
                .array();
    }

    private static ByteBuffer data(int length, int magic, int capability) {
        return ByteBuffer.allocate(length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0, magic)
                .putInt(4, 1 << capability);
    }

    private ContainerFixture app(PodFixture pod) {
        return pod.run().container(image).idle().runAsUser(1000);
    }

    private static Set<String> effective(Container container, String program) {
        return Proc.capabilityNames(
                Proc.required(Proc.parseStatus(container.shell("/bin/busybox-" + program + SETS)), "CapEff"));
    }

    /** Gives a file of its own away, which takes CAP_CHOWN. */
    private static String chown(Container container, String program) {
        String file = "/tmp/of-" + program;
        return container.shell("touch " + file + "; /bin/busybox-" + program + " chown 1001 " + file
                + " 2>/dev/null; stat -c %u " + file);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aUserOtherThanRootHasWhatTheProgramCarries(boolean mapped) {
        Container container = app(pod(mapped)).start();
        assertThat(effective(container, "chowner")).containsExactly("CHOWN");
        assertThat(effective(container, "plain")).isEmpty();
        assertThat(chown(container, "chowner")).isEqualTo("1001");
        assertThat(chown(container, "plain")).isEqualTo("1000");
    }

    private static PodFixture pod(boolean mapped) {
        return mapped ? live.pod().userNamespace(FIRST_HOST_ID) : live.pod();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aFilterChangesNothingOfThat(boolean mapped) {
        Container container =
                app(pod(mapped)).seccomp(ProfileType.RuntimeDefault).start();
        assertThat(effective(container, "chowner")).containsExactly("CHOWN");
        assertThat(chown(container, "chowner")).isEqualTo("1001");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void withNoNewPrivsTheProgramGainsNothing(boolean mapped) {
        Container container = app(pod(mapped)).noNewPrivs().start();
        assertThat(effective(container, "chowner")).isEqualTo(NONE);
        assertThat(chown(container, "chowner")).isEqualTo("1000");
    }

    /** The kernel refuses to run a program without the capabilities that it has to have (capabilities(7)). */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void withoutTheCapabilityInTheBoundingSetTheProgramDoesNotRun(boolean mapped) {
        Container container = app(pod(mapped)).drop("ALL").start();
        Container.Output output = container.exec("/bin/sh", "-c", "/bin/busybox-chowner" + SETS);
        assertThat(output.exitCode()).isEqualTo(126);
        assertThat(output.stderr()).contains("Operation not permitted");
        assertThat(chown(container, "chowner")).isEqualTo("1000");
    }

    @Test
    void aProgramThatOnlyMayHaveItRunsWithoutWhereTheBoundingSetLacksIt() {
        Container container = app(live.pod()).drop("ALL").start();
        assertThat(effective(container, "permitted")).isEqualTo(NONE);
        assertThat(Proc.parseStatus(container.shell("/bin/busybox-permitted" + SETS))
                        .get("CapPrm"))
                .isEqualTo("0000000000000000");
        Container with = app(live.pod()).drop("ALL").add("CHOWN").start();
        assertThat(effective(with, "permitted")).isEqualTo(NONE);
        assertThat(Proc.capabilityNames(
                        Proc.required(Proc.parseStatus(with.shell("/bin/busybox-permitted" + SETS)), "CapPrm")))
                .containsExactly("CHOWN");
    }

    @Test
    void oneCapabilityThatWasKeptIsEnough() {
        Container container = app(live.pod()).drop("ALL").add("CHOWN").start();
        assertThat(effective(container, "chowner")).containsExactly("CHOWN");
        assertThat(chown(container, "chowner")).isEqualTo("1001");
    }

    /** What an added capability is for a user other than root: nothing, until a program carries it. */
    @Test
    void anAddedCapabilityIsHadByTheProgramThatCarriesItAlone() {
        Container container = app(live.pod()).add("SYS_TIME").start();
        assertThat(effective(container, "timer")).containsExactly("SYS_TIME");
        assertThat(effective(container, "plain")).isEmpty();
        Container without = app(live.pod()).start();
        assertThat(without.exec("/bin/sh", "-c", "/bin/busybox-timer" + SETS).exitCode())
                .isEqualTo(126);
    }

    @Test
    void theFirstProcessMayBeSuchAProgram() {
        Container container = live.pod()
                .run()
                .container(image)
                .runAsUser(1000)
                .command("/bin/busybox-chowner", "grep", "CapEff", "/proc/self/status")
                .runToEnd();
        assertThat(Proc.capabilityNames(Proc.required(Proc.parseStatus(container.output()), "CapEff")))
                .containsExactly("CHOWN");
    }

    @Test
    void theFirstProcessIsNotStartedWithoutWhatItMustHave() {
        Container container = live.pod()
                .run()
                .container(image)
                .runAsUser(1000)
                .drop("ALL")
                .command("/bin/busybox-chowner", "true")
                .create();
        Refusal refusal = Refusal.of(container::start);
        assertThat(refusal.message()).contains("EPERM");
    }

    /** Version 3 says whose root may use it: the host's, and that of no other user namespace than the one it names. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void capabilitiesThatBelongToAnotherRootAreNone(boolean mapped) {
        Container container = app(pod(mapped)).start();
        assertThat(effective(container, "of-root")).containsExactly("CHOWN");
        if (mapped) {
            // The layer's mapping has no such id: EOVERFLOW.
            assertThat(container
                            .exec("/bin/sh", "-c", "/bin/busybox-of-another" + SETS)
                            .exitCode())
                    .isEqualTo(126);
        } else {
            assertThat(effective(container, "of-another")).isEqualTo(NONE);
        }
        assertThat(chown(container, "of-another")).isEqualTo("1000");
    }

    /** What it may do in the pod's user namespace it may not do to the host's files. */
    @Test
    void inAUserNamespaceTheyReachNoFileOfTheHost() throws IOException {
        var volume = live.directory("host-volume");
        var file = Files.writeString(volume.resolve("of-the-host"), "host\n");
        Container container = app(pod(true)).mount(volume, "/volume").start();
        assertThat(container
                        .exec("/bin/busybox-chowner", "chown", "1000", "/volume/of-the-host")
                        .exitCode())
                .isNotZero();
        assertThat(Files.getAttribute(file, "unix:uid")).isEqualTo(0);
    }
}
