package io.portafilter.lsm;

/** A profile that could not be loaded into the kernel. */
public final class AppArmorException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    AppArmorException(String message) {
        super(message);
    }
}
