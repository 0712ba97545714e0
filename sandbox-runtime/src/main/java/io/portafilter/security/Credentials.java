package io.portafilter.security;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeSet;

/**
 * Who the program is: ids inside the container, all from 0 to 2^31 - 1.
 *
 * @param uid real, effective and saved user id
 * @param gid real, effective and saved group id
 * @param groups the whole list for setgroups(2): sorted, without duplicates, the group id included
 * @param userName the name in the image's {@code /etc/passwd}, or empty when it has none for this id
 * @param home the home directory there, or {@code /}
 */
public record Credentials(long uid, long gid, List<Long> groups, String userName, String home) {

    /** The most groups that a process may have ({@code NGROUPS_MAX}). */
    private static final int NGROUPS_MAX = 65536;

    public Credentials {
        groups = List.copyOf(groups);
    }

    /** Whether the user is root inside the container. */
    public boolean isRoot() {
        return uid == 0;
    }

    /** A user before the group is decided: an id, and the image's line for it if there is one. */
    private record Found(long uid, Optional<ImageAccounts.User> account) {}

    /**
     * Finds out who is meant. A name wins over a number; without both the image's {@code User} holds, without that
     * root. The group is the one asked for, else the user's own in {@code /etc/passwd}, else 0.
     *
     * @throws SecurityRefusal for a group without a user, an unknown name, an id out of range
     */
    static Credentials resolve(UserRequest asked, ImageAccounts accounts) {
        if (asked.gid().isPresent() && asked.uid().isEmpty() && asked.name().isEmpty()) {
            throw new SecurityRefusal(
                    "run_as_group",
                    "the group " + asked.gid().getAsLong() + " without a user",
                    "give run_as_user or run_as_username as well");
        }
        if (asked.name().isPresent()) {
            Found found = findUser("run_as_username", asked.name().get(), accounts);
            return of(found, runAsGroup(asked), asked, accounts);
        }
        if (asked.uid().isPresent()) {
            Found found = findId(AccountId.require("run_as_user", asked.uid().getAsLong()), accounts);
            return of(found, runAsGroup(asked), asked, accounts);
        }
        return ofImage(asked, accounts);
    }

    private static OptionalLong runAsGroup(UserRequest asked) {
        return asked.gid().isPresent()
                ? OptionalLong.of(AccountId.require("run_as_group", asked.gid().getAsLong()))
                : OptionalLong.empty();
    }

    /** {@code U}, {@code U:G} or nothing (OCI image specification, "User"). */
    private static Credentials ofImage(UserRequest asked, ImageAccounts accounts) {
        String text = asked.imageUser();
        if (text.isEmpty()) {
            return of(findId(0, accounts), OptionalLong.empty(), asked, accounts);
        }
        int colon = text.indexOf(':');
        String user = colon < 0 ? text : text.substring(0, colon);
        String group = colon < 0 ? "" : text.substring(colon + 1);
        if (user.isEmpty() || group.indexOf(':') >= 0) {
            throw new SecurityRefusal(
                    "user of the image",
                    "\"" + AccountId.shortened(text) + "\" is neither USER nor USER:GROUP",
                    "give run_as_user, or an image with another USER");
        }
        Found found = findUser("user of the image", user, accounts);
        OptionalLong gid = group.isEmpty() ? OptionalLong.empty() : OptionalLong.of(findGroup(group, accounts));
        return of(found, gid, asked, accounts);
    }

    private static Found findUser(String field, String text, ImageAccounts accounts) {
        if (AccountId.isNumber(text)) {
            return findId(AccountId.parse(field, text), accounts);
        }
        ImageAccounts.User account = accounts.userNamed(text)
                .orElseThrow(() -> new SecurityRefusal(
                        field,
                        "the user \"" + AccountId.shortened(text) + "\" is not in the image's /etc/passwd",
                        "give a name that is, or a number as run_as_user"));
        return new Found(account.uidInRange(), Optional.of(account));
    }

    private static Found findId(long uid, ImageAccounts accounts) {
        return new Found(uid, accounts.userWithId(uid));
    }

    private static long findGroup(String text, ImageAccounts accounts) {
        if (AccountId.isNumber(text)) {
            return AccountId.parse("group of the image's user", text);
        }
        return accounts.groupNamed(text)
                .orElseThrow(() -> new SecurityRefusal(
                        "group of the image's user",
                        "the group \"" + AccountId.shortened(text) + "\" is not in the image's /etc/group",
                        "give run_as_user and run_as_group, or an image with another USER"));
    }

    private static Credentials of(Found user, OptionalLong wantedGid, UserRequest asked, ImageAccounts accounts) {
        long gid = wantedGid.isPresent()
                ? wantedGid.getAsLong()
                : user.account().map(ImageAccounts.User::gidInRange).orElse(0L);
        String name = user.account().map(ImageAccounts.User::name).orElse("");
        String home = user.account()
                .map(ImageAccounts.User::home)
                .filter(path -> path.startsWith("/") && path.indexOf('\0') < 0)
                .orElse("/");
        return new Credentials(user.uid(), gid, allGroups(gid, name, asked, accounts), name, home);
    }

    private static List<Long> allGroups(long gid, String name, UserRequest asked, ImageAccounts accounts) {
        TreeSet<Long> groups = new TreeSet<>();
        groups.add(gid);
        for (long group : asked.supplementalGroups()) {
            groups.add(AccountId.require("supplemental_groups", group));
        }
        if (!asked.strictGroups() && !name.isEmpty()) {
            groups.addAll(accounts.groupsListing(name));
        }
        if (groups.size() > NGROUPS_MAX) {
            throw new SecurityRefusal("supplemental_groups", groups.size() + " groups", "give at most " + NGROUPS_MAX);
        }
        return List.copyOf(groups);
    }
}
