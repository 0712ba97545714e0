package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumDescriptor;
import io.portafilter.cri.v1.Capability;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.LinuxContainerUser;
import io.portafilter.cri.v1.LinuxSandboxSecurityContext;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import io.portafilter.cri.v1.UserNamespace;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Holds {@code docs/security.md} to the protocol and to the tests: a row for each field of a security context, what
 * becomes of it, and tests that exist, one of them against a live server.
 */
class SecurityTableTest {
    private static final DocumentedTable TABLE = DocumentedTable.of("security.md");
    private static final Pattern TEST = Pattern.compile("`(\\w+)\\.(\\w+)`");

    /** What the tests' runner runs: a method of that name that nobody calls proves nothing. */
    private static final Pattern METHOD = Pattern.compile(
            "(?m)^    @(?:Test|TestFactory|ParameterizedTest)\\b.*\\n(?:(?!    (?:private|static|void|Stream)\\b).+\\n)*"
                    + "    (?:void|Stream<DynamicTest>) (\\w+)\\(");

    /** What has an effect on hosts with SELinux alone, which are not where the tests run. */
    private static final Set<String> SEEN_WITHOUT_A_SERVER = Set.of(
            "LinuxContainerSecurityContext.selinux_options",
            "LinuxSandboxSecurityContext.selinux_options",
            "SELinuxOption.user",
            "SELinuxOption.role",
            "SELinuxOption.type",
            "SELinuxOption.level",
            "Mount.selinux_relabel");

    private static final List<Descriptor> MESSAGES = List.of(
            LinuxContainerSecurityContext.getDescriptor(),
            LinuxSandboxSecurityContext.getDescriptor(),
            NamespaceOption.getDescriptor(),
            UserNamespace.getDescriptor(),
            IDMapping.getDescriptor(),
            SecurityProfile.getDescriptor(),
            Capability.getDescriptor(),
            SELinuxOption.getDescriptor(),
            Mount.getDescriptor(),
            LinuxContainerUser.getDescriptor());

    private static final List<EnumDescriptor> ENUMERATIONS = List.of(
            SecurityProfile.ProfileType.getDescriptor(),
            NamespaceMode.getDescriptor(),
            SupplementalGroupsPolicy.getDescriptor(),
            MountPropagation.getDescriptor());

    private record Row(String key, String what, List<NamedTest> tests) {}

    private record NamedTest(String type, String method) {}

    /** The source of a test class. */
    private record Source(Path file, List<NamedTest> tests) {
        static Source of(Path file) {
            String type = DocumentedTable.className(file);
            try {
                return new Source(
                        file,
                        METHOD.matcher(Files.readString(file))
                                .results()
                                .map(found -> new NamedTest(type, found.group(1)))
                                .toList());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        boolean isLive() {
            return file.startsWith(DocumentedTable.TREE.resolve("e2e"));
        }
    }

    private static List<Row> rows() {
        return TABLE.rows().stream()
                .map(row -> new Row(
                        row.key(),
                        row.what(),
                        TEST.matcher(row.tests())
                                .results()
                                .map(SecurityTableTest::test)
                                .toList()))
                .toList();
    }

    private static NamedTest test(MatchResult named) {
        return new NamedTest(named.group(1), named.group(2));
    }

    private static Stream<String> fields(Descriptor message) {
        return message.getFields().stream().map(field -> message.getName() + "." + field.getName());
    }

    private static Stream<String> values(EnumDescriptor type) {
        String name = type.getContainingType() == null
                ? type.getName()
                : type.getContainingType().getName() + "." + type.getName();
        return type.getValues().stream().map(value -> name + "." + value.getName());
    }

    private static List<Source> sources() {
        return DocumentedTable.testSources().stream().map(Source::of).toList();
    }

    @Test
    void everyFieldOfASecurityContextHasOneRowAndNothingElseHas() {
        List<String> protocol = Stream.concat(
                        MESSAGES.stream().flatMap(SecurityTableTest::fields),
                        ENUMERATIONS.stream().flatMap(SecurityTableTest::values))
                .toList();
        assertThat(rows()).extracting(Row::key).containsExactlyInAnyOrderElementsOf(protocol);
    }

    @Test
    void everyRowSaysWhatBecomesOfItAndNamesTestsThatExist() {
        Set<NamedTest> known =
                sources().stream().flatMap(source -> source.tests().stream()).collect(Collectors.toSet());
        assertThat(rows()).allSatisfy(row -> {
            assertThat(row.what()).as(row.key()).isNotEmpty();
            assertThat(row.tests())
                    .as(row.key() + " is tested in")
                    .isNotEmpty()
                    .allSatisfy(test -> assertThat(known).contains(test));
        });
    }

    @Test
    void everyTestThatTheThreatModelNamesExists() throws IOException {
        Set<NamedTest> known =
                sources().stream().flatMap(source -> source.tests().stream()).collect(Collectors.toSet());
        List<NamedTest> named = TEST.matcher(Files.readString(DocumentedTable.TREE.resolve("docs/threat-model.md")))
                .results()
                .map(SecurityTableTest::test)
                .toList();
        assertThat(named).hasSizeGreaterThan(40).isSubsetOf(known);
    }

    @Test
    void allButLabelsOfSelinuxIsSeenFromOutsideALiveServer() {
        Set<NamedTest> live = sources().stream()
                .filter(Source::isLive)
                .flatMap(source -> source.tests().stream())
                .collect(Collectors.toSet());
        assertThat(rows())
                .filteredOn(row -> !SEEN_WITHOUT_A_SERVER.contains(row.key()))
                .allSatisfy(row -> assertThat(row.tests())
                        .as(row.key() + " is tested in e2e")
                        .anyMatch(live::contains));
    }
}
