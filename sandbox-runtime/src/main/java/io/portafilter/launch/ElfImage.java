package io.portafilter.launch;

import io.portafilter.linux.Architecture;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * A launch program as a static ELF file: headers and the interpreter in a read-only executable segment, everything
 * else in a writable one. Addresses are fixed, so that a program's file is the same each time. Source:
 * {@code elf(5)}.
 */
public final class ElfImage {

    /** Size of the page that tells how far a process has come: last failed operation, its errno, the running one. */
    public static final int PROGRESS_PAGE_SIZE = 0x1000;

    private static final int IMAGE_ADDRESS = 0x400000;
    private static final int CODE_OFFSET = 0x200;
    private static final int DATA_OFFSET = 0x1000;
    private static final int PROGRESS_PAGE = IMAGE_ADDRESS + DATA_OFFSET;
    private static final int TRASH = PROGRESS_PAGE + PROGRESS_PAGE_SIZE;
    private static final int END_RECORD = TRASH + 8;
    private static final int FREE = TRASH + 32;

    // What an argument holds whose operation failed with a tolerated error: no descriptor, neither 0 nor AT_FDCWD.
    private static final long UNSET_RESULT = -9;

    private static final int OPERATION_SIZE = 80;
    private static final int ARGUMENTS = 8;
    private static final int RESULT = 56;
    private static final int NEXT = 64;
    private static final int ON_ZERO = 68;
    private static final int ON_ERROR = 72;

    private final byte[] bytes;
    private final int operations;
    private final int count;

    private ElfImage(byte[] bytes, int operations, int count) {
        this.bytes = bytes;
        this.operations = operations;
        this.count = count;
    }

    /** Encodes a program for this machine's architecture. */
    public static ElfImage of(LaunchProgram program) {
        return of(program, Encoder.of(Architecture.current()));
    }

    /** Encodes a program. */
    public static ElfImage of(LaunchProgram program, Encoder encoder) {
        return new Layout(program, encoder).encode();
    }

    /** The file. */
    public byte[] bytes() {
        return bytes.clone();
    }

    /** Of the file, in bytes. */
    public int size() {
        return bytes.length;
    }

    /** The file's bytes themselves, for writing them out without a copy. */
    byte[] content() {
        return bytes;
    }

    /** The address of an operation. */
    int addressOf(int index) {
        return operations + index * OPERATION_SIZE;
    }

    /** The index of the operation at an address, or {@link Operation#NONE} if none lies there. */
    int operationAt(long address) {
        long distance = address - operations;
        return distance < 0 || distance % OPERATION_SIZE != 0 || distance / OPERATION_SIZE >= count
                ? Operation.NONE
                : (int) (distance / OPERATION_SIZE);
    }

    private static final class Layout {
        private final LaunchProgram program;
        private final Encoder encoder;
        private final IdentityHashMap<Block, Integer> blocks = new IdentityHashMap<>();
        private final Map<String, Integer> texts = new HashMap<>();
        private final Map<Integer, Integer> resultAddresses = new HashMap<>();
        private int end = FREE;

        Layout(LaunchProgram program, Encoder encoder) {
            this.program = program;
            this.encoder = encoder;
        }

        ElfImage encode() {
            List<Operation> list = program.operations();
            for (Operation operation : list) {
                for (Operand argument : operation.arguments()) {
                    reserve(argument);
                }
            }
            for (Operation operation : list) {
                for (Operand argument : operation.arguments()) {
                    if (argument instanceof Operand.AddressOfResult(Label producer)) {
                        resultAddresses.computeIfAbsent(program.indexOf(producer), index -> take(Long.BYTES, 8));
                    }
                }
            }
            int table = take(Math.multiplyExact(list.size(), OPERATION_SIZE), 16);
            // A result that is an argument lands in the argument itself; its address, where asked for, is that one.
            for (int i = 0; i < list.size(); i++) {
                List<Operand> arguments = list.get(i).arguments();
                for (int a = 0; a < arguments.size(); a++) {
                    if (arguments.get(a) instanceof Operand.ResultOf(Label producer)) {
                        int slot = table + i * OPERATION_SIZE + ARGUMENTS + a * Long.BYTES;
                        Integer earlier = resultAddresses.put(program.indexOf(producer), slot);
                        if (earlier != null && earlier >= table) {
                            throw new IllegalStateException("the result of " + producer + " in program "
                                    + program.name() + " is an argument twice");
                        }
                    }
                }
            }
            ByteBuffer image = ByteBuffer.allocate(end - IMAGE_ADDRESS).order(ByteOrder.LITTLE_ENDIAN);
            byte[] code = encoder.interpreter(table + program.first() * OPERATION_SIZE);
            headers(image, code.length);
            image.put(CODE_OFFSET, code);
            image.putLong(END_RECORD - IMAGE_ADDRESS, -1L);
            blocks.forEach((block, address) -> {
                block.copyTo(image.array(), address - IMAGE_ADDRESS);
                for (Block.Pointer pointer : block.pointers()) {
                    image.putLong(address - IMAGE_ADDRESS + pointer.offset(), value(pointer.target()));
                }
            });
            texts.forEach((text, address) -> image.put(address - IMAGE_ADDRESS, Block.terminated(text)));
            for (int i = 0; i < list.size(); i++) {
                operation(image, table, i, list.get(i));
            }
            return new ElfImage(image.array(), table, list.size());
        }

        private void operation(ByteBuffer image, int table, int index, Operation operation) {
            int at = table + index * OPERATION_SIZE - IMAGE_ADDRESS;
            image.putInt(at, operation.call().number(encoder.architecture()));
            image.putInt(
                    at + 4, operation.tolerated().map(t -> t.errno().number()).orElse(0));
            for (int a = 0; a < operation.arguments().size(); a++) {
                image.putLong(
                        at + ARGUMENTS + a * Long.BYTES,
                        value(operation.arguments().get(a)));
            }
            image.putLong(at + RESULT, resultAddresses.getOrDefault(index, TRASH));
            image.putInt(at + NEXT, successor(table, operation.next()));
            image.putInt(at + ON_ZERO, successor(table, operation.onZero()));
            image.putInt(at + ON_ERROR, successor(table, operation.onError()));
        }

        private static int successor(int table, int index) {
            return index == Operation.NONE ? 0 : table + index * OPERATION_SIZE;
        }

        private void reserve(Operand operand) {
            if (operand instanceof Operand.Literal) {
                return; // most are: asked first, for a switch over types is a call of a method handle
            }
            switch (operand) {
                case Operand.Text(String value) -> {
                    if (!texts.containsKey(value)) {
                        texts.put(value, take(Block.terminated(value).length, 1));
                    }
                }
                case Operand.AddressOf(Block block) -> {
                    if (!blocks.containsKey(block)) {
                        blocks.put(block, take(block.size(), 16));
                        for (Block.Pointer pointer : block.pointers()) {
                            reserve(pointer.target());
                        }
                    }
                }
                case Operand.Literal _,
                        Operand.ResultOf _,
                        Operand.AddressOfResult _,
                        Operand.LastFailure _,
                        Operand.ProgressPage _,
                        Operand.EndRecord _ -> {}
            }
        }

        private long value(Operand operand) {
            if (operand instanceof Operand.Literal literal) {
                return literal.value();
            }
            return switch (operand) {
                case Operand.Literal(long value) -> value;
                case Operand.Text(String value) -> address(texts.get(value));
                case Operand.AddressOf(Block block) -> address(blocks.get(block));
                case Operand.ResultOf _ -> UNSET_RESULT;
                case Operand.AddressOfResult(Label producer) -> address(resultAddresses.get(program.indexOf(producer)));
                case Operand.LastFailure _, Operand.ProgressPage _ -> PROGRESS_PAGE;
                case Operand.EndRecord _ -> END_RECORD;
            };
        }

        private static long address(@org.jspecify.annotations.Nullable Integer address) {
            if (address == null) {
                throw new IllegalStateException("an operand has no address");
            }
            return address;
        }

        /** Throws ArithmeticException rather than wrap: an address never means another place (compare CVE-2021-43784). */
        private int take(int size, int alignment) {
            int start = Math.addExact(end, alignment - 1) / alignment * alignment;
            end = Math.addExact(start, size);
            return start;
        }

        private void headers(ByteBuffer image, int codeSize) {
            image.put(new byte[] {0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* little endian */, 1})
                    .position(16);
            image.putShort((short) 2) // ET_EXEC
                    .putShort((short) encoder.machine())
                    .putInt(1)
                    .putLong(IMAGE_ADDRESS + CODE_OFFSET)
                    .putLong(64) // program headers
                    .putLong(0)
                    .putInt(0)
                    .putShort((short) 64)
                    .putShort((short) 56)
                    .putShort((short) 3)
                    .putShort((short) 64)
                    .putShort((short) 0)
                    .putShort((short) 0);
            segment(image, 1, 5, 0, IMAGE_ADDRESS, CODE_OFFSET + codeSize, encoder.pageSize());
            segment(image, 1, 6, DATA_OFFSET, PROGRESS_PAGE, end - PROGRESS_PAGE, encoder.pageSize());
            segment(image, 0x6474e551, 6, 0, 0, 0, 16); // GNU_STACK: not executable
        }

        private static void segment(
                ByteBuffer image, int type, int flags, long offset, long address, long size, long alignment) {
            image.putInt(type)
                    .putInt(flags)
                    .putLong(offset)
                    .putLong(address)
                    .putLong(address)
                    .putLong(size)
                    .putLong(size)
                    .putLong(alignment);
        }
    }
}
