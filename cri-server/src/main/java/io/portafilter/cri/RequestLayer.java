package io.portafilter.cri;

import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.MapEntry;
import com.google.protobuf.Message;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.UserNamespace;
import io.portafilter.security.PlanLine;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;

/**
 * What a container's CRI messages say, field by field, as the .proto spells them. The namespaces of a container and of its
 * pod sandbox must agree: they are left out of both.
 */
final class RequestLayer implements Provenance.Layer {

    /** Makes the plan of other messages; absent when they are refused. */
    @FunctionalInterface
    interface Plans extends BiFunction<PodSandboxConfig, ContainerConfig, Optional<Map<Provenance.Key, PlanLine>>> {}

    private static final String OF_SANDBOX = "sandbox: ";
    private static final int IDS_OF_A_POD = 65536;
    private static final int SOME_HOST_ID = 1 << 30;
    private static final String NAMESPACES = "linux.security_context.namespace_options";
    private static final String PRIVILEGED = "linux.security_context.privileged";
    private static final List<String> CONTAINER_PARTS =
            List.of("linux.security_context", "linux.resources", "mounts", "devices", "CDI_devices", "working_dir");
    private static final List<String> SANDBOX_PARTS = List.of("hostname", "linux.sysctls", "linux.security_context");

    /** Lists of which each item counts for itself. */
    private static final Set<String> ITEMS = Set.of(
            "add_capabilities", "drop_capabilities", "add_ambient_capabilities", "supplemental_groups", "CDI_devices");

    /** Messages that mean something only as a whole. */
    private static final Set<String> WHOLE = Set.of(
            Int64Value.getDescriptor().getFullName(),
            SecurityProfile.getDescriptor().getFullName(),
            SELinuxOption.getDescriptor().getFullName(),
            UserNamespace.getDescriptor().getFullName());

    /**
     * A step to a field.
     *
     * @param index of the item, or -1 for all of the field
     * @param key of the entry of a map, or empty
     */
    private record Step(FieldDescriptor field, int index, String key) {}

    private final Cause.Origin origin;
    private final PodSandboxConfig pod;
    private final ContainerConfig container;
    private final Plans plans;
    private final String within;
    private final Map<String, List<Step>> fields = new LinkedHashMap<>();

    RequestLayer(Cause.Origin origin, PodSandboxConfig pod, ContainerConfig container, Plans plans) {
        this(origin, pod, container, plans, "");
    }

    /** {@code within} is the only part whose fields count, or empty. */
    private RequestLayer(
            Cause.Origin origin, PodSandboxConfig pod, ContainerConfig container, Plans plans, String within) {
        this.origin = origin;
        this.pod = pod;
        this.container = container;
        this.plans = plans;
        this.within = within;
        walk("", "", container, List.of(), CONTAINER_PARTS);
        walk(OF_SANDBOX, "", pod, List.of(), SANDBOX_PARTS);
        if (!within.isEmpty()) {
            fields.keySet().removeIf(field -> !isIn(field, within));
        }
    }

    @Override
    public Cause.Origin origin() {
        return origin;
    }

    @Override
    public List<String> fields() {
        return List.copyOf(fields.keySet());
    }

    private void walk(String message, String path, Message at, List<Step> steps, List<String> parts) {
        for (FieldDescriptor field : at.getDescriptorForType().getFields()) {
            String name = path.isEmpty() ? field.getName() : path + "." + field.getName();
            boolean inPart = parts.stream().anyMatch(part -> isIn(name, part));
            boolean repeated = !message.isEmpty() && isIn(name, NAMESPACES);
            if (repeated || !(inPart || parts.stream().anyMatch(part -> isIn(part, name)))) {
                continue;
            }
            if (field.isRepeated()) {
                items(message, name, at, field, steps, parts);
            } else if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
                if (at.hasField(field)) {
                    List<Step> here = then(steps, new Step(field, -1, ""));
                    if (WHOLE.contains(field.getMessageType().getFullName())) {
                        fields.put(message + name, here);
                    } else {
                        walk(message, name, (Message) at.getField(field), here, parts);
                    }
                }
            } else if (inPart
                    && (isChoice(field)
                            || at.hasField(field)
                            || !at.getField(field).equals(field.getDefaultValue()))) {
                fields.put(message + name, then(steps, new Step(field, -1, "")));
            }
        }
    }

    private void items(
            String message, String name, Message at, FieldDescriptor field, List<Step> steps, List<String> parts) {
        List<?> items = (List<?>) at.getField(field);
        if (items.isEmpty()) {
            return;
        }
        boolean each = field.getJavaType() == FieldDescriptor.JavaType.MESSAGE || ITEMS.contains(field.getName());
        if (!each) {
            fields.put(message + name, then(steps, new Step(field, -1, "")));
            return;
        }
        for (int i = 0; i < items.size(); i++) {
            if (items.get(i) instanceof MapEntry<?, ?> entry) {
                String key = entry.getKey().toString();
                fields.put(message + name + "[" + key + "]", then(steps, new Step(field, -1, key)));
            } else {
                List<Step> here = then(steps, new Step(field, i, ""));
                fields.put(message + name + "[" + i + "]", here);
                if (items.get(i) instanceof Message item) {
                    walk(message, name + "[" + i + "]", item, here, parts);
                }
            }
        }
    }

    private static boolean isIn(String name, String part) {
        return name.equals(part) || name.startsWith(part + ".") || name.startsWith(part + "[");
    }

    /** What means something when it is not set, too. */
    private static boolean isChoice(FieldDescriptor field) {
        return field.getJavaType() == FieldDescriptor.JavaType.BOOLEAN
                || field.getJavaType() == FieldDescriptor.JavaType.ENUM;
    }

    private static List<Step> then(List<Step> steps, Step step) {
        List<Step> all = new ArrayList<>(steps);
        all.add(step);
        return all;
    }

    @Override
    public Optional<Map<Provenance.Key, PlanLine>> without(Set<String> left) {
        Message otherPod = pod;
        Message otherContainer = container;
        // from the last one, so that the numbers of those before hold
        for (String name : fields().reversed()) {
            List<Step> steps = fields.get(name);
            if (steps != null && left.contains(name)) {
                if (name.startsWith(OF_SANDBOX)) {
                    otherPod = edited(otherPod, steps, Optional.empty());
                } else {
                    otherContainer = edited(otherContainer, steps, Optional.empty());
                    otherPod = alsoInPod(otherPod, name, Optional.empty());
                }
            }
        }
        return plans.apply((PodSandboxConfig) otherPod, (ContainerConfig) otherContainer);
    }

    @Override
    public List<Map<Provenance.Key, PlanLine>> otherwise(String name) {
        List<Map<Provenance.Key, PlanLine>> found = new ArrayList<>();
        List<Step> steps = fields.getOrDefault(name, List.of());
        if (steps.isEmpty()
                || !steps.getLast().key().isEmpty()
                || steps.getLast().index() >= 0) {
            return found;
        }
        boolean ofSandbox = name.startsWith(OF_SANDBOX);
        for (Object other : others(ofSandbox ? pod : container, steps)) {
            Message otherPod =
                    ofSandbox ? edited(pod, steps, Optional.of(other)) : alsoInPod(pod, name, Optional.of(other));
            Message otherContainer = ofSandbox ? container : edited(container, steps, Optional.of(other));
            plans.apply((PodSandboxConfig) otherPod, (ContainerConfig) otherContainer)
                    .ifPresent(found::add);
        }
        return found;
    }

    /** Beside a user namespace the host's namespaces are refused, and a privileged container in another pod sandbox. */
    @Override
    public List<Provenance.Layer> relaxed() {
        List<Provenance.Layer> relaxed = new ArrayList<>();
        if (!within.isEmpty()) {
            return relaxed;
        }
        if (pod.getLinux().getSecurityContext().getNamespaceOptions().hasUsernsOptions()) {
            PodSandboxConfig.Builder otherPod = pod.toBuilder();
            otherPod.getLinuxBuilder()
                    .getSecurityContextBuilder()
                    .getNamespaceOptionsBuilder()
                    .clearUsernsOptions();
            ContainerConfig.Builder other = container.toBuilder();
            other.getLinuxBuilder()
                    .getSecurityContextBuilder()
                    .getNamespaceOptionsBuilder()
                    .clearUsernsOptions();
            other.getMountsBuilderList()
                    .forEach(mount -> mount.clearUidMappings().clearGidMappings());
            relaxed.add(new RequestLayer(origin, otherPod.build(), other.build(), plans, NAMESPACES));
        }
        if (!pod.getLinux().getSecurityContext().getPrivileged()) {
            PodSandboxConfig.Builder otherPod = pod.toBuilder();
            otherPod.getLinuxBuilder().getSecurityContextBuilder().setPrivileged(true);
            // the other lines of a privileged container are not what this field's default explains
            Plans ofOneLine = (anyPod, any) -> plans.apply(anyPod, any).map(RequestLayer::thatItIsPrivileged);
            relaxed.add(new RequestLayer(origin, otherPod.build(), container, ofOneLine, PRIVILEGED));
        }
        return relaxed;
    }

    private static Map<Provenance.Key, PlanLine> thatItIsPrivileged(Map<Provenance.Key, PlanLine> plan) {
        Map<Provenance.Key, PlanLine> one = new LinkedHashMap<>(plan);
        one.keySet().removeIf(key -> !key.name().equals("privileged"));
        return one;
    }

    private static List<Object> others(Message message, List<Step> steps) {
        Message at = message;
        for (Step step : steps.subList(0, steps.size() - 1)) {
            at = (Message)
                    (step.index() < 0 ? at.getField(step.field()) : at.getRepeatedField(step.field(), step.index()));
        }
        FieldDescriptor field = steps.getLast().field();
        if (field.isRepeated()) {
            return List.of();
        }
        Object now = at.getField(field);
        return switch (now) {
            case Boolean value -> List.of(!value);
            case EnumValueDescriptor value ->
                field.getEnumType().getValues().stream()
                        .filter(other -> !other.equals(value))
                        .map(Object.class::cast)
                        .toList();
            case Int64Value value ->
                List.of(value.toBuilder().setValue(value.getValue() + 1).build());
            case SecurityProfile value ->
                List.of(
                        SecurityProfile.newBuilder()
                                .setProfileType(SecurityProfile.ProfileType.Unconfined)
                                .build(),
                        SecurityProfile.newBuilder()
                                .setProfileType(SecurityProfile.ProfileType.RuntimeDefault)
                                .build());
            case UserNamespace value -> List.of(otherUsers(value));
            case Long value -> List.of(value + 1);
            case String value -> List.of(value + "-other");
            default -> List.of();
        };
    }

    /** A user namespace where there is none, and none where there is one. */
    private static UserNamespace otherUsers(UserNamespace now) {
        if (now.getMode() == NamespaceMode.POD) {
            return UserNamespace.newBuilder().setMode(NamespaceMode.NODE).build();
        }
        IDMapping all = IDMapping.newBuilder()
                .setHostId(SOME_HOST_ID)
                .setLength(IDS_OF_A_POD)
                .build();
        return UserNamespace.newBuilder()
                .setMode(NamespaceMode.POD)
                .addUids(all)
                .addGids(all)
                .build();
    }

    /** The same field of the pod sandbox, for what both must say alike. */
    private Message alsoInPod(Message at, String name, Optional<Object> value) {
        if (!isIn(name, NAMESPACES)) {
            return at;
        }
        List<Step> steps = new ArrayList<>();
        Message next = at;
        for (String part : name.split("\\.")) {
            FieldDescriptor field = next.getDescriptorForType().findFieldByName(part);
            steps.add(new Step(field, -1, ""));
            if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
                next = (Message) next.getField(field);
            }
        }
        return edited(at, steps, value);
    }

    /** The message with the field set to a value, or without it. */
    private static Message edited(Message at, List<Step> steps, Optional<Object> value) {
        Step step = steps.getFirst();
        FieldDescriptor field = step.field();
        Message.Builder builder = at.toBuilder();
        if (steps.size() > 1) {
            List<Step> rest = steps.subList(1, steps.size());
            if (step.index() < 0) {
                return builder.setField(field, edited((Message) at.getField(field), rest, value))
                        .build();
            }
            return builder.setRepeatedField(
                            field,
                            step.index(),
                            edited((Message) at.getRepeatedField(field, step.index()), rest, value))
                    .build();
        }
        if (value.isPresent()) {
            return builder.setField(field, value.get()).build();
        }
        if (step.index() < 0 && step.key().isEmpty()) {
            return builder.clearField(field).build();
        }
        List<Object> kept = new ArrayList<>();
        List<?> items = (List<?>) at.getField(field);
        for (int i = 0; i < items.size(); i++) {
            boolean leftOut = step.key().isEmpty()
                    ? i == step.index()
                    : items.get(i) instanceof MapEntry<?, ?> entry
                            && entry.getKey().equals(step.key());
            if (!leftOut) {
                kept.add(items.get(i));
            }
        }
        return builder.setField(field, kept).build();
    }
}
