package io.portafilter.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor.JavaType;
import com.google.protobuf.MapEntry;
import com.google.protobuf.Message;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.Base64;
import java.util.List;

/**
 * A message in protobuf's JSON form, with fields that hold their default, as {@code crictl -o json} prints it: names in
 * lowerCamelCase, 64-bit numbers as strings, enums by name, bytes in base64.
 */
final class MessageJson {
    private MessageJson() {}

    /** The message's JSON, indented, with a line's end. */
    static String of(Message message) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
            json.setPrettyPrinter(new DefaultPrettyPrinter());
            write(json, message);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a StringWriter throws none
        }
        return text + "\n";
    }

    private static void write(JsonGenerator json, Message message) throws IOException {
        json.writeStartObject();
        for (FieldDescriptor field : message.getDescriptorForType().getFields()) {
            json.writeFieldName(field.getJsonName());
            if (field.isMapField()) {
                map(json, (List<?>) message.getField(field));
            } else if (field.isRepeated()) {
                json.writeStartArray();
                for (Object item : (List<?>) message.getField(field)) {
                    value(json, field, item);
                }
                json.writeEndArray();
            } else if (field.getJavaType() == JavaType.MESSAGE && !message.hasField(field)) {
                json.writeNull();
            } else {
                value(json, field, message.getField(field));
            }
        }
        json.writeEndObject();
    }

    private static void map(JsonGenerator json, List<?> entries) throws IOException {
        json.writeStartObject();
        for (Object item : entries) {
            MapEntry<?, ?> entry = (MapEntry<?, ?>) item;
            json.writeFieldName(String.valueOf(entry.getKey()));
            value(json, entry.getDescriptorForType().findFieldByName("value"), entry.getValue());
        }
        json.writeEndObject();
    }

    private static void value(JsonGenerator json, FieldDescriptor field, Object value) throws IOException {
        switch (field.getJavaType()) {
            case MESSAGE -> write(json, (Message) value);
            case STRING -> json.writeString((String) value);
            case BOOLEAN -> json.writeBoolean((Boolean) value);
            case ENUM -> json.writeString(((EnumValueDescriptor) value).getName());
            case BYTE_STRING ->
                json.writeString(Base64.getEncoder().encodeToString(((ByteString) value).toByteArray()));
            case LONG ->
                json.writeString(isUnsigned(field) ? Long.toUnsignedString((Long) value) : Long.toString((Long) value));
            case INT -> json.writeNumber(isUnsigned(field) ? Integer.toUnsignedLong((Integer) value) : (Integer) value);
            case FLOAT -> json.writeNumber((Float) value);
            case DOUBLE -> json.writeNumber((Double) value);
        }
    }

    private static boolean isUnsigned(FieldDescriptor field) {
        return switch (field.getType()) {
            case UINT32, UINT64, FIXED32, FIXED64 -> true;
            default -> false;
        };
    }
}
