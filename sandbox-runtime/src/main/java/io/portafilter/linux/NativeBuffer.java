package io.portafilter.linux;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * Memory outside the heap that a hot path allocates once and reads and writes with. Freed when it is unreachable. Not
 * for use by several threads at a time.
 */
public final class NativeBuffer {

    private final ByteBuffer bytes;
    private final long address;

    private NativeBuffer(int capacity) {
        this.bytes = ByteBuffer.allocateDirect(capacity).order(ByteOrder.nativeOrder());
        this.address = Pointer.nativeValue(Native.getDirectBufferPointer(bytes));
    }

    /** A buffer of this many bytes, all zero. */
    public static NativeBuffer allocate(int capacity) {
        return new NativeBuffer(capacity);
    }

    /** The memory itself, in the processor's byte order; its position and limit are the caller's business. */
    public ByteBuffer bytes() {
        return bytes;
    }

    /** The size in bytes. */
    public int capacity() {
        return bytes.capacity();
    }

    /** The buffer's address, for structures that point to it; valid while this object is reachable. */
    public long address() {
        return address;
    }

    /** The address of a part of the buffer. Throws IndexOutOfBoundsException for one that does not lie in it. */
    long address(int offset, int length) {
        Objects.checkFromIndexSize(offset, length, bytes.capacity());
        return address + offset;
    }
}
