package io.portafilter.launch;

import java.util.List;
import java.util.Map;

/**
 * A process start as a list of system calls. It is data: it can be printed, compared, written to an ELF file and made
 * to fail at any step.
 *
 * @param name what it starts, for people
 * @param operations all operations; successors are indexes into this list
 * @param first the index of the operation that the process begins with
 * @param labels where each label that an operand names is bound
 */
public record LaunchProgram(String name, List<Operation> operations, int first, Map<Label, Integer> labels) {

    /** Copies the lists. */
    public LaunchProgram {
        operations = List.copyOf(operations);
        labels = Map.copyOf(labels);
    }

    /** The index of the operation that a label is bound to. */
    public int indexOf(Label label) {
        Integer index = labels.get(label);
        if (index == null) {
            throw new IllegalArgumentException("label " + label + " is not placed in program " + name);
        }
        return index;
    }
}
