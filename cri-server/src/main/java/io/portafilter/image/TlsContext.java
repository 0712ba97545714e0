package io.portafilter.image;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import javax.net.ssl.X509TrustManager;

/** Whom a TLS connection to a registry trusts: Java's own authorities, the host's bundle, those of {@code ca}. */
final class TlsContext {
    private static final Pattern PRIVATE_KEY =
            Pattern.compile("-----BEGIN ([A-Z ]*)PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END \\1PRIVATE KEY-----");
    private static final Pattern CERTIFICATE = Pattern.compile(
            "-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----");
    private static final String NO_PASSWORD = "";

    private TlsContext() {}

    /** For plain HTTP: trusts nobody, and spares the loading of Java's default. */
    static SSLContext unused() {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(new KeyManager[0], new TrustManager[0], null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has TLS", e);
        }
    }

    /** For a server that nothing is configured for, such as one that a registry redirects to. */
    static SSLContext ofHost(Path trustBundle) {
        return of(trustBundle, List.of(), List.of(), false);
    }

    static SSLContext of(Path trustBundle, RegistryHost host) {
        return of(trustBundle, host.authorities(), host.clientKeys(), host.skipVerify());
    }

    private static SSLContext of(
            Path trustBundle, List<Path> authorities, List<RegistryHost.ClientKey> clientKeys, boolean skipVerify) {
        try {
            TrustManager[] trust =
                    skipVerify ? new TrustManager[] {new TrustAll()} : trustManagers(trustBundle, authorities);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keyManagers(clientKeys), trust, null);
            return context;
        } catch (GeneralSecurityException | IOException e) {
            throw new ImageException(
                    ImageException.Kind.REGISTRY_UNAVAILABLE, "cannot set TLS up: " + e.getMessage(), e);
        }
    }

    private static TrustManager[] trustManagers(Path trustBundle, List<Path> authorities)
            throws GeneralSecurityException, IOException {
        KeyStore store = emptyStore();
        int count = 0;
        TrustManagerFactory own = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        own.init((KeyStore) null);
        for (TrustManager manager : own.getTrustManagers()) {
            if (manager instanceof X509TrustManager x509) {
                for (X509Certificate issuer : x509.getAcceptedIssuers()) {
                    store.setCertificateEntry("java-" + count++, issuer);
                }
            }
        }
        if (Files.isRegularFile(trustBundle) && Files.isReadable(trustBundle)) {
            for (Certificate issuer : certificates(trustBundle, true)) {
                store.setCertificateEntry("host-" + count++, issuer);
            }
        }
        for (Path authority : authorities) {
            for (Certificate issuer : certificates(authority, false)) {
                store.setCertificateEntry("ca-" + count++, issuer);
            }
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory.getTrustManagers();
    }

    /** A bundle of a distribution may hold what Java cannot read; a file that was named on purpose may not. */
    private static Collection<Certificate> certificates(Path file, boolean lenient)
            throws IOException, CertificateException {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        List<Certificate> found = new ArrayList<>();
        Matcher matcher = CERTIFICATE.matcher(Files.readString(file, StandardCharsets.ISO_8859_1));
        while (matcher.find()) {
            try (InputStream one = new ByteArrayInputStream(matcher.group().getBytes(StandardCharsets.ISO_8859_1))) {
                found.add(factory.generateCertificate(one));
            } catch (CertificateException e) {
                if (!lenient) {
                    throw new CertificateException(file + ": " + e.getMessage(), e);
                }
            }
        }
        if (found.isEmpty() && !lenient) {
            throw new CertificateException(file + " holds no certificate in PEM");
        }
        return found;
    }

    private static KeyManager[] keyManagers(List<RegistryHost.ClientKey> keys)
            throws GeneralSecurityException, IOException {
        if (keys.isEmpty()) {
            return new KeyManager[0];
        }
        KeyStore store = emptyStore();
        for (int i = 0; i < keys.size(); i++) {
            RegistryHost.ClientKey key = keys.get(i);
            Certificate[] chain = certificates(key.certificate(), false).toArray(new Certificate[0]);
            store.setKeyEntry("client-" + i, privateKey(key.key()), NO_PASSWORD.toCharArray(), chain);
        }
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, NO_PASSWORD.toCharArray());
        return factory.getKeyManagers();
    }

    private static PrivateKey privateKey(Path file) throws IOException, GeneralSecurityException {
        Matcher matcher = PRIVATE_KEY.matcher(Files.readString(file, StandardCharsets.ISO_8859_1));
        // "RSA PRIVATE KEY" and the like are formats of their own, which Java does not read
        if (!matcher.find() || !Optional.ofNullable(matcher.group(1)).orElse("").isEmpty()) {
            throw new InvalidKeySpecException(
                    file + " holds no private key in PKCS #8; make one with: openssl pkcs8 -topk8 -nocrypt");
        }
        PKCS8EncodedKeySpec encoded =
                new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(matcher.group(2)));
        InvalidKeySpecException failure =
                new InvalidKeySpecException(file + " holds a private key that is neither RSA, EC nor EdDSA");
        for (String algorithm : List.of("RSA", "EC", "EdDSA")) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(encoded);
            } catch (InvalidKeySpecException e) {
                failure.addSuppressed(e);
            }
        }
        throw failure;
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    /** What {@code skip_verify} asks for: neither the certificate nor the host's name in it is looked at. */
    private static final class TrustAll extends X509ExtendedTrustManager {
        @Override
        public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket) {}

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String authType) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String authType) {}

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
