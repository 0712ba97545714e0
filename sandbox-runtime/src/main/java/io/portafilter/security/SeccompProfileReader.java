package io.portafilter.security;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.portafilter.linux.Capability;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Libseccomp.Comparison;
import io.portafilter.linux.Libseccomp.Operator;
import io.portafilter.security.SeccompProfile.Row;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Reads a seccomp profile in JSON: the OCI runtime specification's ({@code linux.seccomp}) and what Docker's files have
 * beyond it (archMap, includes, excludes, a single name).
 *
 * <p>Strict where leniency would weaken the filter: an unknown field may be a misspelt condition, so it is refused with
 * its line and column. System calls that the installed library does not know are the compiler's business.
 */
final class SeccompProfileReader {

    private static final int LIMIT_CHARACTERS = 1024 * 1024;
    private static final int MAX_ERRNO = 4095;
    private static final BigInteger MAX_UNSIGNED_LONG =
            BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE);
    private static final int SECCOMP_FILTER_FLAG_LOG = 2;
    private static final int SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(16).build())
            .build();

    private final JsonParser json;
    private final String path;

    private SeccompProfileReader(JsonParser json, String path) {
        this.json = json;
        this.path = path;
    }

    /** The profile in the file's text; refuses what is malformed, with its place. */
    static SeccompProfile read(SeccompRequest.Localhost file) {
        String path = AccountId.shortened(file.path());
        if (file.json().length() > LIMIT_CHARACTERS) {
            throw new SecurityRefusal(
                    "seccomp",
                    "the profile " + path + " has more than " + LIMIT_CHARACTERS + " characters",
                    "give a profile with fewer rules");
        }
        try (JsonParser json = JSON.createParser(file.json())) {
            return new SeccompProfileReader(json, path).profile("Localhost " + path, digest(file.json()));
        } catch (com.fasterxml.jackson.core.JacksonException e) {
            throw refused(path, Optional.ofNullable(e.getLocation()), e.getOriginalMessage());
        } catch (IOException e) {
            throw new IllegalStateException("reading a text in memory", e);
        }
    }

    private static String digest(String text) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    // ---- the profile

    private SeccompProfile profile(String name, String identity) throws IOException {
        json.nextToken();
        expect(JsonToken.START_OBJECT, "an object");
        Optional<String> action = Optional.empty();
        OptionalInt errno = OptionalInt.empty();
        Set<String> architectures = new HashSet<>();
        long flags = 0;
        List<Entry> entries = new ArrayList<>();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "defaultAction" -> action = Optional.of(string());
                case "defaultErrnoRet" -> errno = OptionalInt.of(errno());
                case "defaultErrno" -> errno = OptionalInt.of(errnoByName());
                case "architectures" -> architectures.addAll(strings());
                case "archMap" -> architectures.addAll(archMap());
                case "flags" -> flags = flags();
                case "listenerPath", "listenerMetadata" -> refuseListener(field);
                case "syscalls" -> entries.addAll(entries());
                default -> throw unknown(field);
            }
        }
        if (json.nextToken() != null) {
            throw refused("text after the end of the profile");
        }
        if (action.isEmpty()) {
            throw refused("defaultAction is missing");
        }
        int defaultAction = action(action.get(), errno);
        List<Row> rows = new ArrayList<>();
        for (Entry entry : entries) {
            rows.addAll(entry.rows());
        }
        return new SeccompProfile(
                name,
                "sha256:" + identity + " " + path,
                defaultAction,
                new SeccompModes.Named(architectures),
                flags,
                rows);
    }

    /** Docker's own: each architecture with those that belong to it. Names of other processors do no harm. */
    private Set<String> archMap() throws IOException {
        Set<String> names = new HashSet<>();
        if (isNull()) {
            return names;
        }
        expect(JsonToken.START_ARRAY, "a list");
        while (json.nextToken() != JsonToken.END_ARRAY) {
            expect(JsonToken.START_OBJECT, "an object");
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String field = json.currentName();
                json.nextToken();
                switch (field) {
                    case "architecture" -> names.add(string());
                    case "subArchitectures" -> names.addAll(strings());
                    default -> throw unknown(field);
                }
            }
        }
        return names;
    }

    private long flags() throws IOException {
        long flags = 0;
        for (String flag : strings()) {
            flags |= switch (flag) {
                case "SECCOMP_FILTER_FLAG_LOG" -> SECCOMP_FILTER_FLAG_LOG;
                case "SECCOMP_FILTER_FLAG_SPEC_ALLOW" -> SECCOMP_FILTER_FLAG_SPEC_ALLOW;
                // the filter is loaded by a process with one thread, before the program runs
                case "SECCOMP_FILTER_FLAG_TSYNC" -> 0;
                default -> throw refused("the flag \"" + AccountId.shortened(flag) + "\" is not supported");
            };
        }
        return flags;
    }

    private void refuseListener(String field) throws IOException {
        if (!isNull() && !string().isEmpty()) {
            throw refused(field + " needs a process that answers notifications, which is not supported");
        }
    }

    // ---- an entry of syscalls

    private record Entry(List<String> names, int action, List<Comparison> conditions, List<SeccompGuard> guards) {

        List<Row> rows() {
            return names.stream()
                    .map(name -> new Row(new SeccompRule(name, action, conditions, false), guards))
                    .toList();
        }
    }

    private List<Entry> entries() throws IOException {
        List<Entry> entries = new ArrayList<>();
        if (isNull()) {
            return entries;
        }
        expect(JsonToken.START_ARRAY, "a list");
        while (json.nextToken() != JsonToken.END_ARRAY) {
            expect(JsonToken.START_OBJECT, "an object");
            entries.add(entry());
        }
        return entries;
    }

    private Entry entry() throws IOException {
        List<String> names = new ArrayList<>();
        Optional<String> action = Optional.empty();
        OptionalInt errno = OptionalInt.empty();
        List<Comparison> conditions = new ArrayList<>();
        List<SeccompGuard> guards = new ArrayList<>();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "names" -> names.addAll(strings());
                case "name" -> names.add(string());
                case "action" -> action = Optional.of(string());
                case "errnoRet" -> errno = OptionalInt.of(errno());
                case "errno" -> errno = OptionalInt.of(errnoByName());
                case "args" -> conditions.addAll(conditions());
                case "includes" -> guards.addAll(guards(true));
                case "excludes" -> guards.addAll(guards(false));
                case "comment" -> json.skipChildren();
                default -> throw unknown(field);
            }
        }
        if (names.isEmpty() || names.contains("")) {
            throw refused("an entry of syscalls without a name");
        }
        if (action.isEmpty()) {
            throw refused("the entry for " + AccountId.shortened(names.getFirst()) + " has no action");
        }
        return new Entry(names, action(action.get(), errno), conditions, guards);
    }

    private List<Comparison> conditions() throws IOException {
        List<Comparison> conditions = new ArrayList<>();
        if (isNull()) {
            return conditions;
        }
        expect(JsonToken.START_ARRAY, "a list");
        Set<Integer> arguments = new HashSet<>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
            expect(JsonToken.START_OBJECT, "an object");
            Comparison condition = condition();
            if (!arguments.add(condition.argument())) {
                // others take the two as alternatives, which lets more through than the author wrote
                throw refused("two conditions on argument " + condition.argument()
                        + " in one entry; write alternatives as entries of their own");
            }
            conditions.add(condition);
        }
        return conditions;
    }

    private Comparison condition() throws IOException {
        Map<String, BigInteger> numbers = new HashMap<>();
        Optional<Operator> operator = Optional.empty();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "index", "value", "valueTwo" -> numbers.put(field, number(MAX_UNSIGNED_LONG));
                case "op" -> operator = Optional.of(operator(string()));
                default -> throw unknown(field);
            }
        }
        BigInteger index = numbers.getOrDefault("index", BigInteger.ZERO);
        if (operator.isEmpty() || index.compareTo(BigInteger.valueOf(5)) > 0) {
            throw refused("a condition needs op, and an index from 0 to 5");
        }
        boolean masked = operator.get() == Operator.MASKED_EQUAL;
        return new Comparison(
                index.intValue(),
                operator.get(),
                numbers.getOrDefault("value", BigInteger.ZERO).longValue(),
                masked ? numbers.getOrDefault("valueTwo", BigInteger.ZERO).longValue() : 0);
    }

    private Operator operator(String name) {
        return switch (name) {
            case "SCMP_CMP_NE" -> Operator.NOT_EQUAL;
            case "SCMP_CMP_LT" -> Operator.LESS;
            case "SCMP_CMP_LE" -> Operator.LESS_OR_EQUAL;
            case "SCMP_CMP_EQ" -> Operator.EQUAL;
            case "SCMP_CMP_GE" -> Operator.GREATER_OR_EQUAL;
            case "SCMP_CMP_GT" -> Operator.GREATER;
            case "SCMP_CMP_MASKED_EQ" -> Operator.MASKED_EQUAL;
            default -> throw refused("unknown op \"" + AccountId.shortened(name) + "\"");
        };
    }

    private int action(String name, OptionalInt errno) {
        int data = errno.orElse(Errno.EPERM.number());
        return switch (name) {
            case "SCMP_ACT_ALLOW" -> SeccompAction.SECCOMP_RET_ALLOW;
            case "SCMP_ACT_ERRNO" -> SeccompAction.SECCOMP_RET_ERRNO | data;
            case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD" -> SeccompAction.SECCOMP_RET_KILL_THREAD;
            case "SCMP_ACT_KILL_PROCESS" -> SeccompAction.SECCOMP_RET_KILL_PROCESS;
            case "SCMP_ACT_TRAP" -> SeccompAction.SECCOMP_RET_TRAP;
            case "SCMP_ACT_TRACE" -> SeccompAction.SECCOMP_RET_TRACE | data;
            case "SCMP_ACT_LOG" -> SeccompAction.SECCOMP_RET_LOG;
            case "SCMP_ACT_NOTIFY" ->
                throw refused("SCMP_ACT_NOTIFY needs a process that answers notifications, which is not supported");
            default -> throw refused("unknown action \"" + AccountId.shortened(name) + "\"");
        };
    }

    // ---- includes and excludes

    private List<SeccompGuard> guards(boolean wanted) throws IOException {
        List<SeccompGuard> guards = new ArrayList<>();
        if (isNull()) {
            return guards;
        }
        expect(JsonToken.START_OBJECT, "an object");
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "caps" -> {
                    for (String name : strings()) {
                        guards.add(new SeccompGuard.HasCapability(capability(name), wanted));
                    }
                }
                case "arches" -> {
                    Set<String> names = new HashSet<>(strings());
                    if (!names.isEmpty()) {
                        guards.add(new SeccompGuard.OnArchitecture(names, wanted));
                    }
                }
                case "minKernel" -> {
                    if (!isNull() && !string().isEmpty()) {
                        guards.add(new SeccompGuard.KernelAtLeast(kernel(string()), wanted));
                    }
                }
                default -> throw unknown(field);
            }
        }
        return guards;
    }

    private Capability capability(String name) {
        return Capability.parse(name)
                .orElseThrow(() -> refused("\"" + AccountId.shortened(name) + "\" is no capability"));
    }

    private KernelVersion kernel(String text) {
        try {
            return KernelVersion.parse(text);
        } catch (IllegalArgumentException e) {
            throw refused(e.getMessage() == null ? "no kernel version" : e.getMessage());
        }
    }

    // ---- values

    private boolean isNull() {
        return json.currentToken() == JsonToken.VALUE_NULL;
    }

    private void expect(JsonToken wanted, String what) {
        if (json.currentToken() != wanted) {
            throw refused(what + " is expected here");
        }
    }

    private String string() throws IOException {
        expect(JsonToken.VALUE_STRING, "a string");
        return json.getText();
    }

    private List<String> strings() throws IOException {
        List<String> strings = new ArrayList<>();
        if (isNull()) {
            return strings;
        }
        expect(JsonToken.START_ARRAY, "a list");
        while (json.nextToken() != JsonToken.END_ARRAY) {
            strings.add(string());
        }
        return strings;
    }

    private BigInteger number(BigInteger max) throws IOException {
        expect(JsonToken.VALUE_NUMBER_INT, "a whole number");
        BigInteger number = json.getBigIntegerValue();
        if (number.signum() < 0 || number.compareTo(max) > 0) {
            throw refused("the number is not between 0 and " + max);
        }
        return number;
    }

    private int errno() throws IOException {
        return number(BigInteger.valueOf(MAX_ERRNO)).intValue();
    }

    private int errnoByName() throws IOException {
        String name = string();
        for (int number = 1; number <= MAX_ERRNO; number++) {
            if (Errno.of(number).name().equals(name)) {
                return number;
            }
        }
        throw refused("\"" + AccountId.shortened(name) + "\" is no error name");
    }

    private SecurityRefusal unknown(String field) {
        return refused("unknown field \"" + AccountId.shortened(field) + "\"");
    }

    private SecurityRefusal refused(String why) {
        return refused(path, Optional.of(json.currentTokenLocation()), why);
    }

    private static SecurityRefusal refused(String path, Optional<JsonLocation> place, String why) {
        String where = place.map(at -> ", line " + at.getLineNr() + ", column " + at.getColumnNr())
                .orElse("");
        return new SecurityRefusal(
                "seccomp",
                "the profile " + path + where + ": " + why,
                "write it as the OCI runtime specification describes linux.seccomp");
    }
}
