package io.portafilter.cdi;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A file of a directory of specifications, as it was read.
 *
 * @param path where it lies
 * @param directory which of the directories that is, 0 the first; a later one goes before
 * @param text what it says
 */
record SpecificationFile(Path path, int directory, String text) {

    /** The largest that is read; those of machines with many devices have some hundreds of kilobytes. */
    static final int MAX_BYTES = 4 << 20;

    private static final int NOTHING_SPECIAL =
            LinuxConstants.O_RDONLY | LinuxConstants.O_NONBLOCK | LinuxConstants.O_NOCTTY | LinuxConstants.O_CLOEXEC;

    /**
     * Reads it.
     *
     * @throws CdiException if it is no readable file, or too large
     */
    static SpecificationFile read(Path path, int directory) {
        try (Fd file = Kernel.open(path.toString(), NOTHING_SPECIAL)) {
            if (!Kernel.fstat(file).isRegularFile()) {
                throw new CdiException("is no regular file");
            }
            long size = Kernel.fstat(file).sizeBytes();
            if (size > MAX_BYTES) {
                throw new CdiException("has " + size + " bytes; at most " + MAX_BYTES + " are read");
            }
            byte[] bytes = Kernel.readAll(file, MAX_BYTES);
            return new SpecificationFile(
                    path,
                    directory,
                    StandardCharsets.UTF_8
                            .newDecoder()
                            .decode(ByteBuffer.wrap(bytes))
                            .toString());
        } catch (KernelException e) {
            throw new CdiException("cannot be read: " + e.errno(), e);
        } catch (CharacterCodingException e) {
            throw new CdiException("is not UTF-8", e);
        }
    }
}
