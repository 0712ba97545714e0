package io.portafilter.linux;

import java.util.Objects;

/** Room for the events that one epoll_wait(2) reports; used again for each wait, by one thread. */
public final class EpollEvents {

    // struct epoll_event is packed on x86-64 only: linux/eventpoll.h
    private static final boolean PACKED = Architecture.current() == Architecture.X86_64;
    static final int DATA_OFFSET = PACKED ? 4 : 8;
    private static final int EVENT_BYTES = PACKED ? 12 : 16;

    private final NativeBuffer memory;
    private final int capacity;
    private int count;

    /** Room for this many events. */
    public EpollEvents(int capacity) {
        this.memory = NativeBuffer.allocate(capacity * EVENT_BYTES);
        this.capacity = capacity;
    }

    /** How many events the last wait reported. */
    public int count() {
        return count;
    }

    /** What happened, {@code EPOLL*}, of event {@code index}. */
    public int events(int index) {
        return memory.bytes().getInt(Objects.checkIndex(index, count) * EVENT_BYTES);
    }

    /** The data that the descriptor was added with, of event {@code index}. */
    public long data(int index) {
        return memory.bytes().getLong(Objects.checkIndex(index, count) * EVENT_BYTES + DATA_OFFSET);
    }

    int capacity() {
        return capacity;
    }

    void count(int reported) {
        count = reported;
    }

    long address() {
        return memory.address(0, capacity * EVENT_BYTES);
    }
}
