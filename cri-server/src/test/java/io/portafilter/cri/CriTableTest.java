package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import io.portafilter.cri.DocumentedTable.Row;
import io.portafilter.cri.v1.CriV1;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Holds {@code docs/cri.md} to the protocol and to the code: a row for each call, field and value of an enumeration, and in
 * each what becomes of it and by which test that is shown.
 */
class CriTableTest {
    private static final DocumentedTable TABLE = DocumentedTable.of("cri.md");
    private static final Pattern TEST_CLASS = Pattern.compile("`(\\w+)`");
    private static final String REFUSED = "refused: UNIMPLEMENTED";

    /** Words that would tell nothing; what has no effect says why. */
    private static final Pattern VAGUE = Pattern.compile(
            "(?i)not (yet )?(used|supported|implemented)|todo|tbd|ignored(?!: (deprecated|Windows|kubelet-only))");

    private static List<Row> rows() {
        return TABLE.rows();
    }

    private static List<String> protocol() {
        FileDescriptor file = CriV1.getDescriptor();
        return Stream.of(
                        file.getServices().stream()
                                .flatMap(service -> service.getMethods().stream()
                                        .map(method -> service.getName() + "." + method.getName())),
                        file.getMessageTypes().stream().flatMap(message -> fields("", message)),
                        file.getEnumTypes().stream().flatMap(type -> values("", type)))
                .flatMap(names -> names)
                .toList();
    }

    private static Stream<String> fields(String outer, Descriptor message) {
        String name = outer + message.getName();
        Stream<String> own = message.getFields().stream().map(field -> name + "." + field.getName());
        Stream<String> nested = message.getNestedTypes().stream()
                .filter(type -> !type.getOptions().getMapEntry())
                .flatMap(type -> fields(name + ".", type));
        Stream<String> enums = message.getEnumTypes().stream().flatMap(type -> values(name + ".", type));
        return Stream.of(own, nested, enums).flatMap(names -> names);
    }

    private static Stream<String> values(String outer, EnumDescriptor type) {
        return type.getValues().stream().map(value -> outer + type.getName() + "." + value.getName());
    }

    private static Set<String> testClasses() {
        return DocumentedTable.testSources().stream()
                .map(DocumentedTable::className)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    void everyCallFieldAndValueHasOneRowAndNothingElseHas() {
        assertThat(rows()).extracting(Row::key).containsExactlyInAnyOrderElementsOf(protocol());
    }

    @Test
    void everyRowSaysWhatIsDoneAndNamesATestThatExists() {
        Set<String> known = testClasses();
        assertThat(rows()).allSatisfy(row -> {
            assertThat(row.what()).as(row.key()).isNotEmpty();
            List<String> named = TEST_CLASS
                    .matcher(row.tests())
                    .results()
                    .map(found -> found.group(1))
                    .toList();
            assertThat(named).as(row.key() + " is tested in").isNotEmpty().isSubsetOf(known);
        });
    }

    @Test
    void whatHasNoEffectSaysWhy() {
        assertThat(rows())
                .allSatisfy(row -> assertThat(VAGUE.matcher(row.what()).find())
                        .as(row.key() + ": " + row.what())
                        .isFalse());
        assertThat(rows())
                .filteredOn(row -> row.what().startsWith("refused"))
                .allSatisfy(
                        row -> assertThat(row.what())
                                .as(row.key())
                                .matches(
                                        "refused: (UNIMPLEMENTED|INVALID_ARGUMENT|FAILED_PRECONDITION).*(until|\\(Windows\\)).*"));
    }

    @Test
    void aCallIsOfferedUnlessTheTableSaysThatItIsRefused() {
        Set<String> offered = Stream.of(RuntimeRpc.class, ImageRpc.class)
                .flatMap(type -> Arrays.stream(type.getDeclaredMethods()))
                .map(Method::getName)
                .collect(Collectors.toSet());
        assertThat(rows())
                .filteredOn(row ->
                        row.key().substring(0, row.key().lastIndexOf('.')).endsWith("Service"))
                .hasSize(43)
                .allSatisfy(row -> {
                    String name = row.key().substring(row.key().lastIndexOf('.') + 1);
                    String method = Character.toLowerCase(name.charAt(0)) + name.substring(1);
                    assertThat(offered.contains(method))
                            .as(row.key() + " is offered; the table says: " + row.what())
                            .isEqualTo(!row.what().startsWith(REFUSED));
                });
    }
}
