package io.portafilter.cgroup;

import static io.portafilter.linux.LinuxConstants.BPF_CGROUP_DEVICE;
import static io.portafilter.linux.LinuxConstants.BPF_F_ALLOW_MULTI;
import static io.portafilter.linux.LinuxConstants.BPF_PROG_ATTACH;
import static io.portafilter.linux.LinuxConstants.BPF_PROG_LOAD;
import static io.portafilter.linux.LinuxConstants.BPF_PROG_TYPE_CGROUP_DEVICE;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.NativeBuffer;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Device rules as a program of type {@code BPF_PROG_TYPE_CGROUP_DEVICE}, which cgroup v2 runs at each mknod(2) and
 * open(2) of a device. It returns 1 when some rule allows the whole access, else 0.
 *
 * <p>Its argument in R1 is {@code struct bpf_cgroup_dev_ctx} (linux/bpf.h): {@code access_type}, the access in the
 * upper and the device type in the lower 16 bits, {@code major}, {@code minor}.
 */
final class DeviceFilter {
    private static final int INSTRUCTION_BYTES = 8;

    /** Up to and without {@code kern_version}: what every kernel with this program type knows. */
    private static final int ATTRIBUTE_BYTES = 40;

    /** It calls no function of the kernel that would ask for the GPL. */
    private static final byte[] LICENSE = "Apache-2.0".getBytes(StandardCharsets.US_ASCII);

    // linux/bpf.h
    private static final int BPF_DEVCG_ACC_MKNOD = 1;
    private static final int BPF_DEVCG_ACC_READ = 2;
    private static final int BPF_DEVCG_ACC_WRITE = 4;
    private static final int BPF_DEVCG_DEV_BLOCK = 1;
    private static final int BPF_DEVCG_DEV_CHAR = 2;

    // linux/bpf_common.h, linux/bpf.h: operation codes, composed
    private static final int LOAD_WORD = 0x61; // BPF_LDX | BPF_MEM | BPF_W
    private static final int MOVE = 0xbc; // BPF_ALU | BPF_MOV | BPF_X
    private static final int MOVE_VALUE = 0xb4; // BPF_ALU | BPF_MOV | BPF_K
    private static final int AND_VALUE = 0x54; // BPF_ALU | BPF_AND | BPF_K
    private static final int SHIFT_RIGHT_VALUE = 0x74; // BPF_ALU | BPF_RSH | BPF_K
    private static final int JUMP_UNLESS_EQUAL = 0x55; // BPF_JMP | BPF_JNE | BPF_K
    private static final int EXIT = 0x95; // BPF_JMP | BPF_EXIT

    private static final int RESULT = 0;
    private static final int CONTEXT = 1;
    private static final int SCRATCH = 1;
    private static final int TYPE = 2;
    private static final int ACCESS = 3;
    private static final int MAJOR = 4;
    private static final int MINOR = 5;

    /** {@code struct bpf_insn[]}. */
    private final byte[] instructions;

    private DeviceFilter(byte[] instructions) {
        this.instructions = instructions;
    }

    private record Instruction(int code, int destination, int source, int offset, int value) {}

    static DeviceFilter of(List<DeviceRule> rules) {
        List<Instruction> program = new ArrayList<>();
        program.add(new Instruction(LOAD_WORD, TYPE, CONTEXT, 0, 0));
        program.add(new Instruction(MOVE, ACCESS, TYPE, 0, 0));
        program.add(new Instruction(AND_VALUE, TYPE, 0, 0, 0xffff));
        program.add(new Instruction(SHIFT_RIGHT_VALUE, ACCESS, 0, 0, 16));
        program.add(new Instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0));
        program.add(new Instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0));
        for (DeviceRule rule : rules) {
            program.addAll(allow(rule));
        }
        program.add(new Instruction(MOVE_VALUE, RESULT, 0, 0, 0));
        program.add(new Instruction(EXIT, 0, 0, 0, 0));
        return new DeviceFilter(encode(program));
    }

    /** How many instructions it has. */
    int length() {
        return instructions.length / INSTRUCTION_BYTES;
    }

    /**
     * Loads the program and attaches it to a cgroup, beside those of its ancestors, all of which must allow an access.
     * It stays as long as the cgroup does. Source: bpf(2), {@code union bpf_attr} in linux/bpf.h.
     */
    void attach(Fd cgroup) {
        try (Fd program = load()) {
            NativeBuffer attributes = NativeBuffer.allocate(ATTRIBUTE_BYTES);
            attributes
                    .bytes()
                    .putInt(0, cgroup.number())
                    .putInt(4, program.number())
                    .putInt(8, BPF_CGROUP_DEVICE)
                    .putInt(12, BPF_F_ALLOW_MULTI);
            Kernel.bpf(BPF_PROG_ATTACH, attributes, 16);
        }
    }

    @MustBeClosed
    private Fd load() {
        NativeBuffer code = NativeBuffer.allocate(instructions.length);
        code.bytes().put(0, instructions);
        NativeBuffer license = NativeBuffer.allocate(LICENSE.length + 1);
        license.bytes().put(0, LICENSE);
        NativeBuffer attributes = NativeBuffer.allocate(ATTRIBUTE_BYTES);
        attributes
                .bytes()
                .putInt(0, BPF_PROG_TYPE_CGROUP_DEVICE)
                .putInt(4, length())
                .putLong(8, code.address())
                .putLong(16, license.address());
        try {
            return Fd.own(Kernel.bpf(BPF_PROG_LOAD, attributes, ATTRIBUTE_BYTES));
        } finally {
            Reference.reachabilityFence(code);
            Reference.reachabilityFence(license);
        }
    }

    /** Falls through to what follows unless the rule allows the access. */
    private static List<Instruction> allow(DeviceRule rule) {
        List<Instruction> tests = new ArrayList<>();
        if (rule.type() != 'a') {
            int type = rule.type() == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
            tests.add(new Instruction(JUMP_UNLESS_EQUAL, TYPE, 0, 0, type));
        }
        if (rule.access().length() < 3) {
            tests.add(new Instruction(MOVE, SCRATCH, ACCESS, 0, 0));
            tests.add(new Instruction(AND_VALUE, SCRATCH, 0, 0, ~accessBits(rule.access())));
            tests.add(new Instruction(JUMP_UNLESS_EQUAL, SCRATCH, 0, 0, 0));
        }
        if (rule.major() != DeviceRule.ANY) {
            tests.add(new Instruction(JUMP_UNLESS_EQUAL, MAJOR, 0, 0, (int) rule.major()));
        }
        if (rule.minor() != DeviceRule.ANY) {
            tests.add(new Instruction(JUMP_UNLESS_EQUAL, MINOR, 0, 0, (int) rule.minor()));
        }
        tests.add(new Instruction(MOVE_VALUE, RESULT, 0, 0, 1));
        tests.add(new Instruction(EXIT, 0, 0, 0, 0));
        List<Instruction> placed = new ArrayList<>();
        for (int i = 0; i < tests.size(); i++) {
            Instruction test = tests.get(i);
            boolean jumps = test.code == JUMP_UNLESS_EQUAL;
            int behindTheRule = tests.size() - i - 1;
            placed.add(
                    jumps
                            ? new Instruction(test.code, test.destination, test.source, behindTheRule, test.value)
                            : test);
        }
        return placed;
    }

    private static int accessBits(String access) {
        return (access.contains("r") ? BPF_DEVCG_ACC_READ : 0)
                | (access.contains("w") ? BPF_DEVCG_ACC_WRITE : 0)
                | (access.contains("m") ? BPF_DEVCG_ACC_MKNOD : 0);
    }

    /** struct bpf_insn: code, registers (destination in the lower four bits), offset, immediate value. */
    private static byte[] encode(List<Instruction> program) {
        ByteBuffer bytes =
                ByteBuffer.allocate(program.size() * INSTRUCTION_BYTES).order(ByteOrder.nativeOrder());
        for (Instruction instruction : program) {
            bytes.put((byte) instruction.code)
                    .put((byte) (instruction.source << 4 | instruction.destination))
                    .putShort((short) instruction.offset)
                    .putInt(instruction.value);
        }
        return bytes.array();
    }
}
