package io.portafilter.security;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** A container's security request and its surroundings, of which a test changes what matters to it. */
final class SecurityFixture {

    private boolean privileged;
    private List<String> add = List.of();
    private List<String> drop = List.of();
    private List<String> ambient = List.of();
    private OptionalLong uid = OptionalLong.empty();
    private Optional<String> name = Optional.empty();
    private OptionalLong gid = OptionalLong.empty();
    private String imageUser = "";
    private final List<Long> groups = new ArrayList<>();
    private boolean strict;
    private boolean noNewPrivileges;
    private boolean readOnlyRootfs;
    private List<String> masked = List.of();
    private List<String> readOnly = List.of();
    private SeccompRequest seccomp = new SeccompRequest.Unconfined();
    private Optional<IdMappings> ids = Optional.empty();
    private ImageAccounts accounts = ImageAccounts.NONE;
    private LabelRequest labels = LabelRequest.NONE;
    private HostFacts host = host();

    private SecurityFixture() {}

    static SecurityFixture container() {
        return new SecurityFixture();
    }

    /** A host that lacks nothing. */
    static HostFacts host() {
        return hostWith(CapabilitySet.of(Capability.values()));
    }

    /** A host whose server has this bounding set. */
    static HostFacts hostWith(CapabilitySet own) {
        return new HostFacts(
                own, 40, new KernelVersion(6, 12), Architecture.X86_64, true, true, true, SecurityModules.NONE);
    }

    SecurityFixture privileged() {
        privileged = true;
        return this;
    }

    SecurityFixture add(String... names) {
        add = List.of(names);
        return this;
    }

    SecurityFixture drop(String... names) {
        drop = List.of(names);
        return this;
    }

    SecurityFixture ambient(String... names) {
        ambient = List.of(names);
        return this;
    }

    SecurityFixture runAsUser(long value) {
        uid = OptionalLong.of(value);
        return this;
    }

    SecurityFixture runAsUsername(String value) {
        name = Optional.of(value);
        return this;
    }

    SecurityFixture runAsGroup(long value) {
        gid = OptionalLong.of(value);
        return this;
    }

    SecurityFixture imageUser(String value) {
        imageUser = value;
        return this;
    }

    SecurityFixture supplementalGroups(Long... values) {
        groups.addAll(List.of(values));
        return this;
    }

    SecurityFixture strictGroups() {
        strict = true;
        return this;
    }

    SecurityFixture noNewPrivileges() {
        noNewPrivileges = true;
        return this;
    }

    SecurityFixture readOnlyRootfs() {
        readOnlyRootfs = true;
        return this;
    }

    SecurityFixture masked(String... paths) {
        masked = List.of(paths);
        return this;
    }

    SecurityFixture readOnlyPaths(String... paths) {
        readOnly = List.of(paths);
        return this;
    }

    SecurityFixture seccomp(SeccompRequest value) {
        seccomp = value;
        return this;
    }

    SecurityFixture labels(LabelRequest value) {
        labels = value;
        return this;
    }

    SecurityFixture userNamespace(long hostId, long length) {
        List<IdMapping> line = List.of(new IdMapping(0, hostId, length));
        ids = Optional.of(new IdMappings(line, line));
        return this;
    }

    SecurityFixture passwd(String... lines) {
        accounts = new ImageAccounts(String.join("\n", lines) + "\n", accounts.group());
        return this;
    }

    SecurityFixture group(String... lines) {
        accounts = new ImageAccounts(accounts.passwd(), String.join("\n", lines) + "\n");
        return this;
    }

    SecurityFixture on(HostFacts value) {
        host = value;
        return this;
    }

    SecurityPlan plan() {
        return SecurityPlan.of(request(), accounts, host);
    }

    SecurityPlan planAgain(Labels given) {
        return SecurityPlan.again(request(), accounts, given, host);
    }

    /** As on a host without libseccomp, for showing alone. */
    SecurityPlan planWithoutCompiler() {
        return SecurityPlan.of(request(), accounts, host, true);
    }

    private SecurityRequest request() {
        return new SecurityRequest(
                privileged,
                privileged,
                new CapabilityRequest(add, drop, ambient),
                new UserRequest(uid, name, gid, imageUser, groups, strict),
                noNewPrivileges,
                readOnlyRootfs,
                masked,
                readOnly,
                seccomp,
                ids,
                labels);
    }

    Credentials user() {
        return plan().user();
    }
}
