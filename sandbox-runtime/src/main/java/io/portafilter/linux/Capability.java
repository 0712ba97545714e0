package io.portafilter.linux;

import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The capabilities by the kernel's names and numbers: {@code linux/capability.h}, capabilities(7). */
public enum Capability {
    CAP_CHOWN(0),
    CAP_DAC_OVERRIDE(1),
    CAP_DAC_READ_SEARCH(2),
    CAP_FOWNER(3),
    CAP_FSETID(4),
    CAP_KILL(5),
    CAP_SETGID(6),
    CAP_SETUID(7),
    CAP_SETPCAP(8),
    CAP_LINUX_IMMUTABLE(9),
    CAP_NET_BIND_SERVICE(10),
    CAP_NET_BROADCAST(11),
    CAP_NET_ADMIN(12),
    CAP_NET_RAW(13),
    CAP_IPC_LOCK(14),
    CAP_IPC_OWNER(15),
    CAP_SYS_MODULE(16),
    CAP_SYS_RAWIO(17),
    CAP_SYS_CHROOT(18),
    CAP_SYS_PTRACE(19),
    CAP_SYS_PACCT(20),
    CAP_SYS_ADMIN(21),
    CAP_SYS_BOOT(22),
    CAP_SYS_NICE(23),
    CAP_SYS_RESOURCE(24),
    CAP_SYS_TIME(25),
    CAP_SYS_TTY_CONFIG(26),
    CAP_MKNOD(27),
    CAP_LEASE(28),
    CAP_AUDIT_WRITE(29),
    CAP_AUDIT_CONTROL(30),
    CAP_SETFCAP(31),
    CAP_MAC_OVERRIDE(32),
    CAP_MAC_ADMIN(33),
    CAP_SYSLOG(34),
    CAP_WAKE_ALARM(35),
    CAP_BLOCK_SUSPEND(36),
    CAP_AUDIT_READ(37),
    CAP_PERFMON(38),
    CAP_BPF(39),
    CAP_CHECKPOINT_RESTORE(40);

    private static final String PREFIX = "CAP_";
    private static final List<Capability> TABLE = List.of(values());

    private final int number;

    Capability(int number) {
        this.number = number;
    }

    /** The kernel's number of the capability. */
    public int number() {
        return number;
    }

    /** The capability's bit in the kernel's sets. */
    public long mask() {
        return 1L << number;
    }

    /** The name without its prefix, as container configurations write it: {@code NET_ADMIN}. */
    public String shortName() {
        return name().substring(PREFIX.length());
    }

    /**
     * The capability with this name, in any case, with or without {@code CAP_}. Empty for any other text; {@code ALL} is
     * not a capability.
     */
    public static Optional<Capability> parse(String text) {
        String upper = text.toUpperCase(Locale.ROOT);
        String name = upper.startsWith(PREFIX) ? upper : PREFIX + upper;
        for (Capability capability : TABLE) {
            if (capability.name().equals(name)) {
                return Optional.of(capability);
            }
        }
        return Optional.empty();
    }

    /** The capability with this number, empty for one that is newer than this table. */
    public static Optional<Capability> ofNumber(int number) {
        return number >= 0 && number < TABLE.size() ? Optional.of(TABLE.get(number)) : Optional.empty();
    }
}
