package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class CredentialsPropertyTest {

    private static final List<String> FIELDS = List.of(
            "app", "root", "0", "5", "-1", "2147483647", "2147483648", "99999999999999999999", "", "x", "/home", ",");

    private static void staysInRange(String passwd, String group, String imageUser) {
        try {
            Credentials user = Credentials.resolve(UserRequest.ofImage(imageUser), new ImageAccounts(passwd, group));
            assertThat(user.uid()).isBetween(0L, AccountId.MAX);
            assertThat(user.gid()).isBetween(0L, AccountId.MAX);
            assertThat(user.groups()).contains(user.gid()).allMatch(id -> id >= 0 && id <= AccountId.MAX);
        } catch (SecurityRefusal refused) {
            assertThat(refused.field()).isNotEmpty();
        }
    }

    @Test
    void survivesAnyFileAndNeverLeavesTheRange() {
        RandomTries.each(one -> staysInRange(one.text(), one.text(), one.text()));
    }

    /** A file of lines that are nearly right, so that chance finds the edges. */
    private static String accountFile(RandomTries.Try one) {
        return String.join(
                "\n", one.list(0, 6, line -> String.join(":", line.list(1, 8, field -> field.oneOf(FIELDS)))));
    }

    @Test
    void staysInRangeWithNearlyRightFiles() {
        RandomTries.each(one ->
                staysInRange(accountFile(one), accountFile(one), one.random().nextBoolean() ? "app:app" : "5"));
    }
}
