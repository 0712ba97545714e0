package io.portafilter.cri;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import com.google.protobuf.UnknownFieldSet;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * What the lists say of a pod or container, serialised: made when it is asked for first and again when the record is
 * another one. kubelet asks for all of them every second, and hardly any has changed.
 *
 * @param <R> its record
 */
final class ListItem<R> {

    private record Made<R>(R from, ByteString bytes) {}

    private volatile Optional<Made<R>> last = Optional.empty();

    /** The serialised message of this record. */
    @SuppressWarnings("ReferenceEquality") // records are replaced as a whole, and comparing all of it would cost more
    ByteString of(R record, Function<R, ? extends MessageLite> message) {
        Optional<Made<R>> known = last;
        if (known.isPresent() && known.get().from() == record) {
            return known.get().bytes();
        }
        ByteString bytes = message.apply(record).toByteString();
        last = Optional.of(new Made<>(record, bytes));
        return bytes;
    }

    /**
     * A repeated field of messages as a part of another message. What is serialised is written as it is: for who reads
     * the message there is no difference.
     */
    static UnknownFieldSet repeated(int fieldNumber, List<ByteString> messages) {
        UnknownFieldSet.Field.Builder field = UnknownFieldSet.Field.newBuilder();
        messages.forEach(field::addLengthDelimited);
        return UnknownFieldSet.newBuilder().addField(fieldNumber, field.build()).build();
    }
}
