package io.portafilter.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import org.junit.jupiter.api.Test;

class CallTest {

    private static final int LARGE_BYTES = 64 * 1024;

    @Test
    void aSecondLargeAreaIsRefused() {
        try (Call call = Call.of(SystemCall.READ)) {
            assertThat(call.transferArea(LARGE_BYTES).length()).isEqualTo(LARGE_BYTES);
            assertThatIllegalStateException().isThrownBy(() -> call.transferArea(LARGE_BYTES));
        }
    }

    @Test
    void aLargeAreaIsThereAgainForTheNextCall() {
        for (int i = 0; i < 3; i++) {
            try (Call call = Call.of(SystemCall.READ)) {
                assertThat(call.transferArea(LARGE_BYTES).length()).isEqualTo(LARGE_BYTES);
            }
        }
    }
}
