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
 * its line, column and JSON pointer (RFC 6901). System calls that the installed library does not know are the compiler's business.
 */
final class SeccompProfileReader {

    private static final int LONGEST_SHOWN_PATH = 256;
    private static final int LIMIT_CHARACTERS = 1024 * 1024;

    /** The most that libseccomp takes. */
    private static final int MAX_ERRNO = 4094;

    private static final BigInteger MAX_UNSIGNED_LONG =
            BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE);

    /** More rows than a filter can have rules, since some may be for other architectures and capabilities. */
    private static final int MAX_ROWS = 2 * SeccompCompiler.MAX_RULES;

    private static final int SECCOMP_FILTER_FLAG_LOG = 2;
    private static final int SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(16).build())
            .build();

    /** {@code Arch} of the runtime specification. The filter knows those of this machine; a misspelt one is refused. */
    private static final Set<String> ARCHITECTURES = Set.of(
            "SCMP_ARCH_X86",
            "SCMP_ARCH_X86_64",
            "SCMP_ARCH_X32",
            "SCMP_ARCH_ARM",
            "SCMP_ARCH_AARCH64",
            "SCMP_ARCH_MIPS",
            "SCMP_ARCH_MIPS64",
            "SCMP_ARCH_MIPS64N32",
            "SCMP_ARCH_MIPSEL",
            "SCMP_ARCH_MIPSEL64",
            "SCMP_ARCH_MIPSEL64N32",
            "SCMP_ARCH_PPC",
            "SCMP_ARCH_PPC64",
            "SCMP_ARCH_PPC64LE",
            "SCMP_ARCH_S390",
            "SCMP_ARCH_S390X",
            "SCMP_ARCH_PARISC",
            "SCMP_ARCH_PARISC64",
            "SCMP_ARCH_RISCV64",
            "SCMP_ARCH_LOONGARCH64",
            "SCMP_ARCH_M68K",
            "SCMP_ARCH_SH",
            "SCMP_ARCH_SHEB");

    private final JsonParser json;
    private final String path;

    private SeccompProfileReader(JsonParser json, String path) {
        this.json = json;
        this.path = path;
    }

    /** The profile in the file's text; refuses what is malformed, with its place. */
    static SeccompProfile read(SeccompRequest.Localhost file) {
        String path = shown(file);
        if (file.json().length() > LIMIT_CHARACTERS) {
            throw new SecurityRefusal(
                    "seccomp",
                    "the profile " + path + " has more than " + LIMIT_CHARACTERS + " characters",
                    "give a profile with fewer rules");
        }
        try (JsonParser json = JSON.createParser(file.json())) {
            return new SeccompProfileReader(json, path).profile(name(file), identity(file));
        } catch (com.fasterxml.jackson.core.JacksonException e) {
            JsonLocation at = e.getLocation();
            String place = at == null ? "" : ", line " + at.getLineNr() + ", column " + at.getColumnNr();
            // the parser adds where a bracket was opened, with a source that it does not show
            throw refusal(path, place, e.getOriginalMessage().replaceFirst(" \\(start marker at .*", ""));
        } catch (IOException e) {
            throw new IllegalStateException("reading a text in memory", e);
        }
    }

    /** The profile's name for people. */
    static String name(SeccompRequest.Localhost file) {
        return "Localhost " + shown(file);
    }

    /** The end of a long path is what tells it from others. */
    private static String shown(SeccompRequest.Localhost file) {
        String path = file.path().replaceAll("\\p{Cntrl}", "?");
        return path.length() <= LONGEST_SHOWN_PATH ? path : "..." + path.substring(path.length() - LONGEST_SHOWN_PATH);
    }

    /** The same for two files of the same content, and only then. */
    static String identity(SeccompRequest.Localhost file) {
        try {
            return "sha256:"
                    + HexFormat.of()
                            .formatHex(MessageDigest.getInstance("SHA-256")
                                    .digest(file.json().getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    // ---- the profile

    private SeccompProfile profile(String name, String identity) throws IOException {
        json.nextToken();
        expect(JsonToken.START_OBJECT, "an object");
        OptionalInt action = OptionalInt.empty();
        OptionalInt errno = OptionalInt.empty();
        Set<String> architectures = new HashSet<>();
        Map<String, Set<String>> architectureMap = new HashMap<>();
        long flags = 0;
        List<Entry> entries = new ArrayList<>();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "defaultAction" -> action = OptionalInt.of(action());
                case "defaultErrnoRet" -> errno = errno();
                case "defaultErrno" -> errno = errnoByName();
                case "architectures" -> architectures.addAll(architectures());
                case "archMap" -> architectureMap.putAll(archMap());
                case "flags" -> flags = flags();
                case "listenerPath", "listenerMetadata" -> refuseListener(field);
                case "syscalls" -> entries.addAll(entries());
                default -> throw unknown(field);
            }
            if (!architectures.isEmpty() && !architectureMap.isEmpty()) {
                throw refused("architectures and archMap are both there; keep one");
            }
        }
        if (json.nextToken() != null) {
            throw refused("text after the end of the profile");
        }
        if (action.isEmpty()) {
            throw refused("defaultAction is missing");
        }
        int defaultAction = withErrno(action.getAsInt(), errno);
        List<Row> rows = new ArrayList<>();
        for (Entry entry : entries) {
            rows.addAll(entry.rows());
        }
        return new SeccompProfile(
                name,
                identity,
                defaultAction,
                architectureMap.isEmpty()
                        ? new SeccompModes.Named(architectures)
                        : new SeccompModes.Mapped(architectureMap),
                flags,
                rows);
    }

    private Set<String> architectures() throws IOException {
        Set<String> names = new HashSet<>();
        if (isNull()) {
            return names;
        }
        expect(JsonToken.START_ARRAY, "a list");
        while (json.nextToken() != JsonToken.END_ARRAY) {
            names.add(architecture());
        }
        return names;
    }

    private String architecture() throws IOException {
        String name = string();
        if (!ARCHITECTURES.contains(name)) {
            throw refused("unknown architecture \"" + AccountId.shortened(name) + "\"");
        }
        return name;
    }

    /** Docker's own: each architecture with those that belong to it. */
    private Map<String, Set<String>> archMap() throws IOException {
        Map<String, Set<String>> map = new HashMap<>();
        if (isNull()) {
            return map;
        }
        expect(JsonToken.START_ARRAY, "a list");
        while (json.nextToken() != JsonToken.END_ARRAY) {
            expect(JsonToken.START_OBJECT, "an object");
            Optional<String> own = Optional.empty();
            Set<String> others = new HashSet<>();
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String field = json.currentName();
                json.nextToken();
                switch (field) {
                    case "architecture" -> own = Optional.of(architecture());
                    case "subArchitectures" -> others.addAll(architectures());
                    default -> throw unknown(field);
                }
            }
            if (own.isEmpty()) {
                throw refused("an entry of archMap without architecture");
            }
            if (map.put(own.get(), others) != null) {
                throw refused("a second entry of archMap for " + own.get());
            }
        }
        return map;
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
        int rows = 0;
        while (json.nextToken() != JsonToken.END_ARRAY) {
            expect(JsonToken.START_OBJECT, "an object");
            Entry entry = entry();
            entries.add(entry);
            rows += entry.names().size();
            if (rows > MAX_ROWS) {
                throw refused("more than " + MAX_ROWS + " rules");
            }
        }
        return entries;
    }

    private Entry entry() throws IOException {
        List<String> names = new ArrayList<>();
        Optional<String> name = Optional.empty();
        OptionalInt action = OptionalInt.empty();
        OptionalInt errno = OptionalInt.empty();
        List<Comparison> conditions = new ArrayList<>();
        List<SeccompGuard> guards = new ArrayList<>();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "names" -> names.addAll(strings());
                case "name" -> name = isNull() || string().isEmpty() ? Optional.empty() : Optional.of(string());
                case "action" -> action = OptionalInt.of(action());
                case "errnoRet" -> errno = errno();
                case "errno" -> errno = errnoByName();
                case "args" -> conditions.addAll(conditions());
                case "includes" -> guards.addAll(guards(true));
                case "excludes" -> guards.addAll(guards(false));
                case "comment" -> json.skipChildren();
                default -> throw unknown(field);
            }
        }
        if (name.isPresent()) {
            if (!names.isEmpty()) {
                throw refused("an entry of syscalls with both name and names");
            }
            names.add(name.get());
        }
        if (names.isEmpty() || names.contains("")) {
            throw refused("an entry of syscalls without a name");
        }
        if (action.isEmpty()) {
            throw refused("the entry for " + AccountId.shortened(names.getFirst()) + " has no action");
        }
        return new Entry(names, withErrno(action.getAsInt(), errno), conditions, guards);
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

    /** The action that stands here, without what errnoRet adds to it. */
    private int action() throws IOException {
        String name = string();
        return switch (name) {
            case "SCMP_ACT_ALLOW" -> SeccompAction.SECCOMP_RET_ALLOW;
            case "SCMP_ACT_ERRNO" -> SeccompAction.SECCOMP_RET_ERRNO;
            case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD" -> SeccompAction.SECCOMP_RET_KILL_THREAD;
            case "SCMP_ACT_KILL_PROCESS" -> SeccompAction.SECCOMP_RET_KILL_PROCESS;
            case "SCMP_ACT_TRAP" -> SeccompAction.SECCOMP_RET_TRAP;
            case "SCMP_ACT_TRACE" -> SeccompAction.SECCOMP_RET_TRACE;
            case "SCMP_ACT_LOG" -> SeccompAction.SECCOMP_RET_LOG;
            case "SCMP_ACT_NOTIFY" ->
                throw refused("SCMP_ACT_NOTIFY needs a process that answers notifications, which is not supported");
            default -> throw refused("unknown action \"" + AccountId.shortened(name) + "\"");
        };
    }

    /** With the error number, EPERM unless one is given. The specification wants an error for one that is not used. */
    private int withErrno(int action, OptionalInt errno) {
        if (action == SeccompAction.SECCOMP_RET_ERRNO || action == SeccompAction.SECCOMP_RET_TRACE) {
            return action | errno.orElse(Errno.EPERM.number());
        }
        if (errno.isPresent()) {
            throw refused("an error number with " + SeccompAction.text(action) + ", which returns none");
        }
        return action;
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

    private OptionalInt errno() throws IOException {
        return isNull()
                ? OptionalInt.empty()
                : OptionalInt.of(number(BigInteger.valueOf(MAX_ERRNO)).intValue());
    }

    private OptionalInt errnoByName() throws IOException {
        if (isNull() || string().isEmpty()) {
            return OptionalInt.empty();
        }
        String name = string();
        for (int number = 1; number <= MAX_ERRNO; number++) {
            if (Errno.of(number).name().equals(name)) {
                return OptionalInt.of(number);
            }
        }
        throw refused("\"" + AccountId.shortened(name) + "\" is no error name");
    }

    private SecurityRefusal unknown(String field) {
        return refused("unknown field \"" + AccountId.shortened(field) + "\"");
    }

    private SecurityRefusal refused(String why) {
        JsonLocation at = json.currentTokenLocation();
        String pointer = json.getParsingContext().pathAsPointer().toString();
        String place = pointer.isEmpty() ? "" : ", at " + AccountId.shortened(pointer);
        return refusal(path, ", line " + at.getLineNr() + ", column " + at.getColumnNr() + place, why);
    }

    private static SecurityRefusal refusal(String path, String place, String why) {
        return new SecurityRefusal(
                "seccomp",
                "the profile " + path + place + ": " + why,
                "write it as the OCI runtime specification describes linux.seccomp");
    }
}
