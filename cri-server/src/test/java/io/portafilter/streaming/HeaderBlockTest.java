package io.portafilter.streaming;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.spdy.DefaultSpdySynStreamFrame;
import io.netty.handler.codec.spdy.SpdyFrameCodec;
import io.netty.handler.codec.spdy.SpdyFrameEncoder;
import io.netty.handler.codec.spdy.SpdySynReplyFrame;
import io.netty.handler.codec.spdy.SpdySynStreamFrame;
import io.netty.handler.codec.spdy.SpdyVersion;
import java.util.Arrays;
import java.util.Map;
import java.util.zip.Adler32;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import org.junit.jupiter.api.Test;

class HeaderBlockTest {

    /** What {@link SpdyFrameCodec}, which is not ours, makes of these headers: a block that needs the dictionary. */
    private static ByteBuf packed(EmbeddedChannel other, int number, Map<String, String> headers) {
        SpdySynStreamFrame frame = new DefaultSpdySynStreamFrame(number, 0, (byte) 0);
        headers.forEach((name, value) -> frame.headers().add(name, value));
        other.writeOutbound(frame);
        ByteBuf bytes = other.readOutbound();
        return bytes.skipBytes(8 + 10);
    }

    @Test
    void readsWhatAnotherImplementationPacksBlockAfterBlock() throws DataFormatException {
        EmbeddedChannel other = new EmbeddedChannel(new SpdyFrameCodec(SpdyVersion.SPDY_3_1));
        HeaderBlock block = new HeaderBlock();
        for (int number = 1; number < 9; number += 2) {
            Map<String, String> headers = Map.of("streamtype", "stdout", "requestid", Integer.toString(number));
            ByteBuf bytes = packed(other, number, headers);
            // in two pieces
            block.add(bytes.readSlice(3));
            block.add(bytes);
            assertThat(block.finish()).isEqualTo(headers);
        }
        block.close();
    }

    @Test
    void theDictionaryIsThatOfTheDraft() {
        Adler32 sum = new Adler32();
        sum.update(HeaderBlock.dictionaryBytes());
        // as zlib streams of SPDY/3 name it
        assertThat(sum.getValue()).isEqualTo(0xe3c6a7c2L);
    }

    @Test
    void anotherImplementationReadsOurEmptyBlocks() {
        EmbeddedChannel other = new EmbeddedChannel(new SpdyFrameCodec(SpdyVersion.SPDY_3_1));
        HeaderBlock block = new HeaderBlock();
        SpdyFrameEncoder encoder = new SpdyFrameEncoder(SpdyVersion.SPDY_3_1);
        for (int number = 1; number < 9; number += 2) {
            other.writeInbound(encoder.encodeSynReplyFrame(other.alloc(), number, false, block.empty()));
            SpdySynReplyFrame reply = other.readInbound();
            assertThat(reply.streamId()).isEqualTo(number);
            assertThat(reply.isInvalid()).isFalse();
            assertThat(reply.headers().isEmpty()).isTrue();
        }
        block.close();
    }

    /** Go's compress/flate hands out what it has unpacked only there; a kubectl hung without it. */
    @Test
    void eachOfOurBlocksEndsWithAFlush() {
        HeaderBlock block = new HeaderBlock();
        for (int i = 0; i < 3; i++) {
            ByteBuf bytes = block.empty();
            bytes.skipBytes(bytes.readableBytes() - 5);
            assertThat(ByteBufUtil.hexDump(bytes)).isEqualTo("000000ffff");
        }
        block.close();
    }

    private static ByteBuf deflated(byte[] plain) {
        Deflater deflater = new Deflater();
        deflater.setInput(plain);
        byte[] packed = new byte[plain.length + 100];
        int count = deflater.deflate(packed, 0, packed.length, Deflater.SYNC_FLUSH);
        deflater.end();
        return Unpooled.wrappedBuffer(packed, 0, count);
    }

    @Test
    void refusesWhatUnpacksToMuch() {
        assertThatThrownBy(() -> new HeaderBlock().add(deflated(new byte[10_000_000])))
                .isInstanceOf(DataFormatException.class)
                .hasMessageContaining("bytes of headers");
    }

    @Test
    void refusesCountsAndLengthsThatCannotBe() throws DataFormatException {
        for (byte[] plain : new byte[][] {
            {0, 0},
            {-1, -1, -1, -1},
            {0, 0, 1, 0},
            {0, 0, 0, 1, 127, -1, -1, -1},
            {0, 0, 0, 1, 0, 0, 0, 1, 'a'},
            {0, 0, 0, 1, -1, -1, -1, -1}
        }) {
            HeaderBlock block = new HeaderBlock();
            block.add(deflated(plain));
            assertThatThrownBy(block::finish).as(Arrays.toString(plain)).isInstanceOf(DataFormatException.class);
            block.close();
        }
    }

    @Test
    void refusesWhatIsNotPacked() {
        assertThatThrownBy(() -> new HeaderBlock().add(Unpooled.wrappedBuffer(new byte[] {1, 2, 3, 4})))
                .isInstanceOf(DataFormatException.class);
    }
}
