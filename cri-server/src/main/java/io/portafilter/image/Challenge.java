package io.portafilter.image;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a server wants to be shown, {@code WWW-Authenticate} (RFC 9110, section 11.6.1).
 *
 * @param scheme lower-case
 * @param parameters by lower-case name
 */
record Challenge(String scheme, Map<String, String> parameters) {
    private static final Pattern SCHEME = Pattern.compile("\\s*([A-Za-z][A-Za-z0-9._~+-]*)(?:\\s+|$)(.*)");
    private static final Pattern PARAMETER =
            Pattern.compile("\\s*,?\\s*([A-Za-z0-9_-]+)\\s*=\\s*(?:\"((?:[^\"\\\\]|\\\\.)*)\"|([^\\s,\"]+))");

    Challenge {
        parameters = Map.copyOf(parameters);
    }

    /** The strongest challenge that we can answer: Bearer before Basic. */
    static Optional<Challenge> choose(List<String> headers) {
        Optional<Challenge> basic = Optional.empty();
        for (String header : headers) {
            Optional<Challenge> challenge = parse(header);
            if (challenge.isPresent() && challenge.get().scheme.equals("bearer")) {
                return challenge;
            }
            if (challenge.isPresent() && challenge.get().scheme.equals("basic")) {
                basic = challenge;
            }
        }
        return basic;
    }

    private static Optional<Challenge> parse(String header) {
        Matcher scheme = SCHEME.matcher(header);
        if (header.length() > 8192 || !scheme.matches()) {
            return Optional.empty();
        }
        Map<String, String> parameters = new LinkedHashMap<>();
        Matcher parameter = PARAMETER.matcher(scheme.group(2));
        while (parameter.lookingAt()) {
            String quoted = parameter.group(2);
            String value = quoted != null ? quoted.replaceAll("\\\\(.)", "$1") : parameter.group(3);
            parameters.putIfAbsent(parameter.group(1).toLowerCase(Locale.ROOT), value);
            parameter.region(parameter.end(), parameter.regionEnd());
        }
        return Optional.of(new Challenge(scheme.group(1).toLowerCase(Locale.ROOT), parameters));
    }

    Optional<String> parameter(String name) {
        return Optional.ofNullable(parameters.get(name));
    }
}
