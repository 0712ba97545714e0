package io.portafilter.linux;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.errorprone.annotations.MustBeClosed;
import com.sun.jna.Native;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One system call in the making: its arguments, the memory that they point to, and how they print should it fail.
 *
 * <p>Objects and their native memory are pooled, so that a call allocates nothing of its own. A call that is being
 * made keeps its object off the pool; there are therefore never more objects than threads that were in the kernel at
 * one time.
 */
final class Call implements AutoCloseable {

    private static final int SLAB_BYTES = 16 * 1024;
    private static final int MAX_ARGUMENTS = 6;
    /** The kernel's own bound between error numbers and results (MAX_ERRNO of its err.h). */
    private static final int MAX_ERRNO = 4095;
    /** The most that one read or write moves through memory of ours. */
    private static final int TRANSFER_BYTES = 64 * 1024;

    /** One of the pool that mostly is alone: it costs neither a node of the list nor the way to it. */
    private static final AtomicReference<@Nullable Call> LAST = new AtomicReference<>();

    private static final ConcurrentLinkedDeque<Call> POOL = new ConcurrentLinkedDeque<>();
    private static final ConcurrentLinkedDeque<NativeBuffer> TRANSFER_POOL = new ConcurrentLinkedDeque<>();

    private final NativeBuffer slab = NativeBuffer.allocate(SLAB_BYTES);
    private final long[] arguments = new long[MAX_ARGUMENTS];
    private final @Nullable Object[] shown = new @Nullable Object[MAX_ARGUMENTS];
    private final List<NativeBuffer> overflow = new ArrayList<>();
    private @Nullable NativeBuffer transfer;
    private SystemCall systemCall = SystemCall.GETPID;
    private int count;
    private int used;

    private Call() {}

    @MustBeClosed
    static Call of(SystemCall systemCall) {
        Call last = LAST.getAndSet(null);
        Call pooled = last != null ? last : POOL.pollFirst();
        Call call = pooled != null ? pooled : new Call();
        call.systemCall = systemCall;
        return call;
    }

    /** Gives the object and its memory back. */
    @Override
    public void close() {
        for (int i = 0; i < MAX_ARGUMENTS; i++) {
            arguments[i] = 0;
            shown[i] = null;
        }
        overflow.clear();
        if (transfer != null) {
            TRANSFER_POOL.addFirst(transfer);
            transfer = null;
        }
        count = 0;
        used = 0;
        if (!LAST.compareAndSet(null, this)) {
            POOL.addFirst(this);
        }
    }

    /** A number. */
    @CanIgnoreReturnValue
    Call add(long value) {
        arguments[count++] = value;
        return this;
    }

    /** A descriptor. */
    @CanIgnoreReturnValue
    Call add(Fd descriptor) {
        return add(descriptor.number());
    }

    /** The address of NUL-terminated text. */
    @CanIgnoreReturnValue
    Call add(String text) {
        shown[count] = text;
        return add(pointerTo(text));
    }

    /** A number that prints as this text, such as the address of a structure whose content matters. */
    @CanIgnoreReturnValue
    Call add(long value, Supplier<String> text) {
        shown[count] = text;
        return add(value);
    }

    /** The address of bytes copied into native memory. */
    @CanIgnoreReturnValue
    Call add(byte[] bytes) {
        Area area = reserve(bytes.length);
        area.bytes().put(area.offset(), bytes);
        return add(area.address(), () -> bytes.length + " bytes");
    }

    /** The address of memory that the caller reads and writes through {@code area}; what reserved it says if it is zeroed. */
    @CanIgnoreReturnValue
    Call add(Area area) {
        return add(area.address());
    }

    /** Zeroed memory that lives as long as this object is not closed; eight-byte aligned. */
    Area reserve(int size) {
        int aligned = (size + 7) & ~7;
        if (aligned > SLAB_BYTES - used) {
            NativeBuffer more = NativeBuffer.allocate(aligned);
            overflow.add(more);
            return new Area(more.bytes(), 0, more.address(0, aligned), size);
        }
        int offset = used;
        used += aligned;
        for (int i = offset; i < used; i += Long.BYTES) {
            slab.bytes().putLong(i, 0);
        }
        return new Area(slab.bytes(), offset, slab.address(offset, size), size);
    }

    /**
     * Memory to read into or write from, not zeroed: as much as was wanted, but at most 64 KiB. A call has one that is
     * larger than what is left of the object's own memory.
     */
    Area transferArea(int wanted) {
        if (wanted <= SLAB_BYTES - used) {
            Area area = new Area(slab.bytes(), used, slab.address(used, wanted), wanted);
            used += (wanted + 7) & ~7;
            return area;
        }
        if (transfer != null) {
            throw new IllegalStateException("a second large area for one call");
        }
        NativeBuffer pooled = TRANSFER_POOL.pollFirst();
        NativeBuffer buffer = pooled != null ? pooled : NativeBuffer.allocate(TRANSFER_BYTES);
        transfer = buffer;
        return new Area(buffer.bytes(), 0, buffer.address(0, TRANSFER_BYTES), Math.min(wanted, TRANSFER_BYTES));
    }

    long pointerTo(String text) {
        byte[] encoded = KernelText.encode(text);
        Area area = reserve(encoded.length + 1);
        area.bytes().put(area.offset(), encoded);
        return area.address();
    }

    /** The address of a NULL-terminated array of addresses of text, as execve(2) takes it. */
    long pointerTo(List<String> texts) {
        Area array = reserve((texts.size() + 1) * Long.BYTES);
        for (int i = 0; i < texts.size(); i++) {
            array.putLong(i * Long.BYTES, pointerTo(texts.get(i)));
        }
        return array.address();
    }

    /** Makes the call, again if a signal interrupted it. */
    @CanIgnoreReturnValue
    long run() {
        while (true) {
            long result = attempt();
            if (result >= 0 || -result > MAX_ERRNO) {
                return result;
            }
            if (-result != Errno.EINTR.number()) {
                throw failed(Errno.of((int) -result), Optional.empty());
            }
        }
    }

    /** Makes the call once: a signal makes it fail with EINTR. */
    @CanIgnoreReturnValue
    long runOnce() {
        long result = attempt();
        if (result < 0 && -result <= MAX_ERRNO) {
            throw failed(Errno.of((int) -result), Optional.empty());
        }
        return result;
    }

    @CanIgnoreReturnValue
    int runInt() {
        return (int) run();
    }

    @MustBeClosed
    Fd runFd() {
        return Fd.own((int) run());
    }

    /** The result or the negative error number, as the kernel itself returns them. */
    private long attempt() {
        long result = Libc.syscall(
                systemCall.number(Architecture.current()),
                arguments[0],
                arguments[1],
                arguments[2],
                arguments[3],
                arguments[4],
                arguments[5]);
        // Nothing may come between: see Libc. LastErrorException would do, at ten times the price of a failing call.
        return result == -1 ? -Native.getLastError() : result;
    }

    KernelException failed(Errno errno, Optional<String> detail) {
        SystemCall failed = systemCall;
        long[] given = Arrays.copyOf(arguments, count);
        @Nullable Object[] texts = Arrays.copyOf(shown, count);
        // Printed only if somebody reads it: most who expect a failure do not.
        return new KernelException(failed.callName(), () -> printed(failed, given, texts), errno, detail);
    }

    private static String printed(SystemCall systemCall, long[] arguments, @Nullable Object[] shown) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < arguments.length; i++) {
            if (i > 0) {
                text.append(", ");
            }
            text.append(
                    switch (shown[i]) {
                        case String given -> KernelText.quoted(given);
                        case Supplier<?> given -> String.valueOf(given.get());
                        case null, default -> printedByKind(systemCall, i, arguments[i]);
                    });
        }
        return text.toString();
    }

    private static String printedByKind(SystemCall systemCall, int index, long argument) {
        List<ArgumentKind> kinds = systemCall.arguments();
        ArgumentKind kind = index < kinds.size() ? kinds.get(index) : ArgumentKind.HEX;
        return kind.print(argument);
    }

    /** A piece of native memory. */
    record Area(ByteBuffer bytes, int offset, long address, int length) {

        int getInt(int at) {
            return bytes.getInt(offset + at);
        }

        long getLong(int at) {
            return bytes.getLong(offset + at);
        }

        short getShort(int at) {
            return bytes.getShort(offset + at);
        }

        void putInt(int at, int value) {
            bytes.putInt(offset + at, value);
        }

        void putLong(int at, long value) {
            bytes.putLong(offset + at, value);
        }

        void putShort(int at, short value) {
            bytes.putShort(offset + at, value);
        }

        byte[] copy(int at, int length) {
            byte[] copy = new byte[length];
            bytes.get(offset + at, copy);
            return copy;
        }
    }
}
