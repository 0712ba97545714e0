package io.portafilter.image;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The normalised name of an image: {@code busybox} is {@code docker.io/library/busybox:latest}. The grammar is that
 * of the distribution project's reference package, which kubelet and every client use.
 *
 * @param registry host, with a port if one was given; {@code docker.io} where none was named
 * @param repository the path below the host
 * @param tag present unless there is a digest and no tag was given
 * @param digest decides what is meant where both are present
 */
public record ImageReference(String registry, String repository, Optional<String> tag, Optional<Digest> digest) {
    static final String DOCKER_HUB = "docker.io";
    private static final int MAX_NAME_CHARACTERS = 255;

    /** A name, a tag and a digest of the longest kind with what parts them. */
    private static final int MAX_CHARACTERS = MAX_NAME_CHARACTERS + 1 + 128 + 1 + 135;

    private static final Pattern HOST = Pattern.compile("(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
            + "(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\\[[a-fA-F0-9:]+\\])(?::[0-9]{1,5})?");
    private static final Pattern COMPONENT = Pattern.compile("[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*");
    private static final Pattern TAG = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}");
    private static final Pattern HEX_ID = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern TAGGED = Pattern.compile("(.*[^/]):([^/:]*)");

    public ImageReference {
        if (tag.isEmpty() && digest.isEmpty()) {
            throw new IllegalArgumentException("a reference has a tag or a digest");
        }
    }

    /**
     * Reads and normalises a reference.
     *
     * @throws ImageException of kind INVALID_REFERENCE, with what is wrong
     */
    public static ImageReference parse(String text) {
        if (text.isEmpty()) {
            throw refused(text, "it is empty");
        }
        // before any pattern: those of names need a stack as deep as the text is long
        if (text.length() > MAX_CHARACTERS) {
            throw refused(text, "it has " + text.length() + " characters, more than " + MAX_CHARACTERS);
        }
        if (HEX_ID.matcher(text).matches()) {
            throw refused(text, "it is an image id, not a name");
        }
        String rest = text;
        Optional<Digest> digest = Optional.empty();
        int at = rest.indexOf('@');
        if (at >= 0) {
            String written = rest.substring(at + 1);
            digest = Optional.of(Digest.parse(written)
                    .orElseThrow(() -> refused(text, "\"" + written + "\" is not a sha256 or sha512 digest")));
            rest = rest.substring(0, at);
        }
        Optional<String> tag = Optional.empty();
        Matcher tagged = TAGGED.matcher(rest);
        if (tagged.matches()) {
            String written = tagged.group(2);
            if (!TAG.matcher(written).matches()) {
                throw refused(text, "\"" + written + "\" is not a tag");
            }
            tag = Optional.of(written);
            rest = tagged.group(1);
        }
        return named(text, rest, tag, digest);
    }

    private static ImageReference named(String text, String name, Optional<String> tag, Optional<Digest> digest) {
        int slash = name.indexOf('/');
        String registry = DOCKER_HUB;
        String repository = name;
        if (slash > 0 && isHost(name.substring(0, slash))) {
            registry = name.substring(0, slash);
            repository = name.substring(slash + 1);
            if (!HOST.matcher(registry).matches()) {
                throw refused(text, "\"" + registry + "\" is not a host name");
            }
        }
        if (registry.equals("index.docker.io")) {
            registry = DOCKER_HUB;
        }
        if (registry.equals(DOCKER_HUB) && repository.indexOf('/') < 0) {
            repository = "library/" + repository;
        }
        for (String component : repository.split("/", -1)) {
            if (!COMPONENT.matcher(component).matches()) {
                throw refused(
                        text,
                        component.equals(component.toLowerCase(Locale.ROOT))
                                ? "\"" + component + "\" is not a part of a repository name"
                                : "repository names are lower-case, \"" + component + "\" is not");
            }
        }
        if (registry.length() + 1 + repository.length() > MAX_NAME_CHARACTERS) {
            throw refused(text, "its name is longer than " + MAX_NAME_CHARACTERS + " characters");
        }
        Optional<String> effective = tag.isEmpty() && digest.isEmpty() ? Optional.of("latest") : tag;
        return new ImageReference(registry, repository, effective, digest);
    }

    /** Whether the first part of a name is a host rather than a part of a repository on Docker Hub. */
    private static boolean isHost(String part) {
        return part.indexOf('.') >= 0
                || part.indexOf(':') >= 0
                || part.equals("localhost")
                || !part.equals(part.toLowerCase(Locale.ROOT));
    }

    static boolean isTag(String text) {
        return TAG.matcher(text).matches();
    }

    private static ImageException refused(String text, String why) {
        String shown = text.length() > 300 ? text.substring(0, 300) + "..." : text;
        return new ImageException(
                ImageException.Kind.INVALID_REFERENCE, "\"" + shown + "\" is not an image reference: " + why);
    }

    /** {@code host/repository}. */
    public String name() {
        return registry + "/" + repository;
    }

    /** What a registry is asked for: the digest if there is one, otherwise the tag. */
    String tagOrDigest() {
        return digest.map(Digest::toString).or(() -> tag).orElseThrow();
    }

    /** The name that an image pulled by this reference gets; none when a digest decides. */
    Optional<String> taggedName() {
        return digest.isPresent() ? Optional.empty() : tag.map(written -> name() + ":" + written);
    }

    /** The complete normalised reference. */
    @Override
    public String toString() {
        return name()
                + tag.map(written -> ":" + written).orElse("")
                + digest.map(written -> "@" + written).orElse("");
    }
}
