package io.portafilter.security;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * The account files of an image (passwd(5), group(5)), written by a stranger.
 *
 * <p>Lines that are malformed are skipped, as the C library does; of several lines with one name or id the first
 * holds. Files beyond the limits are refused (CVE-2026-47262). The reader opens them below the image's root and reads
 * no more than {@link #LIMIT_BYTES} and one byte.
 *
 * @param passwd the text of {@code /etc/passwd}, or empty when the image has none
 * @param group the text of {@code /etc/group}, or empty when the image has none
 */
public record ImageAccounts(String passwd, String group) {

    /** The most bytes that either file may have. */
    public static final int LIMIT_BYTES = 4 * 1024 * 1024;

    /** The most lines that either file may have. */
    static final int LIMIT_LINES = 100_000;

    /** The most groups that one user may get from the image. */
    static final int LIMIT_GROUPS = 1024;

    /** An image without account files. */
    public static final ImageAccounts NONE = new ImageAccounts("", "");

    public ImageAccounts {
        requireSize("/etc/passwd", passwd);
        requireSize("/etc/group", group);
    }

    private static void requireSize(String file, String text) {
        if (text.length() > LIMIT_BYTES) {
            throw new SecurityRefusal(
                    "image", "its " + file + " is larger than " + LIMIT_BYTES + " bytes", "make the file smaller");
        }
        long lines = text.chars().filter(character -> character == '\n').count();
        if (lines > LIMIT_LINES) {
            throw new SecurityRefusal(
                    "image", "its " + file + " has more than " + LIMIT_LINES + " lines", "make the file smaller");
        }
    }

    /** A line of passwd(5). The ids are what the file says, in range or not. */
    record User(String name, String uid, String gid, String home) {

        long uidInRange() {
            return AccountId.parse("uid of " + AccountId.shortened(name) + " in the image's /etc/passwd", uid);
        }

        long gidInRange() {
            return AccountId.parse("gid of " + AccountId.shortened(name) + " in the image's /etc/passwd", gid);
        }
    }

    /**
     * A line of group(5).
     *
     * @param members their names with commas in between, in one piece: there may be a million of them
     */
    private record Group(String name, String gid, String members) {

        boolean lists(String userName) {
            int from = 0;
            while (from <= members.length()) {
                int comma = members.indexOf(',', from);
                int end = comma < 0 ? members.length() : comma;
                if (end - from == userName.length() && members.startsWith(userName, from)) {
                    return true;
                }
                from = end + 1;
            }
            return false;
        }

        long gidInRange() {
            return AccountId.parse("gid of " + AccountId.shortened(name) + " in the image's /etc/group", gid);
        }
    }

    /** The user of this name. */
    Optional<User> userNamed(String name) {
        return firstUser(user -> user.name().equals(name));
    }

    /** The first user with this id. */
    Optional<User> userWithId(long uid) {
        return firstUser(user -> means(user.uid(), uid));
    }

    private Optional<User> firstUser(Predicate<User> wanted) {
        return lines(passwd)
                .map(ImageAccounts::user)
                .flatMap(Optional::stream)
                .filter(wanted)
                .findFirst();
    }

    /** The id of the group of this name; refuses one out of range. */
    Optional<Long> groupNamed(String name) {
        return groups().filter(group -> group.name().equals(name)).findFirst().map(Group::gidInRange);
    }

    /** The ids of all groups that list this user as a member; refuses ids out of range and too many groups. */
    List<Long> groupsListing(String userName) {
        List<Long> ids = new ArrayList<>();
        groups().filter(group -> group.lists(userName)).forEach(group -> {
            ids.add(group.gidInRange());
            if (ids.size() > LIMIT_GROUPS) {
                throw new SecurityRefusal(
                        "image",
                        "its /etc/group puts user " + AccountId.shortened(userName) + " into more than " + LIMIT_GROUPS
                                + " groups",
                        "use supplementalGroupsPolicy: Strict, or another image");
            }
        });
        return ids;
    }

    private Stream<Group> groups() {
        return lines(group).map(ImageAccounts::group).flatMap(Optional::stream);
    }

    private static Stream<String> lines(String text) {
        return text.lines().map(String::strip).filter(line -> !line.isEmpty());
    }

    /** What belongs to the fields there are; the rest of a line, of colons perhaps, is one piece behind them. */
    private static String[] fields(String line, int known) {
        return line.split(":", known + 1);
    }

    private static Optional<User> user(String line) {
        String[] fields = fields(line, 7);
        if (fields.length < 4
                || !isName(fields[0])
                || !AccountId.isNumber(fields[2])
                || !AccountId.isNumber(fields[3])) {
            return Optional.empty();
        }
        return Optional.of(new User(fields[0], fields[2], fields[3], fields.length > 5 ? fields[5] : ""));
    }

    private static Optional<Group> group(String line) {
        String[] fields = fields(line, 4);
        if (fields.length < 3 || !isName(fields[0]) || !AccountId.isNumber(fields[2])) {
            return Optional.empty();
        }
        return Optional.of(new Group(fields[0], fields[2], fields.length > 3 ? fields[3] : ""));
    }

    /** Comments and the compatibility entries of NIS ({@code +name}, {@code -name}) are no accounts. */
    private static boolean isName(String name) {
        return !name.isEmpty() && "#+-".indexOf(name.charAt(0)) < 0;
    }

    private static boolean means(String text, long id) {
        return text.length() <= 18 && "+-".indexOf(text.charAt(0)) < 0 && Long.parseLong(text) == id;
    }
}
