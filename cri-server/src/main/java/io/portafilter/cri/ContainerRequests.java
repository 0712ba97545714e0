package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.cdi.Injection;
import io.portafilter.container.PidMode;
import io.portafilter.cri.v1.Capability;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.KeyValue;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import io.portafilter.image.ImageConfig;
import io.portafilter.linux.KernelText;
import io.portafilter.security.CapabilityRequest;
import io.portafilter.security.IdMappings;
import io.portafilter.security.LabelRequest;
import io.portafilter.security.SecurityRequest;
import io.portafilter.security.UserRequest;
import io.portafilter.streaming.LogFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** CreateContainerRequest to {@link ContainerSpec}: every field is used, known to be harmless, or refused. */
final class ContainerRequests {

    /** More of a kind than any pod has, and a launch of so many still fits into the server's memory. */
    private static final int MOST_ENTRIES = 1024;

    /** {@code include/uapi/linux/limits.h}: more the kernel gives no process. */
    private static final int NGROUPS_MAX = 65_536;

    private static final String SECURITY = "config.linux.security_context";

    /** The kernel's, in bytes, with a NUL at the end. */
    private static final int PATH_MAX = 4096;

    private static final String DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    private ContainerRequests() {}

    static ContainerSpec check(
            CreateContainerRequest request,
            String podId,
            PodSpec pod,
            ImageConfig image,
            PodFiles files,
            ContainerSources sources,
            VolumeImages images) {
        ContainerConfig config = config(request);
        PodSandboxConfig sandbox = sandbox(request, pod);
        LinuxContainerSecurityContext security = config.getLinux().getSecurityContext();
        refuseWhatIsNotBuilt(config);
        refuseTooMany(config);
        Injection cdi = CdiDevices.asked(config, sources.devices());
        return new ContainerSpec(
                identity(config, podId),
                podId,
                config,
                arguments(config, image),
                environment(config, pod, image, files, cdi.edits().environment()),
                workingDirectory(config, image),
                log(config, sandbox),
                StopSignals.effective(config.getStopSignal(), image.stopSignal()),
                namespaces(security, pod),
                security(security, pod, image, sources.profiles(), cdi.edits().additionalGroups()),
                MountRequests.of(config, pod, files, cdi.edits().mounts(), image, images),
                DeviceRequest.of(
                        config,
                        sources.devicesOfTheUser() ? DeviceRequest.Owner.of(security) : DeviceRequest.Owner.OF_HOST),
                cdi,
                ResourceRequests.limits(
                        "config.linux.resources", config.getLinux().getResources(), security.getPrivileged()),
                (int) Fields.inRange(
                        "config.linux.resources.oom_score_adj",
                        config.getLinux().getResources().getOomScoreAdj(),
                        -1000,
                        1000),
                PodRequests.cgroupParent(sandbox.getLinux().getCgroupParent()),
                pod);
    }

    /** The request's configuration, which must be there and name an image. */
    static ContainerConfig config(CreateContainerRequest request) {
        if (!request.hasConfig()) {
            throw invalid("config", "is missing", "describe the container");
        }
        ContainerConfig config = request.getConfig();
        if (config.getImage().getImage().isEmpty()) {
            throw invalid("config.image.image", "is empty", "name an image, or give its id");
        }
        PodRequests.runtimeHandler(config.getImage().getRuntimeHandler());
        return config;
    }

    /** Each takes of what all containers share: descriptors and memory of the server, mounts of the kernel. */
    private static void refuseTooMany(ContainerConfig config) {
        LinuxContainerSecurityContext security = config.getLinux().getSecurityContext();
        Fields.atMost("config.mounts", config.getMountsCount(), MOST_ENTRIES);
        Fields.atMost("config.devices", config.getDevicesCount(), MOST_ENTRIES);
        Fields.atMost(SECURITY + ".masked_paths", security.getMaskedPathsCount(), MOST_ENTRIES);
        Fields.atMost(SECURITY + ".readonly_paths", security.getReadonlyPathsCount(), MOST_ENTRIES);
        Fields.atMost(SECURITY + ".supplemental_groups", security.getSupplementalGroupsCount(), NGROUPS_MAX);
    }

    static Identity.Container identity(ContainerConfig config, String podId) {
        if (!config.hasMetadata()) {
            throw invalid("config.metadata", "is missing", "give a name");
        }
        return new Identity.Container(
                podId,
                Fields.required("config.metadata.name", config.getMetadata().getName()),
                config.getMetadata().getAttempt());
    }

    /** The sandbox's configuration as this request repeats it: it says where logs and cgroups go. */
    private static PodSandboxConfig sandbox(CreateContainerRequest request, PodSpec pod) {
        if (!request.hasSandboxConfig()) {
            return pod.config();
        }
        PodSandboxConfig sandbox = request.getSandboxConfig();
        if (!sandbox.hasMetadata()) {
            throw invalid("sandbox_config.metadata", "is missing", "repeat the pod sandbox's");
        }
        Identity.Pod same = pod.identity();
        if (!sandbox.getMetadata().getUid().equals(same.uid())
                || !sandbox.getMetadata().getName().equals(same.name())
                || !sandbox.getMetadata().getNamespace().equals(same.namespace())) {
            throw invalid(
                    "sandbox_config.metadata",
                    "is that of pod " + sandbox.getMetadata().getNamespace() + "/"
                            + sandbox.getMetadata().getName() + ", uid "
                            + sandbox.getMetadata().getUid(),
                    "repeat that of pod_sandbox_id: " + same);
        }
        return sandbox;
    }

    /** Nothing may look done that is not: these would change what the program sees. */
    private static void refuseWhatIsNotBuilt(ContainerConfig config) {
        if (config.hasWindows()) {
            throw invalid("config.windows", "is set", "this is a Linux node: leave it out");
        }
    }

    /** Kubernetes' rules: command replaces entrypoint and drops the image's command, args alone replace the command. */
    static List<String> arguments(ContainerConfig config, ImageConfig image) {
        List<String> arguments = new ArrayList<>();
        if (config.getCommandCount() > 0) {
            arguments.addAll(config.getCommandList());
            arguments.addAll(config.getArgsList());
        } else {
            arguments.addAll(image.entrypoint().equals(List.of("")) ? List.of() : image.entrypoint());
            arguments.addAll(config.getArgsCount() > 0 ? config.getArgsList() : image.command());
        }
        if (arguments.isEmpty() || arguments.getFirst().isEmpty()) {
            throw invalid(
                    "config.command",
                    "no command specified, and the image has none",
                    "give a command, or args for its entrypoint");
        }
        arguments.forEach(argument -> refuseNul("config.command", argument));
        return arguments;
    }

    private static void refuseNul(String field, String value) {
        if (value.indexOf('\0') >= 0) {
            throw invalid(field, shown(value) + " holds a NUL character", "leave it out: no program can receive it");
        }
    }

    /** Defaults, the image's, the request's, the devices': the later value wins, the first place stays. */
    static List<String> environment(
            ContainerConfig config, PodSpec pod, ImageConfig image, PodFiles files, List<String> ofDevices) {
        Map<String, String> variables = new LinkedHashMap<>();
        variables.put("PATH", DEFAULT_PATH);
        variables.put("HOSTNAME", files.hostname(pod));
        if (config.getTty()) {
            variables.put("TERM", "xterm");
        }
        for (String variable : image.environment()) {
            int equals = variable.indexOf('=');
            if (equals > 0 && variable.indexOf('\0') < 0) {
                variables.put(variable.substring(0, equals), variable.substring(equals + 1));
            }
        }
        for (KeyValue variable : config.getEnvsList()) {
            String key = variable.getKey();
            if (key.isEmpty() || key.indexOf('=') >= 0) {
                throw invalid("config.envs", shown(key) + " is no name of a variable", "give one without \"=\"");
            }
            refuseNul("config.envs", key);
            byte[] value = variable.getValue().toByteArray();
            String text = KernelText.decode(value, 0, value.length);
            if (text.indexOf('\0') >= 0) {
                // never the value: it may be a secret
                throw invalid("config.envs", "the value of " + shown(key) + " holds a NUL character", "leave it out");
            }
            variables.put(key, text);
        }
        for (String variable : ofDevices) {
            int equals = variable.indexOf('=');
            variables.put(variable.substring(0, equals), variable.substring(equals + 1));
        }
        return variables.entrySet().stream()
                .map(variable -> variable.getKey() + "=" + variable.getValue())
                .toList();
    }

    private static String workingDirectory(ContainerConfig config, ImageConfig image) {
        if (!config.getWorkingDir().isEmpty()) {
            return Fields.absolutePath("config.working_dir", config.getWorkingDir());
        }
        if (image.workingDirectory().isEmpty()) {
            return "/";
        }
        return Fields.absolutePath("the image's WorkingDir", "/" + image.workingDirectory());
    }

    private static Optional<LogFile> log(ContainerConfig config, PodSandboxConfig sandbox) {
        String directory = sandbox.getLogDirectory();
        if (!directory.isEmpty()) {
            directory = Fields.absolutePath("sandbox_config.log_directory", directory);
        }
        if (config.getLogPath().isEmpty()) {
            return Optional.empty();
        }
        String name = Fields.relativePath("config.log_path", config.getLogPath());
        if (name.isEmpty()) {
            throw invalid(
                    "config.log_path", shown(config.getLogPath()) + " names no file", "give one such as web/0.log");
        }
        if ((directory + "/" + name).getBytes(StandardCharsets.UTF_8).length >= PATH_MAX) {
            throw invalid(
                    "config.log_path",
                    shown(config.getLogPath()) + " is longer than a path can be, in its log_directory",
                    "give a shorter one");
        }
        return directory.isEmpty() ? Optional.empty() : Optional.of(new LogFile(Path.of(directory), name));
    }

    /** The modes must fit the pod's; CONTAINER for network or IPC acts as POD. */
    private static PidMode namespaces(LinuxContainerSecurityContext security, PodSpec pod) {
        NamespaceOption options = security.getNamespaceOptions();
        String field = SECURITY + ".namespace_options";
        requireHostLikePod(field + ".network", options.getNetwork(), pod.hostNetwork());
        requireHostLikePod(field + ".ipc", options.getIpc(), pod.hostIpc());
        if (options.hasUsernsOptions()) {
            Optional<IdMappings> ids = PodRequests.ids(field + ".userns_options", options);
            if (!ids.equals(pod.ids())) {
                throw invalid(
                        field + ".userns_options",
                        "differs from that of the pod sandbox",
                        "repeat the sandbox's: all containers of a pod share its user namespace");
            }
        }
        return switch (options.getPid()) {
            case POD -> pod.hostPid() ? PidMode.NODE : PidMode.POD;
            case CONTAINER -> PidMode.CONTAINER;
            case NODE -> {
                requireHostLikePod(field + ".pid", options.getPid(), pod.hostPid());
                yield PidMode.NODE;
            }
            case TARGET -> {
                if (options.getTargetId().isEmpty()) {
                    throw invalid(
                            field + ".target_id",
                            "is empty with the PID mode TARGET",
                            "give the id of a running container of the pod");
                }
                yield PidMode.TARGET;
            }
            case UNRECOGNIZED ->
                throw invalid(
                        field + ".pid", options.getPidValue() + " is no mode", "give POD, CONTAINER, NODE or TARGET");
        };
    }

    private static void requireHostLikePod(String field, NamespaceMode mode, boolean podIsHost) {
        switch (mode) {
            case POD, CONTAINER -> {
                // the pod's, whichever that is
            }
            case NODE -> {
                if (!podIsHost) {
                    throw invalid(
                            field,
                            "NODE is asked for, but the pod sandbox has a namespace of its own",
                            "ask for NODE in the pod sandbox too");
                }
            }
            case TARGET -> throw invalid(field, "TARGET is a mode for pid alone", "give POD or NODE");
            case UNRECOGNIZED -> throw invalid(field, "holds an unknown mode", "give POD or NODE");
        }
    }

    private static SecurityRequest security(
            LinuxContainerSecurityContext security,
            PodSpec pod,
            ImageConfig image,
            SecurityProfiles.ProfileSource profiles,
            List<Long> groupsOfDevices) {
        return new SecurityRequest(
                security.getPrivileged(),
                pod.privileged(),
                capabilities(security.getCapabilities()),
                user(security, image, groupsOfDevices),
                security.getNoNewPrivs(),
                security.getReadonlyRootfs(),
                security.getMaskedPathsList(),
                security.getReadonlyPathsList(),
                SecurityProfiles.seccomp(
                        SECURITY, security.hasSeccomp(), security.getSeccomp(), seccompPath(security), profiles),
                pod.ids(),
                new LabelRequest(
                        SecurityProfiles.appArmor(
                                SECURITY, security.hasApparmor(), security.getApparmor(), appArmorProfile(security)),
                        SecurityProfiles.selinux(SECURITY, security.getSelinuxOptions())
                                .or(pod.selinux()),
                        pod.hostPid() || pod.hostIpc()));
    }

    @SuppressWarnings("deprecation") // an older kubelet still sends it
    private static String appArmorProfile(LinuxContainerSecurityContext security) {
        return security.getApparmorProfile();
    }

    @SuppressWarnings("deprecation") // an older kubelet still sends it
    private static String seccompPath(LinuxContainerSecurityContext security) {
        return security.getSeccompProfilePath();
    }

    private static CapabilityRequest capabilities(Capability asked) {
        return new CapabilityRequest(
                asked.getAddCapabilitiesList(), asked.getDropCapabilitiesList(), asked.getAddAmbientCapabilitiesList());
    }

    private static UserRequest user(
            LinuxContainerSecurityContext security, ImageConfig image, List<Long> groupsOfDevices) {
        OptionalLong uid = OptionalLong.empty();
        if (security.hasRunAsUser()) {
            uid = OptionalLong.of(
                    Fields.id(SECURITY + ".run_as_user", security.getRunAsUser().getValue()));
        }
        OptionalLong gid = OptionalLong.empty();
        if (security.hasRunAsGroup()) {
            gid = OptionalLong.of(Fields.id(
                    SECURITY + ".run_as_group", security.getRunAsGroup().getValue()));
        }
        for (long group : security.getSupplementalGroupsList()) {
            Fields.id(SECURITY + ".supplemental_groups", group);
        }
        SupplementalGroupsPolicy policy = security.getSupplementalGroupsPolicy();
        Fields.known(
                SECURITY + ".supplemental_groups_policy",
                policy != SupplementalGroupsPolicy.UNRECOGNIZED,
                security.getSupplementalGroupsPolicyValue());
        return new UserRequest(
                uid,
                Optional.of(Fields.plain(SECURITY + ".run_as_username", security.getRunAsUsername()))
                        .filter(name -> !name.isEmpty()),
                gid,
                image.user(),
                Stream.concat(security.getSupplementalGroupsList().stream(), groupsOfDevices.stream())
                        .toList(),
                policy == SupplementalGroupsPolicy.Strict);
    }
}
