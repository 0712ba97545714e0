package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * What a connection has read from its client and nobody has taken yet. When one of its streams holds more than its share
 * the connection is not read: clients of Kubernetes know no windows ({@link SpdySession}), TCP is what slows them.
 */
final class Intake {

    /** What a piece costs beside its bytes, so that many small ones are not free. */
    private static final int PIECE_BYTES = 128;

    private final Channel channel;
    private final int limitBytes;
    private int full;

    /**
     * For a connection.
     *
     * @param limitBytes what one stream may hold
     */
    Intake(Channel channel, int limitBytes) {
        this.channel = channel;
        this.limitBytes = limitBytes;
    }

    private void changed(boolean wasFull, boolean isFull) {
        if (wasFull != isFull) {
            full += isFull ? 1 : -1;
            channel.config().setAutoRead(full == 0);
        }
    }

    /** One stream's part. */
    final class Queue {
        private final ArrayDeque<ByteBuf> waiting = new ArrayDeque<>();
        private final IntConsumer credit;
        private Optional<ClientStream.Receiver> receiver = Optional.empty();
        private int held;
        private int bytesHeld;
        private boolean ended;
        private boolean dropped;

        /** A stream whose client is told of the bytes that have been taken, if the protocol knows that. */
        Queue(IntConsumer credit) {
            this.credit = credit;
        }

        void data(ByteBuf bytes) {
            if (dropped || ended) {
                int count = bytes.readableBytes();
                bytes.release();
                credit.accept(count);
                return;
            }
            bytesHeld += bytes.readableBytes();
            hold(bytes.readableBytes() + PIECE_BYTES);
            if (receiver.isPresent()) {
                receiver.get().data(bytes);
            } else {
                waiting.add(bytes);
            }
        }

        void end() {
            if (ended) {
                return;
            }
            ended = true;
            receiver.ifPresent(ClientStream.Receiver::end);
        }

        void receiver(ClientStream.Receiver taker) {
            receiver = Optional.of(taker);
            for (ByteBuf bytes = waiting.poll(); bytes != null; bytes = waiting.poll()) {
                taker.data(bytes);
            }
            if (ended) {
                taker.end();
            }
        }

        void consumed(int count) {
            if (dropped) {
                return;
            }
            bytesHeld -= count;
            // the pieces' own cost goes when all is taken
            hold(bytesHeld == 0 ? -held : -count);
            credit.accept(count);
        }

        /** Nobody takes it any more. */
        void drop() {
            if (dropped) {
                return;
            }
            dropped = true;
            hold(-held);
            waiting.forEach(ByteBuf::release);
            waiting.clear();
            credit.accept(bytesHeld);
            bytesHeld = 0;
        }

        private void hold(int more) {
            boolean wasFull = held > limitBytes;
            held += more;
            changed(wasFull, held > limitBytes);
        }
    }
}
