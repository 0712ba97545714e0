package io.portafilter.streaming;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TerminalSizesTest {
    private final List<String> sizes = new ArrayList<>();
    private final Counting stream = new Counting();
    private final TerminalSizes reader = new TerminalSizes(stream, (columns, rows) -> sizes.add(columns + "x" + rows));

    /** A stream that only counts what was taken. */
    private static final class Counting implements ClientStream {
        private int taken;

        @Override
        public ByteBufAllocator alloc() {
            return ByteBufAllocator.DEFAULT;
        }

        @Override
        public int writable() {
            return 0;
        }

        @Override
        public void onWritable(Runnable resume) {}

        @Override
        public void write(ByteBuf bytes) {}

        @Override
        public void finish() {}

        @Override
        public void reset() {}

        @Override
        public void receiver(Receiver receiver) {}

        @Override
        public void consumed(int bytes) {
            taken += bytes;
        }
    }

    private void send(String text) {
        reader.data(Unpooled.wrappedBuffer(text.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void readsOneAfterAnotherWhereverTheyAreCut() {
        send("{\"Width\":80,\"Height\":24}\n{\"Wid");
        send("th\":132,\"Hei");
        send("ght\":43}");
        assertThat(sizes).containsExactly("80x24", "132x43");
        assertThat(stream.taken).isEqualTo(50);
    }

    @Test
    void passesOverWhatIsNoSize() {
        send(
                "garbage}{}{\"Width\":0,\"Height\":24}{\"Width\":80}{\"Width\":-1,\"Height\":5}{\"Width\":70000,\"Height\":5}");
        send("{\"Width\":99999999999999999999,\"Height\":5}[[[{" + "x".repeat(100_000) + "}");
        send("{\"Width\":\"80\",\"Height\":24}{\"Height\":5,\"Width\":6}");
        assertThat(sizes).containsExactly("6x5");
    }
}
