package io.portafilter.security;

import java.util.List;

/**
 * A filter together with what became of the profile on this host.
 *
 * @param program the filter
 * @param unknownNames the system calls that the installed libseccomp does not know, sorted: they get the default action
 * @param foreignArchitectures whether the filter knows the processor's other modes too (x86 and x32, or 32-bit Arm); if
 *     not, a program that uses them is killed
 */
public record SeccompCompilation(SeccompProgram program, List<String> unknownNames, boolean foreignArchitectures) {

    public SeccompCompilation {
        unknownNames = List.copyOf(unknownNames);
    }

    /** The same filter under another name for people. */
    SeccompCompilation named(String name) {
        return program.name().equals(name)
                ? this
                : new SeccompCompilation(program.named(name), unknownNames, foreignArchitectures);
    }
}
