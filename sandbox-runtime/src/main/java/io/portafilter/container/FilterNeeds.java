package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.*;

import io.portafilter.launch.ElfImage;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.BpfEvaluator;
import io.portafilter.security.SeccompAction;
import io.portafilter.security.SeccompProgram;
import io.portafilter.security.SecurityPlan;
import io.portafilter.security.SecurityRefusal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The calls that a launch still makes under the container's own filter. Where others would see the program being
 * prepared, the filter is installed before the program's process is born; it must let these through.
 */
final class FilterNeeds {

    private record Late(SystemCall call, List<Long> arguments) {
        static Late of(SystemCall call, long... arguments) {
            return new Late(call, Arrays.stream(arguments).boxed().toList());
        }
    }

    private FilterNeeds() {}

    /**
     * Refuses a filter that would end a launch halfway, naming the call.
     *
     * @param session what is asked of the terminal: {@link ProgramWriter#beginSession}
     */
    static void require(SecurityPlan security, Architecture architecture, List<Integer> session) {
        security.seccomp().ifPresent(filter -> {
            for (Late late : lateCalls(security.noNewPrivileges(), session)) {
                int action = BpfEvaluator.evaluate(
                        filter,
                        auditNumber(architecture),
                        late.call().number(architecture),
                        late.arguments().stream().mapToLong(Long::longValue).toArray());
                if (!SeccompAction.allows(action)) {
                    throw refusal(filter, late.call(), action);
                }
            }
        });
    }

    private static SecurityRefusal refusal(SeccompProgram filter, SystemCall call, int action) {
        return new SecurityRefusal(
                "seccomp",
                "profile " + filter.name() + " answers " + call.callName() + " with " + SeccompAction.text(action)
                        + ", and a process that joins a container's PID namespace must make that call under the"
                        + " container's filter",
                "allow " + call.callName() + " in the profile");
    }

    private static List<Late> lateCalls(boolean noNewPrivileges, List<Integer> session) {
        List<Late> calls = new ArrayList<>();
        if (!noNewPrivileges) {
            calls.add(Late.of(SystemCall.CAPSET));
        }
        calls.add(Late.of(SystemCall.CLONE, CLONE_PARENT));
        calls.add(Late.of(
                SystemCall.MMAP, 0, ElfImage.PROGRESS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED));
        calls.add(Late.of(SystemCall.CLOSE));
        calls.add(Late.of(SystemCall.PRCTL, PR_SET_PDEATHSIG, SIGKILL));
        calls.add(Late.of(SystemCall.SETSID));
        session.forEach(request -> calls.add(Late.of(SystemCall.IOCTL, 0, request, 0)));
        calls.add(Late.of(SystemCall.EXECVE));
        return calls;
    }

    private static int auditNumber(Architecture architecture) {
        return switch (architecture) {
            case X86_64 -> BpfEvaluator.AUDIT_ARCH_X86_64;
            case AARCH64 -> BpfEvaluator.AUDIT_ARCH_AARCH64;
        };
    }
}
