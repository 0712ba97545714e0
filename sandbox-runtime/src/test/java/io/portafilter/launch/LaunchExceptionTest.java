package io.portafilter.launch;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.Errno;
import io.portafilter.linux.SystemCall;
import java.util.List;
import org.junit.jupiter.api.Test;

class LaunchExceptionTest {

    private static LaunchProgram program() {
        Assembler assembler = new Assembler("test");
        assembler.step("mount proc on /proc");
        Label first = assembler.call(SystemCall.FSOPEN, new Operand.Text("proc"), new Operand.Literal(1));
        assembler.step("execute /bin/true");
        assembler.call(SystemCall.EXECVE, new Operand.Text("/bin/true"), Operand.ZERO, Operand.ZERO);
        assembler.neverReturns();
        return assembler.assemble(first);
    }

    @Test
    void saysWhatWasDoneWhatFailedAndWhere() {
        LaunchException failure = LaunchException.failed(program(), 0, Errno.EPERM);
        assertThat(failure)
                .hasMessage("mount proc on /proc: fsopen(\"proc\", FSOPEN_CLOEXEC): EPERM (Operation not permitted),"
                        + " operation 0 of 2");
        assertThat(failure.failure())
                .contains(new LaunchException.Failure(SystemCall.FSOPEN, Errno.EPERM, "mount proc on /proc"));
        assertThat(failure.isExecveError()).isFalse();
    }

    @Test
    void namesTheLimitsOfNamespacesWhereTheErrorSaysThatADeviceIsFull() {
        Assembler assembler = new Assembler("test");
        assembler.step("make the pod's namespaces");
        Label first = assembler.call(SystemCall.UNSHARE, new Operand.Literal(0x1000_0000));
        assembler.neverReturns();
        LaunchProgram program = assembler.assemble(first);

        assertThat(LaunchException.failed(program, 0, Errno.ENOSPC))
                .hasMessageStartingWith("make the pod's namespaces: unshare(CLONE_NEWUSER): ENOSPC")
                .hasMessageContaining("user.max_user_namespaces");
        assertThat(LaunchException.failed(program, 0, Errno.EPERM).getMessage()).doesNotContain("sysctl");
        Assembler mounting = new Assembler("test");
        Label mount = mounting.call(SystemCall.FSMOUNT, 60, 1, 0);
        mounting.neverReturns();
        assertThat(LaunchException.failed(mounting.assemble(mount), 0, Errno.ENOSPC))
                .as("a mount that is not attached is in a namespace of its own")
                .hasMessageContaining("user.max_*_namespaces");
        assertThat(LaunchException.failed(program(), 0, Errno.ENOSPC).getMessage())
                .doesNotContain("sysctl");
    }

    @Test
    void tellsAProgramThatCannotBeExecutedFromAFailedLaunch() {
        LaunchException failure = LaunchException.failed(program(), 1, Errno.ENOENT);
        assertThat(failure.isExecveError()).isTrue();
        assertThat(failure.isExecveError(Errno.ENOENT)).isTrue();
        assertThat(failure.isExecveError(Errno.EACCES)).isFalse();
    }

    @Test
    void saysWhyAProgramIsNotExecutedInTheWordsOfWhoeverChoseIt() {
        assertThat(LaunchException.failed(program(), 1, Errno.ENOENT))
                .hasMessage(
                        "execute /bin/true: No such file or directory (ENOENT): the container lacks this file, or the"
                                + " interpreter that the file names");
        assertThat(LaunchException.failed(program(), 1, Errno.EACCES))
                .hasMessage(
                        "execute /bin/true: Permission denied (EACCES): it is not a file that this user may execute");
        assertThat(LaunchException.failed(program(), 1, Errno.EPERM))
                .hasMessage("execute /bin/true: Operation not permitted (EPERM)");
    }

    @Test
    void namesTheWholeSearchPathWhenNoneOfItsDirectoriesHasTheProgram() {
        LaunchException last = LaunchException.failed(program(), 1, Errno.ENOENT);
        assertThat(LaunchException.notFound(List.of("/usr/bin/true", "/bin/true"), last))
                .hasMessage("execute true: No such file or directory (ENOENT) in the container's PATH, which is"
                        + " /usr/bin:/bin")
                .matches(e -> e.isExecveError(Errno.ENOENT));
    }

    @Test
    void saysWhereALaunchWasWhenItWasEnded() {
        assertThat(LaunchException.ended(program(), 1))
                .hasMessage("the launch was ended from outside at: execute /bin/true:"
                        + " execve(\"/bin/true\", NULL, NULL), operation 1 of 2");
        assertThat(LaunchException.ended(program(), Operation.NONE))
                .hasMessage("the launch was ended from outside before its first step");
    }
}
