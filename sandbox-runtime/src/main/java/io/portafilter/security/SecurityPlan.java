package io.portafilter.security;

import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Libseccomp;
import io.portafilter.security.SeccompRequest.Localhost;
import io.portafilter.security.SeccompRequest.RuntimeDefault;
import io.portafilter.security.SeccompRequest.Unconfined;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * What a security context becomes: all that the launch tells the kernel about the program's rights. A pure function of
 * the request, the image's account files and the host's facts.
 *
 * @param ids the pod's user namespace, absent in the host's
 * @param user who the program is, in ids of the container
 * @param capabilities the sets after execve
 * @param seccomp the filter, absent when the program runs without
 * @param noNewPrivileges {@code no_new_privs}, exactly as asked
 * @param readOnlyRootfs the root filesystem is read-only
 * @param privileged whether the container is: its mounts and devices depend on it
 * @param maskedPaths to hide, in the order asked; missing ones are skipped
 * @param readOnlyPaths to make read-only, in the order asked; missing ones are skipped
 * @param labels what the Linux security modules are told
 * @param notes what a person should know of the difference between what was asked and what is given
 */
public record SecurityPlan(
        Optional<IdMappings> ids,
        Credentials user,
        CapabilitySets capabilities,
        Optional<SeccompProgram> seccomp,
        boolean noNewPrivileges,
        boolean readOnlyRootfs,
        boolean privileged,
        List<String> maskedPaths,
        List<String> readOnlyPaths,
        Labels labels,
        List<String> notes) {

    private static final String NOT_COMPILED = " (not compiled: there is no libseccomp here)";

    public SecurityPlan {
        maskedPaths = List.copyOf(maskedPaths);
        readOnlyPaths = List.copyOf(readOnlyPaths);
        notes = List.copyOf(notes);
    }

    /**
     * The plan for a request.
     *
     * @throws SecurityRefusal for what cannot be carried out, naming the field
     */
    public static SecurityPlan of(SecurityRequest asked, ImageAccounts accounts, HostFacts host) {
        return of(asked, accounts, host, false);
    }

    /**
     * The plan for showing, never for a launch: where there is no libseccomp, the filter is one that kills at once, and
     * {@link #describe()} says that it was not compiled.
     *
     * @throws SecurityRefusal for what cannot be carried out, naming the field
     */
    public static SecurityPlan preview(SecurityRequest asked, ImageAccounts accounts, HostFacts host) {
        return of(asked, accounts, host, Libseccomp.installed().isEmpty());
    }

    /**
     * As {@link #preview}, with the filter named and never compiled: for those who compare many plans.
     *
     * @throws SecurityRefusal for what cannot be carried out, naming the field
     */
    public static SecurityPlan outline(SecurityRequest asked, ImageAccounts accounts, HostFacts host) {
        return of(asked, accounts, host, true);
    }

    /**
     * The plan of a program that is to run as others were run before.
     *
     * @param labels what these were given
     */
    public static SecurityPlan again(SecurityRequest asked, ImageAccounts accounts, Labels labels, HostFacts host) {
        return of(asked, accounts, host, false, _ -> labels);
    }

    static SecurityPlan of(SecurityRequest asked, ImageAccounts accounts, HostFacts host, boolean withoutCompiler) {
        return of(
                asked,
                accounts,
                host,
                withoutCompiler,
                notes -> Labels.of(asked.labels(), asked.privileged(), host.modules(), notes));
    }

    private static SecurityPlan of(
            SecurityRequest asked,
            ImageAccounts accounts,
            HostFacts host,
            boolean withoutCompiler,
            Function<List<String>, Labels> noting) {
        Credentials user = Credentials.resolve(asked.user(), accounts);
        asked.ids().ifPresent(ids -> requireMapped(user, ids));
        CapabilitySets capabilities = CapabilitySets.of(asked.capabilities(), asked.privileged(), user.isRoot(), host);
        List<String> notes = new ArrayList<>(capabilityNotes(asked, user, capabilities));
        Optional<SeccompProgram> filter = asked.privileged()
                ? Optional.empty()
                : filter(asked.seccomp(), capabilities.bounding(), host, withoutCompiler, notes);
        if (asked.privileged()) {
            notes.addAll(privilegedNotes(asked));
        }
        Labels labels = noting.apply(notes);
        return new SecurityPlan(
                asked.ids(),
                user,
                capabilities,
                filter,
                asked.noNewPrivileges(),
                asked.readOnlyRootfs(),
                asked.privileged(),
                asked.privileged() ? List.of() : asked.maskedPaths(),
                asked.privileged() ? List.of() : asked.readOnlyPaths(),
                labels,
                notes);
    }

    /** setresuid(2), setresgid(2) and setgroups(2) refuse ids that the user namespace does not have. */
    private static void requireMapped(Credentials user, IdMappings ids) {
        long _ = ids.hostUid(user.uid());
        for (long group : user.groups()) {
            long _ = ids.hostGid(group);
        }
    }

    private static Optional<SeccompProgram> filter(
            SeccompRequest asked, CapabilitySet bounding, HostFacts host, boolean withoutCompiler, List<String> notes) {
        return switch (asked) {
            case Unconfined() -> Optional.empty();
            case RuntimeDefault() when withoutCompiler -> Optional.of(killing("RuntimeDefault"));
            case RuntimeDefault() -> Optional.of(compiled(SeccompCompiler.runtimeDefault(bounding, host), notes));
            case Localhost file
            when withoutCompiler ->
                Optional.of(killing(SeccompProfileReader.read(file).name()));
            case Localhost file -> Optional.of(compiled(SeccompCompiler.localhost(file, bounding, host), notes));
        };
    }

    private static SeccompProgram compiled(SeccompCompilation compilation, List<String> notes) {
        notes.addAll(compilationNotes(compilation));
        return compilation.program();
    }

    /** {@code ret KILL_PROCESS}: harmless should it ever be loaded. */
    private static SeccompProgram killing(String name) {
        byte[] bpf = ByteBuffer.allocate(SeccompProgram.INSTRUCTION_BYTES)
                .order(ByteOrder.nativeOrder())
                .putInt(0x06)
                .putInt(SeccompAction.SECCOMP_RET_KILL_PROCESS)
                .array();
        return new SeccompProgram(bpf, 0, name + NOT_COMPILED);
    }

    private static List<String> compilationNotes(SeccompCompilation compiled) {
        List<String> notes = new ArrayList<>();
        if (!compiled.unknownNames().isEmpty()) {
            notes.add("seccomp: the installed libseccomp does not know " + String.join(", ", compiled.unknownNames())
                    + ": refused as if the profile did not name them");
        }
        if (!compiled.foreignArchitectures()) {
            notes.add("seccomp: the filter covers the processor's native mode alone, programs of others are killed");
        }
        return notes;
    }

    private static List<String> capabilityNotes(SecurityRequest asked, Credentials user, CapabilitySets capabilities) {
        List<String> notes = new ArrayList<>();
        CapabilitySet named = CapabilitySets.addedByName(asked.capabilities());
        CapabilitySet missing = named.minus(capabilities.bounding());
        if (!missing.isEmpty()) {
            notes.add("capabilities: " + missing + " was asked for, but the server or its kernel does not have it");
        }
        CapabilitySet idle = named.intersect(capabilities.bounding()).minus(capabilities.ambient());
        if (!asked.privileged() && !user.isRoot() && !idle.isEmpty()) {
            notes.add("capabilities: user " + user.uid() + " is not root and does not have " + idle
                    + (asked.noNewPrivileges()
                            ? ", nor can any program give it, for no_new_privs is on: run as root, with the other"
                                    + " capabilities dropped"
                            : " unless its program's file carries it (setcap): set that, or run as root with the other"
                                    + " capabilities dropped"));
        }
        if (asked.privileged() && !user.isRoot()) {
            notes.add("privileged: user " + user.uid() + " is not root, so the capabilities stay in the bounding set");
        }
        return notes;
    }

    private static List<String> privilegedNotes(SecurityRequest asked) {
        List<String> notes = new ArrayList<>();
        if (!(asked.seccomp() instanceof Unconfined)) {
            notes.add("privileged: the seccomp profile that was asked for is not used");
        }
        if (!asked.maskedPaths().isEmpty() || !asked.readOnlyPaths().isEmpty()) {
            notes.add("privileged: no path is masked or made read-only");
        }
        return notes;
    }

    /** The plan for people, one fact a line: a name of at most 16 characters, then the value. */
    public List<String> describe() {
        List<String> described =
                new ArrayList<>(lines().stream().map(PlanLine::toString).toList());
        notes.forEach(note -> described.add(PlanLine.of("note", note).toString()));
        return described;
    }

    /** The plan's facts. */
    public List<PlanLine> lines() {
        List<PlanLine> lines = new ArrayList<>(List.of(
                PlanLine.of("user namespace", ids.map(SecurityPlan::mappingText).orElse("the host's")),
                PlanLine.of("user", userText()),
                PlanLine.of("group", "gid " + user.gid()),
                PlanLine.list(
                        "groups", user.groups().stream().map(String::valueOf).toList()),
                set("bounding", capabilities.bounding()),
                set("permitted", capabilities.permitted()),
                set("effective", capabilities.effective()),
                set("inheritable", capabilities.inheritable()),
                set("ambient", capabilities.ambient()),
                PlanLine.of(
                        "seccomp",
                        seccomp.map(SecurityPlan::filterText)
                                .orElse(privileged ? "none (privileged)" : "none (unconfined)")),
                PlanLine.of("no_new_privs", noNewPrivileges ? "on" : "off"),
                PlanLine.of("root filesystem", readOnlyRootfs ? "read-only" : "writable"),
                PlanLine.of("privileged", privileged ? "yes" : "no"),
                PlanLine.list("masked paths", maskedPaths),
                PlanLine.list("read-only paths", readOnlyPaths)));
        labels.appArmor().ifPresent(profile -> lines.add(PlanLine.of("AppArmor", profile)));
        labels.selinux().ifPresent(label -> lines.add(PlanLine.of("SELinux", label)));
        labels.selinuxMounts().ifPresent(label -> lines.add(PlanLine.of("SELinux files", label)));
        return lines;
    }

    private static PlanLine set(String name, CapabilitySet capabilities) {
        return PlanLine.list(
                name,
                capabilities.isEmpty()
                        ? List.of()
                        : List.of(capabilities.toString().split(", ")));
    }

    private String userText() {
        String name = user.userName().isEmpty() ? "" : " (" + user.userName() + ")";
        return "uid " + user.uid() + name + ", home " + user.home();
    }

    private static String mappingText(IdMappings ids) {
        return "uid " + rangeText(ids.uids().getFirst()) + "; gid "
                + rangeText(ids.gids().getFirst());
    }

    private static String rangeText(IdMapping line) {
        return line.containerId() + "-" + line.lastContainerId() + " is the host's " + line.hostId() + "-"
                + line.translate(line.lastContainerId());
    }

    private static String filterText(SeccompProgram program) {
        return program.name().endsWith(NOT_COMPILED)
                ? program.name()
                : program.name() + ", " + program.instructions() + " instructions";
    }
}
