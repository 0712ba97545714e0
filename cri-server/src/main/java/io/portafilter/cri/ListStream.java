package io.portafilter.cri;

import com.google.protobuf.MessageLite;
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
 * @param <I> an item
 * @param <A> a message of several items
 */
final class ListStream<I extends MessageLite, A> {

    /** A message ends before it grows beyond this; an item that is larger is sent alone. CRI asks for less than 1 MiB. */
    static final int MESSAGE_BYTES = 256 * 1024;

    /** What protobuf puts before an item, at most: a tag of one byte and a length. */
    private static final int ITEM_HEADER_BYTES = 6;

    private final ServerCallStreamObserver<A> to;
    private final Iterator<I> items;
    private final Function<List<I>, A> message;
    private List<I> next = new ArrayList<>();
    private int nextBytes;
    private boolean over;

    private ListStream(ServerCallStreamObserver<A> to, Iterator<I> items, Function<List<I>, A> message) {
        this.to = to;
        this.items = items;
        this.message = message;
    }

    /**
     * Sends all items, each once, and then OK; without items no message. Returns before that: the connection asks for
     * the messages one after another.
     *
     * @param items taken one by one, as they are sent
     * @param message makes a message of some of them
     */
    static <I extends MessageLite, A> void send(
            StreamObserver<A> answer, Stream<I> items, Function<List<I>, A> message) {
        ServerCallStreamObserver<A> to = (ServerCallStreamObserver<A>) answer;
        to.setOnReadyHandler(new ListStream<>(to, items.iterator(), message)::go);
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
        I item = items.next();
        int bytes = item.getSerializedSize() + ITEM_HEADER_BYTES;
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
        List<I> sent = next;
        next = new ArrayList<>();
        nextBytes = 0;
        to.onNext(message.apply(sent));
    }
}
