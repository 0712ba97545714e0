package io.portafilter.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Errno;
import io.portafilter.linux.SystemCall;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

class ElfImageTest {

    private static final int ADDRESS = 0x400000;
    private static final int TRASH = 0x402000;
    private static final int OPERATION = 80;

    private final Assembler assembler = new Assembler("test");

    private static ElfImage encode(LaunchProgram program) {
        return ElfImage.of(program, new Encoder.X8664());
    }

    private static ByteBuffer bytes(ElfImage image) {
        return ByteBuffer.wrap(image.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    }

    private void exit() {
        assembler.call(SystemCall.EXIT_GROUP, 0);
        assembler.neverReturns();
    }

    /** Where the table of operations lies in the file: the interpreter's first operation, which is number 0 here. */
    private static int table(ByteBuffer file) {
        return file.getInt(0x201) - ADDRESS;
    }

    @Test
    void theInterpreterIsTheOneThatWasVerified() {
        byte[] code = new Encoder.X8664().interpreter(0x11223344);
        assertThat(code).hasSize(100);
        assertThat(HexFormat.of().formatHex(code))
                .isEqualTo("bb44332211" + "891c2508104000" + "8b03" + "488b7b08" + "488b7310" + "488b5318" + "4c8b5320"
                        + "4c8b4328" + "4c8b4b30" + "0f05" + "483d01f0ffff" + "7315" + "488b4b38" + "488901"
                        + "8b4b40" + "4885c0" + "0f444b44" + "89cb" + "ebc0" + "f7d8" + "3b4304" + "7413"
                        + "891c2500104000" + "89042504104000" + "8b5b48" + "eba6" + "8b5b40" + "eba1");
    }

    @Test
    void noSegmentIsBothWritableAndExecutable() {
        Label first = assembler.call(SystemCall.GETPID, 0);
        exit();
        ByteBuffer file = bytes(encode(assembler.assemble(first)));
        assertThat(file.getInt(0)).isEqualTo(0x464c457f);
        assertThat(file.getShort(16)).as("ET_EXEC").isEqualTo((short) 2);
        assertThat(file.getShort(18)).as("EM_X86_64").isEqualTo((short) 62);
        assertThat(file.getLong(24)).as("entry").isEqualTo(0x400200);
        assertThat(file.getLong(32)).as("program headers").isEqualTo(64);
        assertThat(file.getLong(40)).as("section headers").isZero();
        assertThat(file.getShort(56)).isEqualTo((short) 3);
        assertThat(segment(file, 0)).isEqualTo(new Segment(1, 5, 0, 0x400000, 0x264, 0x1000));
        assertThat(segment(file, 1)).isEqualTo(new Segment(1, 6, 0x1000, 0x401000, file.limit() - 0x1000, 0x1000));
        assertThat(segment(file, 2).type()).as("GNU_STACK").isEqualTo(0x6474e551);
        assertThat(segment(file, 2).flags()).isEqualTo(6);
    }

    private record Segment(int type, int flags, long offset, long address, long size, long alignment) {}

    private static Segment segment(ByteBuffer file, int index) {
        int at = 64 + 56 * index;
        assertThat(file.getLong(at + 32)).as("file size").isEqualTo(file.getLong(at + 40));
        assertThat(file.getLong(at + 16)).as("virtual address").isEqualTo(file.getLong(at + 24));
        return new Segment(
                file.getInt(at),
                file.getInt(at + 4),
                file.getLong(at + 8),
                file.getLong(at + 16),
                file.getLong(at + 32),
                file.getLong(at + 48));
    }

    @Test
    void aResultIsStoredIntoTheArgumentThatNamesIt() {
        Label opened = assembler.call(SystemCall.SOCKET, 1, 1, 0);
        assembler.call(SystemCall.CLOSE, new Operand.ResultOf(opened));
        exit();
        ByteBuffer file = bytes(encode(assembler.assemble(opened)));
        int table = table(file);
        assertThat(file.getLong(table + 56)).as("result").isEqualTo(ADDRESS + table + OPERATION + 8L);
        assertThat(file.getLong(table + OPERATION + 8)).as("unset result").isEqualTo(-9);
        assertThat(file.getLong(table + OPERATION + 56)).as("unused result").isEqualTo(TRASH);
    }

    @Test
    void theAddressOfAResultIsThatOfTheArgumentItIs() {
        Label opened = assembler.call(SystemCall.SOCKET, 1, 1, 0);
        assembler.call(
                SystemCall.WRITE, new Operand.Literal(1), new Operand.AddressOfResult(opened), new Operand.Literal(8));
        assembler.call(SystemCall.CLOSE, new Operand.ResultOf(opened));
        exit();
        ByteBuffer file = bytes(encode(assembler.assemble(opened)));
        int table = table(file);
        long argument = ADDRESS + table + 2L * OPERATION + 8;
        assertThat(file.getLong(table + 56)).isEqualTo(argument);
        assertThat(file.getLong(table + OPERATION + 16)).isEqualTo(argument);
    }

    @Test
    void refusesAResultThatIsAnArgumentTwice() {
        Label opened = assembler.call(SystemCall.SOCKET, 1, 1, 0);
        assembler.call(SystemCall.CLOSE, new Operand.ResultOf(opened));
        assembler.call(SystemCall.CLOSE, new Operand.ResultOf(opened));
        exit();
        LaunchProgram program = assembler.assemble(opened);
        assertThatThrownBy(() -> encode(program))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("the result of socket in program test is an argument twice");
    }

    @Test
    void anOperationIsWrittenAsTheInterpreterReadsIt() {
        Label failed = new Label("failed");
        Label zero = new Label("zero");
        assembler.failTo(failed);
        Label first = assembler.call(SystemCall.DUP3, 5, 6, 0x80000);
        assembler.tolerate(Errno.EBADF, "a reason");
        assembler.onZero(zero);
        assembler.call(SystemCall.GETPID, 0);
        assembler.place(zero);
        assembler.call(SystemCall.GETPID, 0);
        assembler.place(failed);
        exit();
        ElfImage image = encode(assembler.assemble(first));
        ByteBuffer file = bytes(image);
        int table = table(file);
        assertThat(table % 16).isZero();
        assertThat(file.getInt(table)).isEqualTo(292);
        assertThat(file.getInt(table + 4)).as("tolerated").isEqualTo(9);
        assertThat(file.getLong(table + 8)).isEqualTo(5);
        assertThat(file.getLong(table + 16)).isEqualTo(6);
        assertThat(file.getLong(table + 24)).isEqualTo(0x80000);
        assertThat(file.getInt(table + 64)).as("next").isEqualTo(ADDRESS + table + OPERATION);
        assertThat(file.getInt(table + 68)).as("onZero").isEqualTo(ADDRESS + table + 2 * OPERATION);
        assertThat(file.getInt(table + 72)).as("onError").isEqualTo(ADDRESS + table + 3 * OPERATION);
        int end = table + 3 * OPERATION;
        assertThat(file.getInt(end + 64)).as("the end's next").isZero();
        assertThat(file.getInt(end + 68)).isZero();
        assertThat(file.getInt(end + 72)).isZero();
        assertThat(image.operationAt(ADDRESS + table + OPERATION)).isEqualTo(1);
        assertThat(image.operationAt(ADDRESS + table + OPERATION + 8)).isEqualTo(Operation.NONE);
        assertThat(image.operationAt(ADDRESS + table + 4 * OPERATION)).isEqualTo(Operation.NONE);
        assertThat(image.operationAt(0)).isEqualTo(Operation.NONE);
        assertThat(image.operationAt(0xffffffffL)).isEqualTo(Operation.NONE);
    }

    @Test
    void theFirstOperationNeedNotBeTheFirstInTheTable() {
        assembler.call(SystemCall.GETPID, 0);
        Label first = assembler.call(SystemCall.GETPID, 0);
        exit();
        ElfImage image = encode(assembler.assemble(first));
        assertThat(image.operationAt(bytes(image).getInt(0x201))).isEqualTo(1);
    }

    @Test
    void equalProgramsAreEqualFiles() {
        assertThat(encode(sample()).bytes()).isEqualTo(encode(sample()).bytes());
    }

    private static LaunchProgram sample() {
        Assembler assembler = new Assembler("same");
        Block texts = Block.texts(List.of("a", "b", "a"), false);
        Label first = assembler.call(
                SystemCall.EXECVE,
                new Operand.Text("/bin/a"),
                new Operand.AddressOf(texts),
                new Operand.AddressOf(Block.texts(List.of("K=V"), true)));
        assembler.neverReturns();
        return assembler.assemble(first);
    }

    @Test
    void aListOfTextsPointsAtEachAndEndsWithNull() {
        ByteBuffer file = bytes(encode(sample()));
        int list = Math.toIntExact(file.getLong(table(file) + 16)) - ADDRESS;
        assertThat(text(file, file.getLong(list))).isEqualTo("a");
        assertThat(text(file, file.getLong(list + 8))).isEqualTo("b");
        assertThat(text(file, file.getLong(list + 16))).isEqualTo("a");
        assertThat(file.getLong(list + 24)).isZero();
    }

    private static String text(ByteBuffer file, long address) {
        StringBuilder text = new StringBuilder();
        for (int at = Math.toIntExact(address) - ADDRESS; file.get(at) != 0; at++) {
            text.append((char) file.get(at));
        }
        return text.toString();
    }

    @Test
    void anArchitectureWithoutAnInterpreterIsRefused() {
        assertThatThrownBy(() -> Encoder.of(Architecture.AARCH64))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("AArch64");
    }
}
