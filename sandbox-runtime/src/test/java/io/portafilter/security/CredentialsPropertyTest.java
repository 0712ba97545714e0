package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class CredentialsPropertyTest {

    @Property
    void survivesAnyFileAndNeverLeavesTheRange(@ForAll String passwd, @ForAll String group, @ForAll String imageUser) {
        try {
            Credentials user = Credentials.resolve(UserRequest.ofImage(imageUser), new ImageAccounts(passwd, group));
            assertThat(user.uid()).isBetween(0L, AccountId.MAX);
            assertThat(user.gid()).isBetween(0L, AccountId.MAX);
            assertThat(user.groups()).contains(user.gid()).allMatch(id -> id >= 0 && id <= AccountId.MAX);
        } catch (SecurityRefusal refused) {
            assertThat(refused.field()).isNotEmpty();
        }
    }

    /** Files of lines that are nearly right, so that chance finds the edges. */
    @Provide
    Arbitrary<String> accountFiles() {
        Arbitrary<String> field = Arbitraries.of(
                "app",
                "root",
                "0",
                "5",
                "-1",
                "2147483647",
                "2147483648",
                "99999999999999999999",
                "",
                "x",
                "/home",
                ",");
        return field.list()
                .ofMinSize(1)
                .ofMaxSize(8)
                .map(fields -> String.join(":", fields))
                .list()
                .ofMaxSize(6)
                .map(lines -> String.join("\n", lines));
    }

    @Property
    void staysInRangeWithNearlyRightFiles(
            @ForAll("accountFiles") String passwd, @ForAll("accountFiles") String group, @ForAll boolean byName) {
        survivesAnyFileAndNeverLeavesTheRange(passwd, group, byName ? "app:app" : "5");
    }
}
