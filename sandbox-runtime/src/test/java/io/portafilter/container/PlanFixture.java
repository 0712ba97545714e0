package io.portafilter.container;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.security.AppArmorRequest;
import io.portafilter.security.CapabilityRequest;
import io.portafilter.security.HostFacts;
import io.portafilter.security.IdMapping;
import io.portafilter.security.IdMappings;
import io.portafilter.security.ImageAccounts;
import io.portafilter.security.KernelVersion;
import io.portafilter.security.LabelRequest;
import io.portafilter.security.SeccompProgram;
import io.portafilter.security.SeccompRequest;
import io.portafilter.security.SecurityModules;
import io.portafilter.security.SecurityPlan;
import io.portafilter.security.SecurityRequest;
import io.portafilter.security.SelinuxOptions;
import io.portafilter.security.UserRequest;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/** A container's or pod's plan on a host that need not exist, of which a test changes what matters to it. */
final class PlanFixture {

    static final IdMappings MAPPED =
            new IdMappings(List.of(new IdMapping(0, 200000, 65536)), List.of(new IdMapping(0, 300000, 65536)));

    private PidMode pids = PidMode.CONTAINER;
    private Optional<IdMappings> ids = Optional.empty();
    private boolean cgroupV2;
    private boolean noNewPrivileges;
    private SecurityModules modules = SecurityModules.NONE;
    private StandardStreams streams = StandardStreams.OUTPUT;
    private OptionalLong uid = OptionalLong.empty();
    private List<String> arguments = List.of("app", "--serve");
    private List<String> environment = List.of("PATH=/usr/bin:/bin", "SECRET=x");
    private Optional<SeccompProgram> filter = Optional.of(filter("test", 0x7fff0000));

    private PlanFixture() {}

    static PlanFixture plan() {
        return new PlanFixture();
    }

    PlanFixture pids(PidMode mode) {
        pids = mode;
        return this;
    }

    PlanFixture streams(StandardStreams value) {
        streams = value;
        return this;
    }

    PlanFixture mapped() {
        ids = Optional.of(MAPPED);
        return this;
    }

    PlanFixture cgroupV2() {
        cgroupV2 = true;
        return this;
    }

    /** On a host with these, the pod having two categories of its own. */
    PlanFixture on(SecurityModules value) {
        modules = value;
        return this;
    }

    PlanFixture noNewPrivileges() {
        noNewPrivileges = true;
        return this;
    }

    PlanFixture runAsUser(long user) {
        uid = OptionalLong.of(user);
        return this;
    }

    PlanFixture arguments(String... texts) {
        arguments = List.of(texts);
        return this;
    }

    PlanFixture environment(String... variables) {
        environment = List.of(variables);
        return this;
    }

    PlanFixture filter(SeccompProgram program) {
        filter = Optional.of(program);
        return this;
    }

    PlanFixture unfiltered() {
        filter = Optional.empty();
        return this;
    }

    /** A filter that answers every call alike: {@code BPF_RET | BPF_K}. */
    static SeccompProgram filter(String name, int action) {
        return new SeccompProgram(
                ByteBuffer.allocate(8)
                        .order(ByteOrder.nativeOrder())
                        .putShort((short) 0x06)
                        .putInt(4, action)
                        .array(),
                0,
                name);
    }

    LaunchFacts facts() {
        return new LaunchFacts(
                new HostFacts(
                        CapabilitySet.of(Capability.values()),
                        40,
                        new KernelVersion(6, 18),
                        Architecture.X86_64,
                        cgroupV2,
                        true,
                        true,
                        modules),
                cgroupV2 ? List.of() : List.of("cpu,cpuacct", "memory", "pids"),
                -1000,
                1048576);
    }

    ContainerPlan container() {
        SecurityRequest security = new SecurityRequest(
                false,
                false,
                new CapabilityRequest(List.of(), List.of(), List.of()),
                new UserRequest(uid, Optional.empty(), OptionalLong.empty(), "", List.of(), false),
                noNewPrivileges,
                false,
                List.of("/proc/kcore"),
                List.of("/proc/sys"),
                new SeccompRequest.Unconfined(),
                ids,
                new LabelRequest(
                        new AppArmorRequest.Unspecified(),
                        new SelinuxOptions(
                                Optional.empty(), Optional.empty(), Optional.empty(), Optional.of("s0:c4,c5")),
                        false));
        ContainerRequest request = new ContainerRequest(
                "c",
                "p",
                "app",
                arguments,
                environment,
                "/srv",
                pids,
                false,
                false,
                security,
                streams,
                List.of(),
                List.of(),
                List.of(Path.of("/layer")),
                Path.of("/writable"),
                Path.of("/state"),
                "/pod/c",
                CgroupLimits.devicesOnly(List.of()),
                0);
        return filtered(ContainerPlan.of(request, ImageAccounts.NONE, facts()));
    }

    /** With a filter of known length instead of one that depends on the machine's libseccomp. */
    private ContainerPlan filtered(ContainerPlan plan) {
        SecurityPlan old = plan.security();
        return with(
                plan,
                new SecurityPlan(
                        old.ids(),
                        old.user(),
                        old.capabilities(),
                        filter,
                        old.noNewPrivileges(),
                        old.readOnlyRootfs(),
                        old.privileged(),
                        old.maskedPaths(),
                        old.readOnlyPaths(),
                        old.labels(),
                        old.notes()));
    }

    static ContainerPlan with(ContainerPlan plan, SecurityPlan security) {
        return new ContainerPlan(
                plan.name(),
                plan.candidates(),
                plan.arguments(),
                plan.environment(),
                plan.workingDirectory(),
                security,
                plan.pidMode(),
                plan.hostNetwork(),
                plan.hostIpc(),
                plan.cgroupNamespace(),
                plan.streams(),
                plan.terminals(),
                plan.mounts(),
                plan.prepared(),
                plan.oomScoreAdj(),
                plan.limits(),
                plan.facts());
    }

    PausePlan pause() {
        return PausePlan.of(
                new PodRequest(
                        "web",
                        "web",
                        false,
                        false,
                        false,
                        ids,
                        Map.of("net.ipv4.ip_unprivileged_port_start", "80"),
                        1 << 26,
                        "/pod/pause",
                        CgroupLimits.devicesOnly(List.of()),
                        -998,
                        Path.of("/state"),
                        SelinuxOptions.NONE),
                facts());
    }
}
