package io.portafilter.cri.v1;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.EnumDescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto.Label;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/**
 * Holds the generated protocol to a table of facts about the wire, one row per call, field, enum value, reserved range
 * and empty message: {@code kind, owner, name, number, type, notes}.
 */
class WireTableTest {
    private static final FileDescriptorProto FILE = CriV1.getDescriptor().toProto();

    @Test
    void protocolIsNamedAndSpeltAsTheWireWantsIt() {
        assertThat(FILE.getPackage()).isEqualTo("runtime.v1");
        assertThat(FILE.getSyntax()).isEqualTo("proto3");
    }

    @Test
    void everyRowOfTheTableIsInTheProtocolAndNothingElseIs() throws IOException {
        assertThat(rowsOfProtocol()).containsExactlyInAnyOrderElementsOf(rowsOfTable());
    }

    @Test
    void tableIsWhole() throws IOException {
        List<String> rows = rowsOfTable();
        assertThat(rows).doesNotHaveDuplicates();
        assertThat(rows.stream().filter(row -> row.startsWith("rpc|"))).hasSize(43);
        assertThat(rows.stream().filter(row -> row.startsWith("field|"))).hasSize(478);
        assertThat(rows.stream().filter(row -> row.startsWith("enum-value|"))).hasSize(95);
        assertThat(rows.stream().filter(row -> row.startsWith("message|"))).hasSize(18);
    }

    private static List<String> rowsOfTable() throws IOException {
        try (InputStream in = Objects.requireNonNull(WireTableTest.class.getResourceAsStream("/cri-v1-wire.tsv"))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.startsWith("#"))
                    .map(line -> {
                        String[] cells = line.split("\t", -1);
                        return row(
                                cells[0],
                                cells[1],
                                cells[2],
                                cells[3],
                                cells.length > 4 ? cells[4] : "",
                                cells.length > 5 ? cells[5] : "");
                    })
                    .toList();
        }
    }

    private static List<String> rowsOfProtocol() {
        List<String> rows = new ArrayList<>();
        FILE.getServiceList()
                .forEach(service -> service.getMethodList().forEach(method -> {
                    assertThat(method.getClientStreaming()).isFalse();
                    String answer = (method.getServerStreaming() ? "stream " : "") + simple(method.getOutputType());
                    rows.add(row(
                            "rpc",
                            service.getName(),
                            method.getName(),
                            "",
                            simple(method.getInputType()) + " -> " + answer,
                            ""));
                }));
        FILE.getEnumTypeList().forEach(values -> addEnum(rows, "", values));
        FILE.getMessageTypeList().forEach(message -> addMessage(rows, "", message));
        return rows;
    }

    private static void addEnum(List<String> rows, String outer, EnumDescriptorProto values) {
        String owner = outer + values.getName();
        values.getValueList()
                .forEach(value ->
                        rows.add(row("enum-value", owner, value.getName(), String.valueOf(value.getNumber()), "", "")));
        values.getReservedRangeList()
                .forEach(
                        range -> rows.add(row("reserved", owner, "", range.getStart() + "-" + range.getEnd(), "", "")));
    }

    private static void addMessage(List<String> rows, String outer, DescriptorProto message) {
        String owner = outer + message.getName();
        if (message.getFieldCount() == 0) {
            rows.add(row("message", owner, "", "", "", "empty"));
        }
        for (FieldDescriptorProto field : message.getFieldList()) {
            assertThat(field.hasOneofIndex())
                    .as("%s.%s is in a oneof", owner, field.getName())
                    .isFalse();
            rows.add(row(
                    "field",
                    owner,
                    field.getName(),
                    String.valueOf(field.getNumber()),
                    type(message, field),
                    field.getOptions().getDeprecated() ? "deprecated" : ""));
        }
        message.getReservedRangeList()
                .forEach(range ->
                        rows.add(row("reserved", owner, "", range.getStart() + "-" + (range.getEnd() - 1), "", "")));
        message.getEnumTypeList().forEach(values -> addEnum(rows, owner + ".", values));
        message.getNestedTypeList().stream()
                .filter(nested -> !nested.getOptions().getMapEntry())
                .forEach(nested -> addMessage(rows, owner + ".", nested));
    }

    private static String type(DescriptorProto message, FieldDescriptorProto field) {
        for (DescriptorProto nested : message.getNestedTypeList()) {
            if (nested.getOptions().getMapEntry()
                    && field.getTypeName().endsWith("." + message.getName() + "." + nested.getName())) {
                return "map<" + plain(nested.getField(0)) + "," + plain(nested.getField(1)) + ">";
            }
        }
        return (field.getLabel() == Label.LABEL_REPEATED ? "repeated " : "") + plain(field);
    }

    private static String plain(FieldDescriptorProto field) {
        return field.getTypeName().isEmpty()
                ? field.getType().name().substring("TYPE_".length()).toLowerCase(java.util.Locale.ROOT)
                : simple(field.getTypeName());
    }

    private static String simple(String qualified) {
        return qualified.substring(qualified.lastIndexOf('.') + 1);
    }

    private static String row(String kind, String owner, String name, String number, String type, String notes) {
        return String.join("|", kind, owner, name, number, type, notes);
    }
}
