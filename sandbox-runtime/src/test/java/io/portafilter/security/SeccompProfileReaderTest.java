package io.portafilter.security;

import static io.portafilter.security.BpfEvaluator.AUDIT_ARCH_I386;
import static io.portafilter.security.BpfEvaluator.AUDIT_ARCH_X86_64;
import static io.portafilter.security.SecurityFixture.container;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Libseccomp;
import io.portafilter.security.SeccompRequest.Localhost;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SeccompProfileReaderTest {

    private static final int CHMOD = 90;
    private static final int GETPID = 39;
    private static final int KILL = 62;
    private static final int SOCKET = 41;
    private static final int CLOCK_SETTIME = 227;
    private static final int CHMOD_I386 = 15;

    @BeforeEach
    void needsTheLibrary() {
        assumeTrue(Libseccomp.installed().isPresent(), "libseccomp.so.2 is not installed");
        assumeTrue(Architecture.current() == Architecture.X86_64, "the numbers here are those of x86-64");
    }

    private static SeccompProgram compile(String json) {
        return container()
                .seccomp(new Localhost("/profiles/test.json", json.replace('\'', '"')))
                .plan()
                .seccomp()
                .orElseThrow();
    }

    private static String answer(SeccompProgram program, int number, long... arguments) {
        return SeccompAction.text(BpfEvaluator.evaluate(program, AUDIT_ARCH_X86_64, number, arguments));
    }

    @Test
    void refusesTheNamedCallsOfAProfileThatAllowsTheRest() {
        SeccompProgram program = compile(
                "{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_X86_64',"
                        + "'SCMP_ARCH_X86','SCMP_ARCH_X32'],'syscalls':[{'names':['chmod','fchmod'],'action':'SCMP_ACT_ERRNO'}]}");
        assertThat(answer(program, CHMOD)).isEqualTo("ERRNO(EPERM)");
        assertThat(answer(program, GETPID)).isEqualTo("ALLOW");
        assertThat(SeccompAction.text(BpfEvaluator.evaluate(program, AUDIT_ARCH_I386, CHMOD_I386)))
                .isEqualTo("ERRNO(EPERM)");
        assertThat(program.name()).isEqualTo("Localhost /profiles/test.json");
    }

    @Test
    void killsForeignModesThatTheProfileDoesNotName() {
        SeccompProgram program = compile("{'defaultAction':'SCMP_ACT_ALLOW'}");
        assertThat(answer(program, GETPID)).isEqualTo("ALLOW");
        assertThat(SeccompAction.text(BpfEvaluator.evaluate(program, AUDIT_ARCH_I386, CHMOD_I386)))
                .isEqualTo("KILL_THREAD");
    }

    @Test
    void takesForeignModesFromTheArchitectureMapOfDocker() {
        SeccompProgram program = compile("{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38,'archMap':["
                + "{'architecture':'SCMP_ARCH_X86_64','subArchitectures':['SCMP_ARCH_X86','SCMP_ARCH_X32']},"
                + "{'architecture':'SCMP_ARCH_S390X','subArchitectures':null}],"
                + "'syscalls':[{'name':'chmod','action':'SCMP_ACT_ALLOW','args':null,'comment':'x'}]}");
        assertThat(answer(program, GETPID)).isEqualTo("ERRNO(ENOSYS)");
        assertThat(SeccompAction.text(BpfEvaluator.evaluate(program, AUDIT_ARCH_I386, CHMOD_I386)))
                .isEqualTo("ALLOW");
    }

    @ParameterizedTest
    @CsvSource({
        "SCMP_ACT_KILL, KILL_THREAD",
        "SCMP_ACT_KILL_THREAD, KILL_THREAD",
        "SCMP_ACT_KILL_PROCESS, KILL_PROCESS",
        "SCMP_ACT_TRAP, TRAP(0)",
        "SCMP_ACT_ERRNO, ERRNO(EPERM)",
        "SCMP_ACT_TRACE, TRACE(1)",
        "SCMP_ACT_LOG, LOG"
    })
    void knowsTheActions(String name, String expected) {
        SeccompProgram program =
                compile("{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['chmod'],'action':'" + name + "'}]}");
        assertThat(answer(program, CHMOD)).isEqualTo(expected);
        assertThat(answer(compile("{'defaultAction':'" + name + "'}"), GETPID)).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({
        "NE, 5, 0, 4 6",
        "LT, 5, 0, 4",
        "LE, 5, 0, 4 5",
        "EQ, 5, 0, 5",
        "GE, 5, 0, 5 6",
        "GT, 5, 0, 6",
        "MASKED_EQ, 6, 4, 4 5",
        "EQ, 18446744073709551615, 0, -1"
    })
    void comparesArguments(String operator, String value, long second, String allowed) {
        SeccompProgram program = compile("{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill'],"
                + "'action':'SCMP_ACT_ALLOW','args':[{'index':1,'value':" + value + ",'valueTwo':" + second
                + ",'op':'SCMP_CMP_" + operator + "'}]}]}");
        for (long argument : new long[] {4, 5, 6, -1}) {
            boolean expected = (" " + allowed + " ").contains(" " + argument + " ")
                    || argument == -1 && (operator.equals("NE") || operator.startsWith("G"));
            if (operator.equals("MASKED_EQ") && argument == -1) {
                expected = false;
            }
            assertThat(BpfEvaluator.allows(program, AUDIT_ARCH_X86_64, KILL, 7, argument))
                    .as("%s %s: %s", operator, value, argument)
                    .isEqualTo(expected);
        }
    }

    @Test
    void joinsConditionsOfOneEntryByAndAndEntriesByOr() {
        SeccompProgram program = compile("{'defaultAction':'SCMP_ACT_ERRNO','syscalls':["
                + "{'names':['socket'],'action':'SCMP_ACT_ALLOW','args':[{'index':0,'value':1,'op':'SCMP_CMP_EQ'},"
                + "{'index':1,'value':2,'op':'SCMP_CMP_EQ'}]},"
                + "{'names':['socket'],'action':'SCMP_ACT_ALLOW','args':[{'index':0,'value':9,'op':'SCMP_CMP_EQ'}]}]}");
        assertThat(answer(program, SOCKET, 1, 2)).isEqualTo("ALLOW");
        assertThat(answer(program, SOCKET, 1, 3)).isEqualTo("ERRNO(EPERM)");
        assertThat(answer(program, SOCKET, 9, 3)).isEqualTo("ALLOW");
    }

    @Test
    void includesAndExcludesByCapabilityArchitectureAndKernel() {
        String json = "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':["
                + "{'names':['clock_settime'],'action':'SCMP_ACT_ALLOW','includes':{'caps':['CAP_SYS_TIME']},'excludes':{}},"
                + "{'names':['chmod'],'action':'SCMP_ACT_ALLOW','excludes':{'caps':['CAP_SYS_TIME']}},"
                + "{'names':['kill'],'action':'SCMP_ACT_ALLOW','includes':{'arches':['s390x']}},"
                + "{'names':['getpid'],'action':'SCMP_ACT_ALLOW','includes':{'minKernel':'4.8','arches':['amd64']}},"
                + "{'names':['socket'],'action':'SCMP_ACT_ALLOW','excludes':{'minKernel':'4.8'}}]}";
        SeccompProgram usual = compile(json);
        SeccompProgram time = container()
                .add("SYS_TIME")
                .seccomp(new Localhost("/profiles/test.json", json.replace('\'', '"')))
                .plan()
                .seccomp()
                .orElseThrow();
        assertThat(answer(usual, CLOCK_SETTIME)).isEqualTo("ERRNO(EPERM)");
        assertThat(answer(time, CLOCK_SETTIME)).isEqualTo("ALLOW");
        assertThat(answer(usual, CHMOD)).isEqualTo("ALLOW");
        assertThat(answer(time, CHMOD)).isEqualTo("ERRNO(EPERM)");
        assertThat(answer(usual, KILL)).isEqualTo("ERRNO(EPERM)");
        assertThat(answer(usual, GETPID)).isEqualTo("ALLOW");
        assertThat(answer(usual, SOCKET)).isEqualTo("ERRNO(EPERM)");
    }

    @Test
    void skipsNamesThatTheLibraryDoesNotKnowAndSaysSo() {
        SecurityPlan plan = container().seccomp(new Localhost("/p.json", """
                        {"defaultAction": "SCMP_ACT_ERRNO",
                         "syscalls": [{"names": ["nosuchcall", "getpid"], "action": "SCMP_ACT_ALLOW"}]}""")).plan();
        assertThat(answer(plan.seccomp().orElseThrow(), GETPID)).isEqualTo("ALLOW");
        assertThat(plan.notes())
                .anyMatch(note -> note.contains("does not know nosuchcall"))
                .anyMatch(note -> note.contains("native mode alone"));
    }

    @Test
    void passesTheFlagsOn() {
        assertThat(compile("{'defaultAction':'SCMP_ACT_ALLOW','flags':['SECCOMP_FILTER_FLAG_LOG',"
                                + "'SECCOMP_FILTER_FLAG_SPEC_ALLOW','SECCOMP_FILTER_FLAG_TSYNC']}")
                        .flags())
                .isEqualTo(6);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "[]",
                "null",
                "{}",
                "{'defaultAction':'SCMP_ACT_ALLOW'} {}",
                "{'defaultAction':'ALLOW'}",
                "{'defaultAction':'SCMP_ACT_NOTIFY'}",
                "{'defaultAction':'SCMP_ACT_ALLOW','defaultAction':'SCMP_ACT_ALLOW'}",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscals':[]}",
                "{'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'/run/x'}",
                "{'defaultAction':'SCMP_ACT_ALLOW','listenerMetadata':'x'}",
                "{'defaultAction':'SCMP_ACT_ALLOW','defaultErrnoRet':1}",
                "{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_X64']}",
                "{'defaultAction':'SCMP_ACT_ALLOW','archMap':[{'subArchitectures':['SCMP_ARCH_X86']}]}",
                "{'defaultAction':'SCMP_ACT_ALLOW','archMap':[{'architecture':'SCMP_ARCH_ARM'},{'architecture':'SCMP_ARCH_ARM'}]}",
                "{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_X86'],'archMap':[{'architecture':'SCMP_ARCH_X86_64'}]}",
                "{'defaultAction':'SCMP_ACT_ALLOW','flags':['SECCOMP_FILTER_FLAG_SPEED']}",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['kill'],'action':'SCMP_ACT_TRAP','errnoRet':2}]}",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['kill'],'name':'chmod','action':'SCMP_ACT_TRAP'}]}",
                "{'defaultAction':'SCMP_ACT_ALLOW','flags':['SECCOMP_FILTER_FLAG_NEW_LISTENER']}",
                "{'defaultAction':'SCMP_ACT_ALLOW','flags':['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV']}",
                "{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':4095}",
                "{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':-1}",
                "{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':'1'}",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':{}}",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'action':'SCMP_ACT_ERRNO'}]}",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['kill']}]}",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':'kill','action':'SCMP_ACT_ERRNO'}]}",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['kill'],'action':'SCMP_ACT_NOTIFY'}]}",
                "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill'],'action':'SCMP_ACT_ALLOW','arg':[]}]}",
                "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill'],'action':'SCMP_ACT_ALLOW',"
                        + "'args':[{'index':6,'value':1,'op':'SCMP_CMP_EQ'}]}]}",
                "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill'],'action':'SCMP_ACT_ALLOW',"
                        + "'args':[{'index':0,'value':18446744073709551616,'op':'SCMP_CMP_EQ'}]}]}",
                "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill'],'action':'SCMP_ACT_ALLOW',"
                        + "'args':[{'index':0,'value':1.5,'op':'SCMP_CMP_EQ'}]}]}",
                "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill'],'action':'SCMP_ACT_ALLOW',"
                        + "'args':[{'index':0,'value':1}]}]}",
                "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill'],'action':'SCMP_ACT_ALLOW',"
                        + "'args':[{'index':0,'value':1,'op':'SCMP_CMP_NE'},{'index':0,'value':2,'op':'SCMP_CMP_NE'}]}]}",
                "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill'],'action':'SCMP_ACT_ALLOW',"
                        + "'includes':{'caps':['CAP_NONE']}}]}",
                "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill'],'action':'SCMP_ACT_ALLOW',"
                        + "'includes':{'minKernel':'new'}}]}"
            })
    void refusesWhatIsMalformedWithItsPlace(String json) {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> compile(json))
                .withMessageMatching(
                        "seccomp: the profile /profiles/test.json, line \\d+, column \\d+(, at /\\S+)?: .*");
    }

    @Test
    void namesLineAndColumn() {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> compile("{'defaultAction': 'SCMP_ACT_ALLOW',\n 'colour': 1}"))
                .withMessageContaining("line 2, column 12, at /colour: unknown field \"colour\"");
    }

    @Test
    void namesTheMemberByItsPointer() {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> compile("""
                        {'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [
                        {'names': ['kill'], 'action': 'SCMP_ACT_TRAP'},
                        {'names': ['chmod'], 'args': [{'op': 'SCMP_CMP_LIKE'}]}]}"""))
                .withMessageContaining("line 3, column 38, at /syscalls/1/args/0/op: unknown op \"SCMP_CMP_LIKE\"");
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> compile("{'syscalls':[{'action':'SCMP_ACT_NOTIFY','names':['kill']}]}"))
                .withMessageContaining("at /syscalls/0/action: SCMP_ACT_NOTIFY needs a process that answers");
    }

    @Test
    void takesFromTheArchitectureMapOnlyWhatBelongsToThisMachine() {
        SeccompProgram program = compile("{'defaultAction':'SCMP_ACT_ALLOW','archMap':["
                + "{'architecture':'SCMP_ARCH_X86_64','subArchitectures':[]},"
                + "{'architecture':'SCMP_ARCH_AARCH64','subArchitectures':['SCMP_ARCH_X86','SCMP_ARCH_X32']}]}");
        assertThat(SeccompAction.text(BpfEvaluator.evaluate(program, AUDIT_ARCH_I386, CHMOD_I386)))
                .isEqualTo("KILL_THREAD");
        assertThat(answer(program, CHMOD | BpfEvaluator.X32_SYSCALL_BIT)).isEqualTo("KILL_THREAD");
    }

    /** The bit alone does not make a call of a mode that the filter knows. */
    @Test
    void killsX32CallsUnlessTheProfileNamesX32() {
        assertThat(answer(compile("{'defaultAction':'SCMP_ACT_ALLOW'}"), GETPID | BpfEvaluator.X32_SYSCALL_BIT))
                .isEqualTo("KILL_THREAD");
        assertThat(answer(
                        compile("{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_X32']}"),
                        GETPID | BpfEvaluator.X32_SYSCALL_BIT))
                .isEqualTo("ALLOW");
    }

    @ParameterizedTest
    @CsvSource({
        "SCMP_ACT_ERRNO, 38, ERRNO(ENOSYS)",
        "SCMP_ACT_ERRNO, 0, ERRNO(0)",
        "SCMP_ACT_ERRNO, null, ERRNO(EPERM)",
        "SCMP_ACT_ERRNO, 133, ERRNO(EHWPOISON)",
        "SCMP_ACT_TRACE, 7, TRACE(7)"
    })
    void answersWithTheErrorNumberThatIsGiven(String action, String errno, String expected) {
        assertThat(answer(
                        compile(
                                "{'defaultAction':'SCMP_ACT_ALLOW','defaultErrnoRet':null,'syscalls':[{'names':['chmod'],"
                                        + "'action':'" + action + "','errnoRet':" + errno + "}]}"),
                        CHMOD))
                .isEqualTo(
                        expected.replace("4095", SeccompAction.text(0x0005_0fff).replaceAll("\\D", "")));
        assertThat(answer(compile("{'defaultAction':'" + action + "','defaultErrnoRet':" + errno + "}"), CHMOD))
                .isEqualTo(answer(
                        compile("{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'name':'chmod'," + "'action':'" + action
                                + "','errnoRet':" + errno + "}]}"),
                        CHMOD));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'names':['kill'],'action':'SCMP_ACT_TRAP'}",
                "{'names':['kill'],'action':'SCMP_ACT_TRAP','args':[{'index':1,'value':9,'op':'SCMP_CMP_EQ'}]}"
            })
    void refusesTwoAnswersToOneCall(String second) {
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> compile("{'defaultAction':'SCMP_ACT_ERRNO','syscalls':["
                        + "{'names':['kill'],'action':'SCMP_ACT_ALLOW'}," + second + "]}"))
                .withMessageContaining("answers kill with both ALLOW and TRAP(0)");
    }

    @Test
    void takesTheSameRuleTwice() {
        assertThat(answer(
                        compile("{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['kill','kill'],"
                                + "'action':'SCMP_ACT_ALLOW'},{'names':['kill'],'action':'SCMP_ACT_ERRNO'}]}"),
                        KILL))
                .isEqualTo("ALLOW");
    }

    @Test
    void refusesMoreRulesThanFit() {
        String entries = IntStream.range(0, 1001)
                .mapToObj(i -> "{'names':['kill'],'action':'SCMP_ACT_ALLOW','args':[{'index':0,'value':" + i
                        + ",'op':'SCMP_CMP_EQ'}]}")
                .collect(Collectors.joining(","));
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> compile("{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[" + entries + "]}"))
                .withMessageContaining("1001 rules, 1001 of them with conditions");
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> compile(" ".repeat(1024 * 1024 + 1)))
                .withMessageContaining("more than 1048576 characters");
    }

    @Test
    void refusesUpperBoundsThatLibseccompWouldTakeMinutesFor() {
        assertThat(answer(compile(upperBounds(50)), KILL)).isEqualTo("ALLOW");
        assertThatExceptionOfType(SecurityRefusal.class)
                .isThrownBy(() -> compile(upperBounds(51)))
                .withMessageContaining("more than 100 conditions SCMP_CMP_LT and SCMP_CMP_LE for kill");
    }

    /** So many of each kind; the argument 0 is below all. */
    private static String upperBounds(int each) {
        String entries = IntStream.range(0, 2 * each)
                .mapToObj(i -> "{'names':['kill'],'action':'SCMP_ACT_ALLOW','args':[{'index':0,'value':"
                        + ((i + 1L) << 32 | 7L * i + 3) + ",'op':'" + (i % 2 == 0 ? "SCMP_CMP_LT" : "SCMP_CMP_LE")
                        + "'}]}")
                .collect(Collectors.joining(","));
        return "{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[" + entries + "]}";
    }

    @Test
    void leavesForeignModesOutWhenTheFilterWouldNotFit() {
        String entries = IntStream.range(0, 500)
                .mapToObj(i -> "{'names':['kill'],'action':'SCMP_ACT_ALLOW','args':[{'index':0,'value':" + i
                        + ",'op':'SCMP_CMP_EQ'},{'index':1,'value':" + i + ",'op':'SCMP_CMP_EQ'}]}")
                .collect(Collectors.joining(","));
        SeccompProgram program = compile("{'defaultAction':'SCMP_ACT_ERRNO','architectures':['SCMP_ARCH_X86',"
                + "'SCMP_ARCH_X32'],'syscalls':[" + entries + "]}");
        assertThat(answer(program, KILL, 499, 499)).isEqualTo("ALLOW");
        assertThat(answer(program, KILL, 499, 498)).isEqualTo("ERRNO(EPERM)");
        assertThat(SeccompAction.text(BpfEvaluator.evaluate(program, AUDIT_ARCH_I386, CHMOD_I386)))
                .isEqualTo("KILL_THREAD");
    }
}
