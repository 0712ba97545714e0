package io.portafilter.image;

import static io.portafilter.image.StoreFixture.failureOf;
import static io.portafilter.image.TarFixture.tar;
import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Device;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelText;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Unpacks honest and hostile streams; what came of it is looked up in the file system. */
class LayerUnpackerTest {
    @TempDir
    Path work;

    private Path layer;
    private Path outside;

    @BeforeEach
    void prepare() throws IOException {
        assumeTrue(Kernel.geteuid() == 0, "unpacking a layer needs root: owners, device nodes, trusted attributes");
        layer = Files.createDirectory(work.resolve("layer"));
        outside = Files.createDirectory(work.resolve("outside"));
        Files.writeString(outside.resolve("precious"), "untouched");
    }

    private LayerUnpacker.Usage unpack(TarFixture tar, Path... lowerTopFirst) {
        return unpack(tar.bytes(), lowerTopFirst);
    }

    private LayerUnpacker.Usage unpack(byte[] tar, Path... lowerTopFirst) {
        List<Fd> lowers = new ArrayList<>();
        try (Fd fd = Kernel.open(layer.toString(), O_RDONLY | O_DIRECTORY)) {
            for (Path lower : lowerTopFirst) {
                lowers.add(open(lower));
            }
            return LayerUnpacker.unpack(new ByteArrayInputStream(tar), fd, lowers);
        } catch (IOException e) {
            throw new AssertionError(e);
        } finally {
            lowers.forEach(Fd::close);
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // closed with the list
    private static Fd open(Path directory) {
        return Kernel.open(directory.toString(), O_RDONLY | O_DIRECTORY);
    }

    private FileStatus status(String name) {
        return Kernel.statx(Fd.CWD, layer.resolve(name).toString(), AT_SYMLINK_NOFOLLOW);
    }

    private Optional<byte[]> attribute(String name, String attribute) {
        try (Fd file = Kernel.open(layer.resolve(name).toString(), O_RDONLY)) {
            return Kernel.getxattr(file, attribute);
        }
    }

    /** Every path outside of the layer with what tells whether it was touched. */
    private Map<String, String> outsideState() throws IOException {
        Map<String, String> state = new TreeMap<>();
        try (Stream<Path> paths = Files.walk(outside)) {
            for (Path path : paths.toList()) {
                FileStatus status = Kernel.statx(Fd.CWD, path.toString(), AT_SYMLINK_NOFOLLOW);
                state.put(
                        path.toString(),
                        status.mode() + " " + status.uid() + " " + status.sizeBytes() + " " + status.links() + " "
                                + status.modified());
            }
        }
        return state;
    }

    // ---- what an honest layer holds

    @Test
    void makesFilesDirectoriesLinksAndNodesWithOwnerModeAndTime() {
        unpack(tar().owner(5, 6)
                .modified(1_000_000_000)
                .mode(0750)
                .directory("d/")
                .mode(04755)
                .file("d/setuid", "x")
                .mode(0600)
                .hardLink("d/hard", "d/setuid")
                .symbolicLink("d/soft", "/anywhere/../at all")
                .device("d/null", '3', 1, 3)
                .device("d/loop", '4', 7, 0)
                .device("d/fifo", '6', 0, 0));

        Instant time = Instant.ofEpochSecond(1_000_000_000);
        FileStatus directory = status("d");
        assertThat(directory.permissions()).isEqualTo(0750);
        assertThat(directory.modified()).isEqualTo(time);
        FileStatus setuid = status("d/setuid");
        assertThat(setuid.permissions()).isEqualTo(04755);
        assertThat(List.of(setuid.uid(), setuid.gid())).containsExactly(5, 6);
        assertThat(setuid.modified()).isEqualTo(time);
        assertThat(status("d/hard").isSameFile(setuid)).isTrue();
        assertThat(Kernel.readlinkat(Fd.CWD, layer.resolve("d/soft").toString()))
                .isEqualTo("/anywhere/../at all");
        assertThat(status("d/soft").uid()).isEqualTo(5);
        assertThat(status("d/soft").modified()).isEqualTo(time);
        assertThat(status("d/null").special()).isEqualTo(new Device(1, 3));
        assertThat(status("d/null").isCharacterDevice()).isTrue();
        assertThat(status("d/loop").isBlockDevice()).isTrue();
        assertThat(status("d/fifo").permissions()).isEqualTo(0600);
    }

    @Test
    void keepsAttributesByteForByteAndDropsThoseThatOverlayAndTheHostLiveBy() {
        byte[] capability = HexFormat.of().parseHex("0100000200ff80c300000000fe00000000000000".substring(0, 40));
        unpack(tar().pax("SCHILY.xattr.security.capability", capability)
                .pax("SCHILY.xattr.user.note", new byte[] {(byte) 0xff, 0, '\n', '='})
                .pax("SCHILY.xattr.trusted.overlay.redirect", "/etc")
                .pax("SCHILY.xattr.trusted.overlay.opaque", "y")
                .pax("SCHILY.xattr.user.overlay.opaque", "y")
                .pax("SCHILY.xattr.security.selinux", "x")
                .file("ping", "x")
                .pax("SCHILY.xattr.trusted.overlay.opaque", "y")
                .directory("d/"));

        assertThat(attribute("ping", "security.capability")).hasValue(capability);
        assertThat(attribute("ping", "user.note")).hasValue(new byte[] {(byte) 0xff, 0, '\n', '='});
        for (String dropped : List.of(
                "trusted.overlay.redirect", "trusted.overlay.opaque", "user.overlay.opaque", "security.selinux")) {
            assertThat(attribute("ping", dropped)).as(dropped).isEmpty();
        }
        assertThat(attribute("d", "trusted.overlay.opaque")).isEmpty();
    }

    @Test
    void whiteoutsBecomeWhatOverlayReads() {
        unpack(tar().directory("d/")
                .file("d/.wh.gone", "")
                .directory("o/")
                .file("o/.wh..wh..opq", "")
                .file("o/new", "n"));

        FileStatus gone = status("d/gone");
        assertThat(gone.isCharacterDevice()).isTrue();
        assertThat(gone.special()).isEqualTo(new Device(0, 0));
        assertThat(attribute("o", "trusted.overlay.opaque")).hasValue("y".getBytes(StandardCharsets.US_ASCII));
        assertThat(layer.resolve("d/.wh.gone")).doesNotExist();
        assertThat(layer.resolve("o/.wh..wh..opq")).doesNotExist();
    }

    @Test
    void aWhiteoutHidesWhatLiesBelowButNotWhatItsOwnLayerHas() {
        unpack(tar().file("before", "kept")
                .file(".wh.before", "")
                .file(".wh.after", "")
                .file("after", "kept")
                .directory("dir/")
                .file("dir/file", "kept")
                .file(".wh.dir", "")
                .file(".wh.later", "")
                .file("later/file", "kept"));

        assertThat(layer.resolve("before")).hasContent("kept");
        assertThat(layer.resolve("after")).hasContent("kept");
        assertThat(layer.resolve("dir/file")).hasContent("kept");
        assertThat(attribute("dir", "trusted.overlay.opaque")).isPresent();
        assertThat(layer.resolve("later/file")).hasContent("kept");
        assertThat(attribute("later", "trusted.overlay.opaque")).isPresent();
    }

    @Test
    void aDirectoryThatTheLayerDoesNotNameLooksAsItDoesBelow() throws IOException {
        Path below = Files.createDirectories(work.resolve("below"));
        Path tmp = Files.createDirectories(below.resolve("tmp/own"));
        Kernel.fchmodat(Fd.CWD, below.resolve("tmp").toString(), 01777);
        Kernel.fchownat(Fd.CWD, tmp.toString(), 7, 8, 0);
        Kernel.fchmodat(Fd.CWD, tmp.toString(), 0700);

        unpack(tar().file("tmp/own/file", "x").file("unknown/file", "x"), work.resolve("outside"), below);

        assertThat(status("tmp").permissions()).isEqualTo(01777);
        assertThat(status("tmp/own").permissions()).isEqualTo(0700);
        assertThat(status("tmp/own").uid()).isEqualTo(7);
        assertThat(status("unknown").permissions()).isEqualTo(0755);
        assertThat(status("unknown").uid()).isZero();
    }

    @Test
    void aLaterEntryReplacesAnEarlierOneOfItsName() {
        LayerUnpacker.Usage usage = unpack(tar().file("a", "first")
                .file("a", "second")
                .directory("d/")
                .file("d/in", "x")
                .file("d", "now a file")
                .symbolicLink("l", "a")
                .mode(0700)
                .directory("l/")
                .file("l/in", "x")
                .hardLink("a2", "a")
                .hardLink("a2", "a"));

        assertThat(layer.resolve("a")).hasContent("second");
        assertThat(layer.resolve("a2")).hasContent("second");
        assertThat(layer.resolve("d")).hasContent("now a file");
        assertThat(Files.isDirectory(layer.resolve("l"), LinkOption.NOFOLLOW_LINKS))
                .isTrue();
        assertThat(usage.inodes()).isEqualTo(6); // root, a, a2 (counted for its share), d, l, l/in
    }

    @Test
    void namesNeedNotBeUtf8AndMayBeLong() {
        String deep = "a/".repeat(100) + "x".repeat(255);
        String name = KernelText.decode(new byte[] {'n', (byte) 0xff, (byte) 0xe9}, 0, 3);
        unpack(tar().pax("path", deep)
                .file("short", "deep")
                .pax("path", new byte[] {'n', (byte) 0xff, (byte) 0xe9})
                .file("x", "odd"));

        assertThat(layer.resolve(deep)).hasContent("deep");
        try (Fd directory = open(layer)) {
            assertThat(Kernel.list(directory)).contains(name);
        }
    }

    @Test
    void countsWhatItTakes() {
        LayerUnpacker.Usage usage = unpack(tar().directory("d/")
                .file("d/f", new byte[5000])
                .hardLink("d/g", "d/f")
                .symbolicLink("s", "t"));

        assertThat(usage).isEqualTo(new LayerUnpacker.Usage(4096 + 4096 + 8192, 4));
    }

    // ---- attacks

    @ParameterizedTest
    @ValueSource(strings = {"../outside/new", "a/../../outside/new", "..", "d/..", "/../outside/new", "./../x"})
    void refusesANameThatLeadsUp(String name) throws IOException {
        Map<String, String> before = outsideState();

        ImageException failure = failureOf(() -> unpack(tar().directory("d/").file(name, "evil")));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(outsideState()).isEqualTo(before);
    }

    @Test
    void anAbsoluteNameIsSeenFromTheLayersRoot() throws IOException {
        Map<String, String> before = outsideState();

        unpack(tar().file(outside + "/precious", "mine"));

        assertThat(layer.resolve(outside.toString().substring(1) + "/precious")).hasContent("mine");
        assertThat(outsideState()).isEqualTo(before);
    }

    @Test
    void aFileThroughALinkStaysInTheLayer() throws IOException {
        Map<String, String> before = outsideState();

        unpack(tar().symbolicLink("abs", outside.toString())
                .file("abs/precious", "mine")
                .symbolicLink("up", "../outside")
                .file("up/precious", "mine too")
                .directory("d/")
                .symbolicLink("d/here", "../e/./f")
                .file("d/here/g", "below"));

        assertThat(layer.resolve(outside.toString().substring(1) + "/precious")).hasContent("mine");
        assertThat(layer.resolve("outside/precious")).hasContent("mine too");
        assertThat(layer.resolve("e/f/g")).hasContent("below");
        assertThat(outsideState()).isEqualTo(before);
    }

    @Test
    void modeOwnerTimeAndAttributesAreNeverSetThroughALink() throws IOException {
        Map<String, String> before = outsideState();

        // CVE-2021-32760: an entry of the link's own name once changed what the link led to
        unpack(tar().symbolicLink("l", outside + "/precious")
                .owner(99, 99)
                .mode(07777)
                .pax("SCHILY.xattr.user.x", "y")
                .hardLink("h", "l")
                .symbolicLink("l", outside + "/precious")
                .symbolicLink("m", outside.toString())
                .directory("m/")
                .pax("SCHILY.xattr.user.x", "y")
                .file("l", "a file now"));

        assertThat(outsideState()).isEqualTo(before);
        assertThat(outside.resolve("precious")).hasContent("untouched");
        assertThat(layer.resolve("l")).hasContent("a file now");
    }

    @Test
    void aHardLinkLeadsToAFileOfTheLayerOrNowhere() throws IOException {
        Map<String, String> before = outsideState();
        for (String target : List.of("../outside/precious", outside + "/precious", "absent", "", "d", "up/precious")) {
            ImageException failure = failureOf(() -> unpack(
                    tar().directory("d/").symbolicLink("up", outside.toString()).hardLink("h", target)));
            assertThat(failure.kind()).as(target).isEqualTo(ImageException.Kind.INVALID_IMAGE);
        }
        assertThat(outsideState()).isEqualTo(before);
    }

    @Test
    void aWhiteoutThroughALinkHidesNothingOutside() throws IOException {
        Map<String, String> before = outsideState();

        unpack(tar().symbolicLink("l", outside.toString())
                .file("l/.wh.precious", "")
                .file("l/.wh..wh..opq", ""));

        assertThat(outsideState()).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(strings = {".wh.", ".wh..", ".wh..."})
    void refusesAWhiteoutOfNothing(String name) {
        assertThat(failureOf(() -> unpack(tar().file(name, ""))).kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
    }

    @Test
    void aLoopOfLinksEnds() {
        ImageException failure = failureOf(
                () -> unpack(tar().symbolicLink("a", "b").symbolicLink("b", "a").file("a/x", "")));

        assertThat(failure).hasMessageContaining("symbolic links");
    }

    @Test
    void linksThatMultiplyEnd() {
        TarFixture bomb = tar().directory("d/");
        for (int i = 1; i < 30; i++) {
            String next = i == 1 ? "d" : "l" + (i - 1);
            bomb.symbolicLink("l" + i, next + "/../" + next + "/../" + next);
        }

        assertThat(failureOf(() -> unpack(bomb.file("l29/x", ""))).kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
    }

    @Test
    void refusesNamesDeeperThanItFollows() {
        String deep = "a/".repeat(400) + "x";

        assertThat(failureOf(() -> unpack(tar().pax("path", deep).file("x", ""))))
                .hasMessageContaining("deeper");
    }

    @Test
    void manyOpenDirectoriesAreClosedAgainAndKeepTheirTimes() throws IOException {
        TarFixture wide = tar().modified(1_200_000_000);
        for (int i = 0; i < 1500; i++) {
            wide.directory("d" + i + "/");
        }
        for (int i = 0; i < 1500; i++) {
            wide.file("d" + i + "/f", "x");
        }
        long before = descriptors();

        unpack(wide);

        assertThat(descriptors()).isEqualTo(before);
        for (String name : List.of("d0", "d700", "d1499")) {
            assertThat(status(name).modified()).isEqualTo(Instant.ofEpochSecond(1_200_000_000));
        }
    }

    private static long descriptors() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.count();
        }
    }

    @Test
    void refusesTheRootAsAFileAndAFileAsADirectory() {
        assertThat(failureOf(() -> unpack(tar().file("./", "x")))).hasMessageContaining("root");
        assertThat(failureOf(() -> unpack(tar().file("f", "x").file("f/g", "x"))))
                .hasMessageContaining("no directory");
    }

    @Test
    void refusesOwnersAndDevicesThatAreOutOfRange() {
        assertThat(failureOf(() -> unpack(tar().pax("uid", "4294967295").file("f", ""))))
                .hasMessageContaining("owner");
        assertThat(failureOf(() -> unpack(tar().pax("gid", "99999999999").file("f", ""))))
                .hasMessageContaining("owner");
        unpack(tar().pax("uid", "4294967294").file("f", ""));
        assertThat(status("f").uid()).isEqualTo(-2);
        assertThat(failureOf(() -> unpack(tar().device("n", '3', 0xffff, 1)))).hasMessageContaining("device number");
    }

    @Test
    void aNameThatNoFileSystemTakesIsTheImagesFault() {
        ImageException failure =
                failureOf(() -> unpack(tar().pax("path", "x".repeat(300)).file("x", "")));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(failureOf(() -> unpack(tar().pax("path", "é".repeat(200)).file("x", "")))
                        .kind())
                .isEqualTo(ImageException.Kind.INVALID_IMAGE);
        ImageException link = failureOf(
                () -> unpack(tar().pax("linkpath", "x".repeat(500_000)).symbolicLink("l", "")));
        assertThat(link.kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(String.valueOf(link.getMessage())).hasSizeLessThan(1000);
    }

    @Test
    void endsWhenItIsInterrupted() {
        Thread.currentThread().interrupt();
        try {
            assertThat(failureOf(() -> unpack(tar().file("f", ""))).kind()).isEqualTo(ImageException.Kind.CANCELLED);
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
    }
}
