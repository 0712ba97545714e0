package io.portafilter.cri;

import io.portafilter.audit.GivenRights;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.IdMapping;
import io.portafilter.security.IdMappings;
import io.portafilter.security.Labels;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What a container was given, in the verbose status: sets and mappings as the kernel writes them. */
public final class GivenRightsJson {

    private GivenRightsJson() {}

    static Map<String, Object> fields(GivenRights given) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("uid", given.uid());
        fields.put("gid", given.gid());
        fields.put("groups", given.groups());
        given.ids().ifPresent(ids -> {
            fields.put("uidMap", ids.uidMapText().strip());
            fields.put("gidMap", ids.gidMapText().strip());
        });
        CapabilitySets sets = given.capabilities();
        fields.put("bounding", hexadecimal(sets.bounding()));
        fields.put("permitted", hexadecimal(sets.permitted()));
        fields.put("effective", hexadecimal(sets.effective()));
        fields.put("inheritable", hexadecimal(sets.inheritable()));
        fields.put("ambient", hexadecimal(sets.ambient()));
        fields.put("seccompFilters", given.seccompFilters());
        fields.put("noNewPrivileges", given.noNewPrivileges());
        fields.put("cgroups", given.cgroups());
        given.labels().appArmor().ifPresent(profile -> fields.put("appArmor", profile));
        given.labels().selinux().ifPresent(label -> fields.put("selinux", label));
        given.labels().selinuxMounts().ifPresent(label -> fields.put("selinuxMounts", label));
        return fields;
    }

    private static String hexadecimal(CapabilitySet set) {
        return String.format(Locale.ROOT, "%016x", set.mask());
    }

    /** Reads the fields; throws IllegalArgumentException when one is missing or of another form. */
    public static GivenRights read(Map<?, ?> fields) {
        Optional<IdMappings> ids = fields.containsKey("uidMap")
                ? Optional.of(new IdMappings(List.of(mapping(fields, "uidMap")), List.of(mapping(fields, "gidMap"))))
                : Optional.empty();
        List<Long> groups = ((List<?>) value(fields, "groups"))
                .stream().map(GivenRightsJson::number).toList();
        return new GivenRights(
                ids,
                number(value(fields, "uid")),
                number(value(fields, "gid")),
                groups,
                new CapabilitySets(
                        set(fields, "bounding"),
                        set(fields, "permitted"),
                        set(fields, "effective"),
                        set(fields, "inheritable"),
                        set(fields, "ambient")),
                Math.toIntExact(number(value(fields, "seccompFilters"))),
                value(fields, "noNewPrivileges").equals(true),
                cgroups(value(fields, "cgroups")),
                new Labels(text(fields, "appArmor"), text(fields, "selinux"), text(fields, "selinuxMounts")));
    }

    private static Map<String, String> cgroups(Object written) {
        if (!(written instanceof Map<?, ?> paths)) {
            throw new IllegalArgumentException("cgroups is no object");
        }
        Map<String, String> cgroups = new LinkedHashMap<>();
        paths.forEach((hierarchy, path) -> cgroups.put(hierarchy.toString(), path.toString()));
        return cgroups;
    }

    private static Optional<String> text(Map<?, ?> fields, String name) {
        return Optional.ofNullable((Object) fields.get(name)).map(Object::toString);
    }

    private static Object value(Map<?, ?> fields, String name) {
        @Nullable Object value = fields.get(name);
        if (value == null) {
            throw new IllegalArgumentException("what the container was given lacks " + name);
        }
        return value;
    }

    private static long number(Object value) {
        return Long.parseLong(value.toString());
    }

    private static CapabilitySet set(Map<?, ?> fields, String name) {
        return CapabilitySet.parse(value(fields, name).toString());
    }

    private static IdMapping mapping(Map<?, ?> fields, String name) {
        String[] numbers = value(fields, name).toString().split(" ");
        if (numbers.length != 3) {
            throw new IllegalArgumentException(name + " is no mapping");
        }
        return new IdMapping(Long.parseLong(numbers[0]), Long.parseLong(numbers[1]), Long.parseLong(numbers[2]));
    }
}
