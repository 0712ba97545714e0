package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class DetachKeysTest {
    private static final String P = "\u0010";
    private static final String Q = "\u0011";

    private final DetachKeys keys = new DetachKeys();

    /** What the program gets of it, with a bar where it detaches. */
    private String typed(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        ByteArrayOutputStream passed = new ByteArrayOutputStream();
        boolean detach = keys.typed(bytes, bytes.length, passed);
        return passed.toString(StandardCharsets.US_ASCII) + (detach ? "|" : "");
    }

    @Test
    void whatIsTypedPasses() {
        assertThat(typed("ls -l\r" + Q)).isEqualTo("ls -l\r" + Q);
        assertThat(keys.rest()).isEmpty();
    }

    @Test
    void theTwoKeysDetachAndReachNobody() {
        assertThat(typed("abc" + P + Q + "def")).isEqualTo("abc|");
    }

    @Test
    void theyMayComeOneByOne() {
        assertThat(typed(P)).isEmpty();
        assertThat(typed(Q)).isEqualTo("|");
    }

    @Test
    void theFirstAloneIsTheProgramsWithTheNext() {
        assertThat(typed("a" + P)).isEqualTo("a");
        assertThat(typed("b")).isEqualTo(P + "b");
        assertThat(typed(P + P + Q)).isEqualTo(P + "|");
    }

    @Test
    void theFirstAloneIsNotLostAtTheEnd() {
        assertThat(typed(P)).isEmpty();
        assertThat(keys.rest()).containsExactly(0x10);
    }
}
