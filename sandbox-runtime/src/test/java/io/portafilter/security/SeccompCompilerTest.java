package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Libseccomp;
import io.portafilter.security.SeccompRequest.Localhost;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is compiled, and what is remembered. */
class SeccompCompilerTest {

    private static final String JSON = """
            {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
              {"names": ["getpid"], "action": "SCMP_ACT_ALLOW"},
              {"names": ["clock_settime"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_TIME"]}}]}""";

    private final SeccompCompiler compiler = new SeccompCompiler();
    private final HostFacts host = SecurityFixture.host();

    @BeforeEach
    void needsTheLibrary() {
        assumeTrue(Libseccomp.installed().isPresent(), "libseccomp.so.2 is not installed");
    }

    private SeccompCompilation compiled(String path, String json, CapabilitySet bounding) {
        return compiler.compiled(new Localhost(path, json), bounding, host);
    }

    @Test
    void neitherParsesNorCompilesTheSameContentTwice() {
        SeccompCompilation first = compiled("/a.json", JSON, CapabilitySets.DEFAULT);
        assertThat(compiled("/a.json", JSON, CapabilitySets.DEFAULT)).isSameAs(first);
        assertThat(compiler.compilations()).isEqualTo(1);
        assertThat(compiler.reads()).isEqualTo(1);
    }

    @Test
    void knowsTheContentUnderAnotherNameAndCallsItByThatName() {
        SeccompCompilation first = compiled("/a.json", JSON, CapabilitySets.DEFAULT);
        SeccompCompilation second = compiled("/b.json", JSON, CapabilitySets.DEFAULT);
        assertThat(second.program().name()).isEqualTo("Localhost /b.json");
        assertThat(second.program().bpf()).isEqualTo(first.program().bpf());
        assertThat(compiler.compilations()).isEqualTo(1);
        assertThat(compiler.reads()).isEqualTo(1);
    }

    @Test
    void compilesAgainWhenTheContentChangesByOneCharacter() {
        SeccompCompilation first = compiled("/a.json", JSON, CapabilitySets.DEFAULT);
        SeccompCompilation second = compiled("/a.json", JSON.replace("getpid", "getgid"), CapabilitySets.DEFAULT);
        assertThat(second).isNotEqualTo(first);
        assertThat(compiler.compilations()).isEqualTo(2);
    }

    @Test
    void compilesAgainForACapabilityThatTheProfileAsksAboutAndForNoOther() {
        SeccompCompilation plain = compiled("/a.json", JSON, CapabilitySets.DEFAULT);
        assertThat(compiled("/a.json", JSON, CapabilitySet.EMPTY)).isSameAs(plain);
        assertThat(compiler.compilations()).isEqualTo(1);
        SeccompCompilation time = compiled("/a.json", JSON, CapabilitySets.DEFAULT.plus(Capability.CAP_SYS_TIME));
        assertThat(time.program().bpf()).isNotEqualTo(plain.program().bpf());
        assertThat(compiler.compilations()).isEqualTo(2);
        assertThat(compiled("/a.json", JSON, CapabilitySet.of(Capability.CAP_SYS_TIME)))
                .isSameAs(time);
    }

    @Test
    void compilesOnceForAllThatAskAtTheSameTime() throws InterruptedException, ExecutionException {
        List<Callable<SeccompCompilation>> requests = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            requests.add(() -> compiled("/a.json", JSON, CapabilitySets.DEFAULT));
        }
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<SeccompCompilation>> answers = threads.invokeAll(requests);
            for (Future<SeccompCompilation> answer : answers) {
                assertThat(answer.get()).isSameAs(answers.getFirst().get());
            }
        }
        assertThat(compiler.compilations()).isEqualTo(1);
    }

    @Test
    void remembersNoRefusalAndNamesTheFileOfWhoAsks() {
        String tooLarge = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[" + "\"kill\",".repeat(9000)
                + "\"kill\"],\"action\":\"SCMP_ACT_ALLOW\"}]}";
        for (String path : List.of("/a.json", "/b.json")) {
            assertThatExceptionOfType(SecurityRefusal.class)
                    .isThrownBy(() -> compiled(path, tooLarge, CapabilitySets.DEFAULT))
                    .withMessageContaining("the profile Localhost " + path + " has 9001 rules");
        }
    }

    @Test
    void forgetsTheContentThatWasNotAskedForLongest() {
        SeccompCompilation first = compiled("/a.json", JSON, CapabilitySets.DEFAULT);
        for (int i = 1; i < 128; i++) {
            compiled("/a.json", JSON + " ".repeat(i), CapabilitySets.DEFAULT);
        }
        assertThat(compiled("/a.json", JSON, CapabilitySets.DEFAULT)).isSameAs(first);
        compiled("/a.json", JSON + " ".repeat(128), CapabilitySets.DEFAULT);
        assertThat(compiler.compilations()).isEqualTo(129);
        assertThat(compiled("/a.json", JSON, CapabilitySets.DEFAULT)).isSameAs(first);
        compiled("/a.json", JSON + " ", CapabilitySets.DEFAULT);
        assertThat(compiler.compilations()).isEqualTo(130);
    }
}
