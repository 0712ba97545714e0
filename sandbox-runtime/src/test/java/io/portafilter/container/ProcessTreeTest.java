package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.CLONE_SIGHAND;
import static io.portafilter.linux.LinuxConstants.CLONE_THREAD;
import static io.portafilter.linux.LinuxConstants.CLONE_VM;
import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.POLLIN;
import static io.portafilter.linux.LinuxConstants.P_PID;
import static io.portafilter.linux.LinuxConstants.SIGKILL;
import static io.portafilter.linux.LinuxConstants.WEXITED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.launch.Assembler;
import io.portafilter.launch.Block;
import io.portafilter.launch.ElfImage;
import io.portafilter.launch.Label;
import io.portafilter.launch.Launcher;
import io.portafilter.launch.Operand;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.Pipe;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcessRef;
import io.portafilter.linux.SystemCall;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProcessTreeTest {

    /** A process whose children were started by another thread than its first one; the test runs it. */
    static final class Starter {
        private Starter() {}

        public static void main(String[] arguments) throws InterruptedException {
            Thread thread = Thread.ofPlatform().start(() -> {
                try {
                    System.out.println(
                            new ProcessBuilder("sleep", "1000").start().pid());
                    Thread.sleep(1_000_000);
                } catch (IOException | InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
            thread.join();
        }
    }

    @Test
    void killsWhatAnotherThreadStarted() throws IOException, InterruptedException, URISyntaxException {
        Process starter = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin/java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        Path.of(Starter.class
                                        .getProtectionDomain()
                                        .getCodeSource()
                                        .getLocation()
                                        .toURI())
                                .toString(),
                        Starter.class.getName())
                .start();
        List<ProcessRef> family = new ArrayList<>();
        try (BufferedReader output = starter.inputReader(StandardCharsets.UTF_8)) {
            family.add(ProcessRef.of(Integer.parseInt(output.readLine())));
            ProcessTree.kill(ProcessRef.of((int) starter.pid()));
            assertThat(starter.waitFor()).isEqualTo(137);
            long deadline = System.nanoTime() + LiveSandbox.LIMIT.toNanos();
            while (family.getFirst().isAlive() && System.nanoTime() < deadline) {
                Thread.onSpinWait();
            }
            assertThat(family.getFirst().isAlive()).as("the child lives").isFalse();
        } finally {
            starter.destroyForcibly();
            family.forEach(ProcessTree::kill);
        }
    }

    /** Its state is then a zombie's, though another thread runs on. */
    @Test
    void killsAProgramWhoseFirstThreadHasEnded(@TempDir Path directory) {
        assumeTrue(Architecture.current() == Architecture.X86_64, "needs x86-64");
        Assembler assembler = new Assembler("end the first thread");
        Label other = new Label("other");
        Label first = assembler.call(SystemCall.CLONE, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0);
        assembler.onZero(other);
        assembler.call(SystemCall.EXIT, 0);
        assembler.neverReturns();
        assembler.place(other);
        assembler.call(
                SystemCall.READ,
                new Operand.Literal(3),
                new Operand.AddressOf(Block.buffer("nothing", 8)),
                new Operand.Literal(8));
        assembler.neverReturns();
        ElfImage image = ElfImage.of(assembler.assemble(first));
        try (Pipe silent = Kernel.pipe2(O_CLOEXEC)) {
            int pid = new Launcher(directory).start(image, "test", List.of(silent.read()));
            try (Fd process = Kernel.pidfdOpen(pid)) {
                long deadline = System.nanoTime() + LiveSandbox.LIMIT.toNanos();
                String stat = "";
                while (!stat.contains(") Z ") && System.nanoTime() < deadline) {
                    stat = ProcFile.read("/proc/" + pid + "/stat");
                }
                assertThat(stat).contains(") Z ");
                ProcessRef program = ProcessRef.of(pid);
                assertThat(program.isAlive())
                        .as("is alive by its second thread")
                        .isTrue();
                ProcessTree.kill(program);
                assertThat(Kernel.poll(process, POLLIN, LiveSandbox.LIMIT))
                        .as("has ended")
                        .isNotZero();
                assertThat(program.isAlive()).as("a zombie is alive").isFalse();
            } finally {
                Kernel.kill(pid, SIGKILL);
                assertThat(Kernel.waitid(P_PID, pid, WEXITED)).isPresent();
            }
        }
    }

    /**
     * Every second child ends at once and is reaped as it ends, by the kernel, whether its parent is stopped or not: at
     * that moment the list of children leaves the next one out.
     */
    @Test
    void killsChildrenWhoseSiblingsAreReapedMeanwhile() throws IOException {
        for (int attempt = 0; attempt < 40; attempt++) {
            assertNobodyIsLeftOf("""
                    $SIG{CHLD} = "IGNORE";
                    for (1..400) { $p = fork; if (!$p) { $_ % 2 ? sleep 1000 : exit 0 } }
                    sleep 1000""", attempt);
        }
    }

    /** Where the child of a child is reaped by the first process, it is there that it is found. */
    @Test
    void killsWhatAChildMakesWhileTheListIsRead() throws IOException {
        for (int attempt = 0; attempt < 40; attempt++) {
            assertNobodyIsLeftOf("""
                    # 56: clone(CLONE_PARENT|SIGCHLD)
                    if (!fork) { for (1..200) { $p = syscall 56, 0x8011, 0, 0, 0, 0; if (!$p) { sleep 1000 } } }
                    sleep 1000""", attempt);
        }
    }

    private static void assertNobodyIsLeftOf(String script, int afterMillis) throws IOException {
        Process family = new ProcessBuilder("perl", "-e", "setpgrp;$|=1;print qq(\\n);" + script).start();
        try {
            assertThat(family.getInputStream().read()).isEqualTo('\n');
            LockSupport.parkNanos(afterMillis * 1_000_000L);
            ProcessTree.kill(ProcessRef.of((int) family.pid()));
            long deadline = System.nanoTime() + LiveSandbox.LIMIT.toNanos();
            while (!group(family.pid()).isEmpty() && System.nanoTime() < deadline) {
                Thread.onSpinWait();
            }
            assertThat(group(family.pid()))
                    .as("processes that live, try %d", afterMillis)
                    .isEmpty();
        } finally {
            group(family.pid()).forEach(process -> process.destroyForcibly());
            family.destroyForcibly();
        }
    }

    private static List<ProcessHandle> group(long leader) {
        return ProcessHandle.allProcesses()
                .filter(process -> {
                    try {
                        String stat = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
                        String[] fields =
                                stat.substring(stat.lastIndexOf(')') + 2).split(" ");
                        return fields[2].equals(Long.toString(leader)) && !fields[0].equals("Z");
                    } catch (IOException e) {
                        return false;
                    }
                })
                .toList();
    }
}
