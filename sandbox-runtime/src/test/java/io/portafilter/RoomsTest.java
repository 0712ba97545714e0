package io.portafilter;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.time.Clock;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** Which package may know which: the dependencies of the sandbox runtime point one way. */
@AnalyzeClasses(packages = "io.portafilter", importOptions = ImportOption.DoNotIncludeTests.class)
class RoomsTest {
    @ArchTest
    static final ArchRule linuxKnowsNoneOfTheOthers = room("linux");

    @ArchTest
    static final ArchRule launchKnowsLinuxAlone = room("launch", "linux");

    @ArchTest
    static final ArchRule securityKnowsLinuxAlone = room("security", "linux");

    @ArchTest
    static final ArchRule rootfsKnowsLinuxAlone = room("rootfs", "linux");

    @ArchTest
    static final ArchRule systemdKnowsLinuxAlone = room("systemd", "linux");

    @ArchTest
    static final ArchRule cgroupKnowsLinuxAndSystemd = room("cgroup", "linux", "systemd");

    @ArchTest
    static final ArchRule containerJoinsTheOthers =
            room("container", "linux", "launch", "security", "lsm", "rootfs", "cgroup", "systemd");

    @ArchTest
    static final ArchRule lsmKnowsLinuxAndSecurity = room("lsm", "linux", "security");

    @ArchTest
    static final ArchRule thereAreNoCycles =
            slices().matching("io.portafilter.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule nativeCodeIsCalledInLinuxAlone = noClasses()
            .that()
            .resideOutsideOfPackage("io.portafilter.linux..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("com.sun.jna..", "java.lang.foreign..");

    @ArchTest
    static final ArchRule runtimeKnowsNoServer = noClasses()
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("io.grpc..", "com.google.protobuf..", "java.sql..", "io.portafilter.cri..");

    /** A plan depends on its arguments alone: what it says of a host, it says everywhere and always. */
    @ArchTest
    static final ArchRule plansAndProgramsDoNotTouchTheHost = noClasses()
            .that(arePure())
            .should()
            .dependOnClassesThat(areTheHost())
            .orShould()
            .accessTargetWhere(askTheClockOrTheEnvironment());

    private static ArchRule room(String name, String... mayImport) {
        String[] known = Stream.concat(Stream.of(name), Stream.of(mayImport))
                .map(room -> "io.portafilter." + room + "..")
                .toArray(String[]::new);
        return noClasses()
                .that()
                .resideInAPackage("io.portafilter." + name + "..")
                .should()
                .dependOnClassesThat(resideInAPackage("io.portafilter..").and(not(resideInAnyPackage(known))))
                .as(name + " imports of ours only " + List.of(mayImport));
    }

    private static DescribedPredicate<JavaClass> arePure() {
        return describe("are pure", type -> {
            String outermost = type.getName().replaceFirst("\\$.*", "").replaceFirst(".*\\.", "");
            return type.getPackageName().startsWith("io.portafilter.security")
                    || outermost.endsWith("Plan")
                    || outermost.endsWith("Program")
                    || outermost.equals("ElfImage");
        });
    }

    private static DescribedPredicate<JavaClass> areTheHost() {
        Set<String> host = Set.of(
                "io.portafilter.linux.Kernel",
                "io.portafilter.linux.OwnThread",
                "io.portafilter.linux.EventLoop",
                "io.portafilter.linux.ProcFile",
                "io.portafilter.linux.ProcDirectory",
                "io.portafilter.linux.DirectoryTree",
                "java.nio.file.Files",
                "java.io.File",
                "java.io.FileInputStream",
                "java.io.FileOutputStream",
                "java.io.FileReader",
                "java.io.RandomAccessFile",
                "java.nio.channels.FileChannel",
                "java.lang.ProcessBuilder",
                "java.lang.Runtime",
                Clock.class.getName());
        return describe("reach the host", type -> host.contains(type.getName()));
    }

    private static DescribedPredicate<JavaAccess<?>> askTheClockOrTheEnvironment() {
        Set<String> ofSystem =
                Set.of("getenv", "getProperty", "getProperties", "currentTimeMillis", "nanoTime", "lineSeparator");
        return describe("ask the clock or the environment", access -> {
            String owner = access.getTargetOwner().getName();
            String name = access.getTarget().getName();
            return owner.equals("java.lang.System") && ofSystem.contains(name)
                    || owner.startsWith("java.time.") && name.equals("now");
        });
    }
}
