package io.portafilter.security;

import java.io.Serial;

/**
 * A request that cannot be carried out as it stands: which field, what was asked, what would be right. Nothing was
 * done yet when it is thrown. The CRI layer answers INVALID_ARGUMENT with the message.
 */
public final class SecurityRefusal extends RuntimeException {

    @Serial
    private static final long serialVersionUID = 1L;

    private final String field;
    private final String asked;
    private final String cure;

    /**
     * Names the field, what is wrong about it, and the way out.
     *
     * @param field the field as the CRI names it, such as {@code run_as_user}
     * @param asked the value that was asked for and what is wrong with it
     * @param cure what would be right
     */
    public SecurityRefusal(String field, String asked, String cure) {
        super(field + ": " + asked + "; " + cure);
        this.field = field;
        this.asked = asked;
        this.cure = cure;
    }

    /** The field as the CRI names it. */
    public String field() {
        return field;
    }

    /** The value that was asked for and what is wrong with it. */
    public String asked() {
        return asked;
    }

    /** What would be right. */
    public String cure() {
        return cure;
    }
}
