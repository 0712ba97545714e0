package io.portafilter.cri;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * A list sent as a stream of messages. An item is made when its message is, and the next message when the connection
 * takes it: however many items there are and however slowly the caller reads, the server holds one message for it.
 *
 * @param <A> a message of several items
 */
final class ListStream<A> {

    /** A message ends before it grows beyond this; an item that is larger is sent alone. CRI asks for less than 1 MiB. */
    static final int MESSAGE_BYTES = 256 * 1024;

    /** What protobuf puts before an item, at most: a tag of one byte and a length. */
    private static final int ITEM_HEADER_BYTES = 6;

    private final ServerCallStreamObserver<A> to;
    private final Iterator<ByteString> items;
    private final int fieldNumber;
    private final Function<UnknownFieldSet, A> message;
    private List<ByteString> next = new ArrayList<>();
    private int nextBytes;
    private boolean over;

    private ListStream(
            ServerCallStreamObserver<A> to,
            Iterator<ByteString> items,
            int fieldNumber,
            Function<UnknownFieldSet, A> message) {
        this.to = to;
        this.items = items;
        this.fieldNumber = fieldNumber;
        this.message = message;
    }

    /**
     * Sends all items, each once, and then OK; without items no message. Returns before that: the connection asks for
     * the messages one after another.
     *
     * @param items serialised messages, taken one by one, as they are sent
     * @param fieldNumber of the repeated field that they make up
     * @param message makes a message of that field
     */
    static <A> void send(
            StreamObserver<A> answer, Stream<ByteString> items, int fieldNumber, Function<UnknownFieldSet, A> message) {
        ServerCallStreamObserver<A> to = (ServerCallStreamObserver<A>) answer;
        to.setOnReadyHandler(new ListStream<>(to, items.iterator(), fieldNumber, message)::go);
    }

    /** As far as the connection takes it. gRPC calls this never twice at once. */
    private void go() {
        while (!over && to.isReady()) {
            step();
        }
    }

    private void step() {
        if (!items.hasNext()) {
            flush();
            over = true;
            to.onCompleted();
            return;
        }
        ByteString item = items.next();
        int bytes = item.size() + ITEM_HEADER_BYTES;
        if (nextBytes + bytes > MESSAGE_BYTES) {
            flush();
        }
        next.add(item);
        nextBytes += bytes;
    }

    private void flush() {
        if (next.isEmpty()) {
            return;
        }
        List<ByteString> sent = next;
        next = new ArrayList<>();
        nextBytes = 0;
        to.onNext(message.apply(ListItem.repeated(fieldNumber, sent)));
    }
}
