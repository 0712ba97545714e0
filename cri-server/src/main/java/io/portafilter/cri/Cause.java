package io.portafilter.cri;

import java.util.List;

/**
 * Why a line of a plan is as it is.
 *
 * @param origin who asked for it
 * @param fields what was asked; several when only all of them together make the difference; empty for the runtime
 * @param asDefault the line would be the same without the field, and another with another value of it
 * @param effect what the field does to a list, or empty
 */
public record Cause(Origin origin, List<String> fields, boolean asDefault, String effect) {

    /** Who asks for something. */
    public enum Origin {
        /** The pod's manifest, or the CRI request of whoever made the container. */
        REQUEST,
        /** What kubelet sends where the manifest says nothing. */
        KUBELET,
        /** The image's configuration and account files. */
        IMAGE,
        /** The runtime, where nobody says anything. */
        RUNTIME,
        /** Not found out: so much is asked for that not all of it was tried. */
        UNKNOWN
    }

    /** The runtime's own choice. */
    public static final Cause RUNTIME = new Cause(Origin.RUNTIME, List.of(), false, "");

    /** What was not searched for to the end. */
    public static final Cause UNKNOWN = new Cause(Origin.UNKNOWN, List.of(), false, "");

    /** An image that nobody has looked at. */
    public static final Cause UNKNOWN_IMAGE = new Cause(Origin.IMAGE, List.of(), false, "not known here");

    public Cause {
        fields = List.copyOf(fields);
    }

    /** For people: {@code spec.hostUsers}, {@code default: kubelet (masked_paths)}, {@code image config.User}. */
    public String text() {
        String named = String.join(" with ", fields);
        String how = asDefault ? " (the default too)" : effect.isEmpty() ? "" : " (" + effect + ")";
        return switch (origin) {
            case REQUEST -> named + how;
            case KUBELET ->
                "default: kubelet (" + named.replaceAll("(sandbox: )?linux\\.\\w+\\.(namespace_options\\.)?", "") + ")";
            case IMAGE -> "image" + (named.isEmpty() ? "" : " " + named) + (asDefault ? "" : how);
            case RUNTIME -> "default: runtime" + how;
            case UNKNOWN -> "causes not searched further";
        };
    }
}
