package io.portafilter.cdi;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.LinuxConstants;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * What a container's devices change of it, and the files that say so.
 *
 * @param edits of each file once, before those of its first device; in the order of the request
 */
public record Injection(List<SpecificationFile> files, ContainerEdits edits) {

    /** No device, no change. */
    public static final Injection NONE = new Injection(List.of(), ContainerEdits.NONE);

    public Injection {
        files = List.copyOf(files);
    }

    /** Where the files lie. */
    public List<Path> paths() {
        return files.stream().map(SpecificationFile::path).toList();
    }

    /**
     * Keeps the files, in directories of the same precedence, so that {@link Catalogue#kept} says the same of them later,
     * whatever became of the node's.
     *
     * @param directory made here, with mode 0700
     */
    public void keep(Path directory) {
        if (files.isEmpty()) {
            return;
        }
        Kernel.mkdirat(Fd.CWD, directory.toString(), 0700);
        files.stream()
                .mapToInt(SpecificationFile::directory)
                .distinct()
                .forEach(number -> Kernel.mkdirat(
                        Fd.CWD, directory.resolve(Integer.toString(number)).toString(), 0700));
        int flags = LinuxConstants.O_WRONLY | LinuxConstants.O_CREAT | LinuxConstants.O_EXCL | LinuxConstants.O_CLOEXEC;
        for (SpecificationFile file : files) {
            Path copy = directory
                    .resolve(Integer.toString(file.directory()))
                    .resolve(file.path().getFileName());
            try (Fd opened = Kernel.openat(Fd.CWD, copy.toString(), flags, 0600)) {
                Kernel.writeFully(opened, file.text().getBytes(StandardCharsets.UTF_8));
            }
        }
    }
}
