package io.portafilter.cri;

import io.grpc.Status;
import java.util.Optional;

/**
 * A call that fails with an answer its caller can act on: what was asked, what failed, what to do.
 *
 * <p>The status is the one that kubelet and crictl rely on; {@link StatusInterceptor} alone turns it into gRPC.
 */
public final class CriException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** It travels in the trailers of an answer, of which clients take 8 KiB, and becomes a part of a pod's status. */
    private static final int LONGEST_SENTENCE = 2048;

    private final Status.Code status;

    /**
     * Describes the failure.
     *
     * @param status the gRPC status
     * @param asked what was asked, for instance "StartContainer 3f2a"
     * @param failed what went wrong, a clause
     * @param cure what to do about it; empty when there is nothing to say
     */
    public CriException(Status.Code status, String asked, String failed, String cure) {
        super(sentence(asked, failed, cure));
        this.status = status;
    }

    /** As the other constructor, with the error that led to it. */
    public CriException(Status.Code status, String asked, String failed, String cure, Throwable cause) {
        super(sentence(asked, failed, cure), cause);
        this.status = status;
    }

    private static String sentence(String asked, String failed, String cure) {
        return asked + ": " + failed + (cure.isEmpty() ? "" : "; " + cure);
    }

    /** The gRPC status to answer with. */
    public Status.Code status() {
        return status;
    }

    /**
     * A field that cannot be carried out as it stands.
     *
     * @param field the field's path in the request, for instance {@code config.metadata.name}
     * @param wrong its value and what is wrong with it
     * @param cure what would be right
     */
    static CriException invalid(String field, String wrong, String cure) {
        return new CriException(Status.Code.INVALID_ARGUMENT, field, wrong, cure);
    }

    /** A field that asks for something which this version cannot do. */
    static CriException unsupported(String field, String wrong, String cure) {
        return new CriException(Status.Code.UNIMPLEMENTED, field, wrong, cure);
    }

    /** An id that means nothing here. */
    static CriException notFound(String what, String id) {
        return new CriException(Status.Code.NOT_FOUND, what + " " + id, "there is none with this id", "");
    }

    /** A state in which the call cannot be carried out. */
    static CriException precondition(String asked, String failed, String cure) {
        return new CriException(Status.Code.FAILED_PRECONDITION, asked, failed, cure);
    }

    /** A sentence that may name what an image or a container made up: shortened, and without escapes for terminals. */
    static String readable(String sentence) {
        String text =
                sentence.length() <= LONGEST_SENTENCE ? sentence : sentence.substring(0, LONGEST_SENTENCE - 3) + "...";
        return text.replaceAll("[\\p{Cc}&&[^\n\t]]", "?");
    }

    /** The value as people see it in an error: quoted, shortened. */
    static String shown(String value) {
        String text = value.length() <= 120 ? value : value.substring(0, 117) + "...";
        return Optional.of(text)
                .filter(v -> v.chars().noneMatch(Character::isISOControl))
                .map(v -> '"' + v + '"')
                .orElseGet(() -> '"' + text.replaceAll("\\p{Cntrl}", "?") + '"');
    }
}
