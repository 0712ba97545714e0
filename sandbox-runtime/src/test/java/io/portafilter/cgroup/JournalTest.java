package io.portafilter.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With plain files in place of the kernel's: a host with version 1 has no empty cpuset. */
class JournalTest {
    @TempDir
    Path directory;

    @Test
    void aValueThatWasEmptyIsEmptyAgain() throws IOException {
        Path cpus = Files.writeString(directory.resolve("cpuset.cpus"), "");
        CgroupDirectory cgroup = new CgroupDirectory(directory.toString());
        Journal journal = Journal.ofUpdate();
        journal.write(cgroup, "cpuset.cpus", "0");
        assertThat(cpus).hasContent("0");
        RuntimeException cause = new RuntimeException("a later value is refused");

        journal.undo(cause);

        assertThat(cause.getSuppressed()).isEmpty();
        assertThat(cgroup.read("cpuset.cpus")).isEmpty();
    }
}
