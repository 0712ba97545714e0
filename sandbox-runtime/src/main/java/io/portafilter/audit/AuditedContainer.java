package io.portafilter.audit;

/**
 * A running container and what it was given.
 *
 * @param id 64 hexadecimal digits
 * @param name for people: {@code namespace/pod/container}
 * @param init its first process
 * @param pause the first process of its pod
 */
public record AuditedContainer(String id, String name, int init, int pause, GivenRights given) {}
