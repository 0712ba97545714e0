package io.portafilter;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;

/** Which package of the server may know which, and what holds for every class of both code modules. */
@AnalyzeClasses(packages = "io.portafilter", importOptions = ImportOption.DoNotIncludeTests.class)
class RoomsTest {
    private static final String STUBS = "io.portafilter.cri.v1";

    /** Words that say nothing: what such a class does belongs to the type it speaks of. */
    private static final Pattern EMPTY_NAME =
            Pattern.compile(".*(Utils?|Helper|Manager|Handler|Impl|Common)|(Base|Abstract)[A-Z].*|.+Base");

    @ArchTest
    static final ArchRule configKnowsNoneOfTheOthers = room("config");

    @ArchTest
    static final ArchRule stateKnowsContainersAndConfig = room("state", "linux", "container", "config");

    @ArchTest
    static final ArchRule imageKnowsRootfsStateAndConfig = room("image", "linux", "rootfs", "state", "config");

    @ArchTest
    static final ArchRule cdiKnowsTheKernelAlone = room("cdi", "linux");

    @ArchTest
    static final ArchRule networkKnowsConfig = room("network", "linux", "config");

    @ArchTest
    static final ArchRule streamingKnowsContainersAndConfig = room("streaming", "linux", "container", "config");

    @ArchTest
    static final ArchRule criKnowsAllButTheCommands =
            noClasses().that(liveIn("cri")).should().dependOnClassesThat(liveIn("cli"));

    @ArchTest
    static final ArchRule stubsAreSeenByServicesAndCommandsAlone = noClasses()
            .that(not(liveIn("cri").or(liveIn("cli")).or(areStubs())))
            .should()
            .dependOnClassesThat(
                    areStubs().or(JavaClass.Predicates.resideInAnyPackage("io.grpc..", "com.google.protobuf..")));

    @ArchTest
    static final ArchRule recordsAreReadAndWrittenInStateAlone = noClasses()
            .that(not(liveIn("state")))
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("java.sql..", "org.sqlite..");

    @ArchTest
    static final ArchRule nativeCodeIsCalledInLinuxAlone = noClasses()
            .that(not(liveIn("linux")))
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("com.sun.jna..", "java.lang.foreign..");

    @ArchTest
    static final ArchRule thereAreNoCycles = slices().matching("io.portafilter.(*)..")
            .should()
            .beFreeOfCycles()
            .ignoreDependency(not(areStubs()), areStubs());

    @ArchTest
    static final ArchRule everyPackageIsNullMarked = classes()
            .that(not(areStubs()))
            .should()
            .resideInAPackage("io.portafilter..")
            .andShould(com.tngtech.archunit.lang.ArchCondition.from(describe(
                    "be in a package that is @NullMarked",
                    type -> type.getPackage().isAnnotatedWith(NullMarked.class))));

    @ArchTest
    static final ArchRule namesSayWhatAClassIs = noClasses()
            .that(not(areStubs()))
            .should(com.tngtech.archunit.lang.ArchCondition.from(describe(
                    "have a name that says nothing",
                    (JavaClass type) -> EMPTY_NAME.matcher(type.getSimpleName()).matches())));

    private static ArchRule room(String name, String... mayImport) {
        DescribedPredicate<JavaClass> known =
                Stream.of(mayImport).map(RoomsTest::liveIn).reduce(liveIn(name), (all, next) -> all.or(next));
        return noClasses()
                .that(liveIn(name))
                .should()
                .dependOnClassesThat(JavaClass.Predicates.resideInAPackage("io.portafilter..")
                        .and(not(known)))
                .as(name + " imports of ours only " + List.of(mayImport));
    }

    /** The stubs' package name begins as that of the services does; they are a room of their own. */
    private static DescribedPredicate<JavaClass> liveIn(String room) {
        String name = "io.portafilter." + room;
        return describe(
                "live in " + room,
                type -> (type.getPackageName().equals(name)
                                || type.getPackageName().startsWith(name + "."))
                        && !type.getPackageName().equals(STUBS));
    }

    private static DescribedPredicate<JavaClass> areStubs() {
        return describe("are stubs", type -> type.getPackageName().equals(STUBS));
    }
}
