package io.portafilter.lsm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.security.SecurityModules;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On hosts that are directories: what a kernel does with a profile is tested on one that has AppArmor. */
class AppArmorHostTest {

    @TempDir
    private Path directory;

    private void write(String path, String text) throws IOException {
        Path file = directory.resolve(path);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private Path parser(String script) throws IOException {
        Path parser = directory.resolve("apparmor_parser");
        Files.writeString(parser, "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(parser, PosixFilePermissions.fromString("rwx------"));
        return parser;
    }

    private AppArmor on(Optional<Path> parser) {
        return AppArmor.of(directory, parser);
    }

    private void enable() throws IOException {
        write("module/apparmor/parameters/enabled", "Y\n");
        write("kernel/security/apparmor/profiles", "mine (enforce)\nmine too (complain)\nother//child (enforce)\n");
    }

    @Test
    void aKernelWithoutAppArmorHasItOff() throws IOException {
        assertThat(on(Optional.empty()).state()).isEqualTo(new SecurityModules.AppArmor.Off());
        write("module/apparmor/parameters/enabled", "N\n");
        assertThat(on(Optional.empty()).state()).isEqualTo(new SecurityModules.AppArmor.Off());
    }

    @Test
    void withoutItsParserOrItsFilesThereIsNoDefaultProfile() throws IOException {
        enable();
        assertThat(on(Optional.empty()).state())
                .isInstanceOfSatisfying(
                        SecurityModules.AppArmor.WithoutDefault.class,
                        lacking -> assertThat(lacking.cure()).contains("package apparmor"));
        assertThat(on(Optional.of(parser("exit 0"))).state()).isEqualTo(new SecurityModules.AppArmor.On());
        Files.delete(directory.resolve("kernel/security/apparmor/profiles"));
        assertThat(on(Optional.of(parser("exit 0"))).state())
                .isInstanceOf(SecurityModules.AppArmor.WithoutDefault.class);
    }

    @Test
    void aDefaultProfileThatTheKernelHasNeedsNoParser() throws IOException {
        enable();
        write("kernel/security/apparmor/profiles", "portafilter-default (enforce)\n");
        assertThat(on(Optional.empty()).state()).isEqualTo(new SecurityModules.AppArmor.On());
    }

    @Test
    void aProfileIsLoadedByItsWholeName() throws IOException {
        enable();
        AppArmor host = on(Optional.empty());
        assertThat(host.isLoaded("mine")).isTrue();
        assertThat(host.isLoaded("mine too")).isTrue();
        assertThat(host.isLoaded("other//child")).isTrue();
        assertThat(host.isLoaded("min")).isFalse();
        assertThat(host.isLoaded("other")).isFalse();
        assertThat(host.isLoaded("mine//&other//child")).isFalse();
        assertThat(host.isLoaded("unconfined")).isFalse();
        assertThat(host.isLoaded("")).isFalse();
    }

    @Test
    void theDefaultProfileIsGivenToTheParserUnlessItIsThere() throws IOException {
        enable();
        AppArmor host = on(Optional.of(parser("cat > " + directory + "/got; echo \"$@\" > " + directory + "/how")));
        host.requireDefault();
        assertThat(directory.resolve("got")).hasContent(AppArmor.defaultText());
        assertThat(Files.readString(directory.resolve("how"))).contains("--replace");
        assertThat(AppArmor.defaultText()).contains("profile portafilter-default ");
        Files.delete(directory.resolve("got"));
        write("kernel/security/apparmor/profiles", "portafilter-default (enforce)\n");
        host.requireDefault();
        assertThat(directory.resolve("got")).doesNotExist();
    }

    @Test
    void whatTheParserSaysIsPassedOn() throws IOException {
        enable();
        AppArmor host = on(Optional.of(parser("echo 'permission denied; attempted to load' >&2; exit 243")));
        assertThatThrownBy(host::loadDefault)
                .isInstanceOf(AppArmorException.class)
                .hasMessageContaining("permission denied; attempted to load")
                .hasMessageContaining("243");
    }
}
