package io.portafilter.cli;

import io.portafilter.cri.v1.AuthConfig;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.PullImageRequest;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Optional;

/** Pulls an image and says on stderr that it does. */
final class Pull {
    private static final Duration EVERY = Duration.ofSeconds(10);

    private Pull() {}

    /** Returns the image's id when it is there. */
    static String image(Connection connection, String image, Optional<AuthConfig> credentials, PrintStream progress) {
        PullImageRequest.Builder request =
                PullImageRequest.newBuilder().setImage(ImageSpec.newBuilder().setImage(image));
        credentials.ifPresent(request::setAuth);
        long started = System.nanoTime();
        progress.println("portafilter: pulling " + image);
        Thread clock = Thread.ofVirtual().start(() -> {
            try {
                while (true) {
                    Thread.sleep(EVERY);
                    progress.println("portafilter: pulling " + image + ", " + seconds(started) + " s");
                }
            } catch (InterruptedException pulled) {
                Thread.currentThread().interrupt();
            }
        });
        try {
            String id = connection.images().pullImage(request.build()).getImageRef();
            progress.println("portafilter: pulled " + image + ", " + seconds(started) + " s");
            return id;
        } finally {
            clock.interrupt();
        }
    }

    private static String seconds(long started) {
        return "%.1f".formatted((System.nanoTime() - started) / 1e9);
    }
}
