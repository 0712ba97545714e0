package io.portafilter.linux;

import java.util.List;

/**
 * What recvmsg(2) brought; closing it closes the descriptors.
 *
 * @param data the bytes
 * @param descriptors the descriptors that came with {@code SCM_RIGHTS}, close-on-exec
 */
@SuppressWarnings("ArrayRecordComponent") // passed on at once, never compared
public record ReceivedMessage(byte[] data, List<Fd> descriptors) implements AutoCloseable {

    public ReceivedMessage {
        descriptors = List.copyOf(descriptors);
    }

    @Override
    public void close() {
        descriptors.forEach(Fd::close);
    }
}
