package io.portafilter.cri;

import io.portafilter.image.ImageConfig;
import io.portafilter.security.ImageAccounts;
import io.portafilter.security.PlanLine;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;

/** What an image says: its configuration, and its account files. */
final class ImageLayer implements Provenance.Layer {

    /** An id that nobody has. */
    private static final String SOMEBODY = "2147483646";

    private static final Map<String, UnaryOperator<Image>> WITHOUT = new LinkedHashMap<>();

    static {
        WITHOUT.put("config.User", image -> image.user(""));
        WITHOUT.put("config.WorkingDir", image -> image.workingDirectory(""));
        WITHOUT.put("config.Volumes", Image::withoutVolumes);
        WITHOUT.put("/etc/passwd", image -> new Image(image.config, new ImageAccounts("", image.accounts.group())));
        WITHOUT.put("/etc/group", image -> new Image(image.config, new ImageAccounts(image.accounts.passwd(), "")));
    }

    /** What of an image a plan depends on. */
    private record Image(ImageConfig config, ImageAccounts accounts) {

        Image user(String user) {
            return with(user, config.volumes(), config.workingDirectory());
        }

        Image workingDirectory(String directory) {
            return with(config.user(), config.volumes(), directory);
        }

        Image withoutVolumes() {
            return with(config.user(), List.of(), config.workingDirectory());
        }

        private Image with(String user, List<String> volumes, String workingDirectory) {
            return new Image(
                    new ImageConfig(
                            user,
                            config.environment(),
                            config.entrypoint(),
                            config.command(),
                            volumes,
                            workingDirectory,
                            config.labels(),
                            config.stopSignal(),
                            config.diffIds(),
                            config.platform()),
                    accounts);
        }
    }

    private final Image image;
    private final BiFunction<ImageConfig, ImageAccounts, Optional<Map<Provenance.Key, PlanLine>>> plan;

    /** An image; {@code plan} makes the plan for another one, absent when that is refused. */
    ImageLayer(
            ImageConfig config,
            ImageAccounts accounts,
            BiFunction<ImageConfig, ImageAccounts, Optional<Map<Provenance.Key, PlanLine>>> plan) {
        this.image = new Image(config, accounts);
        this.plan = plan;
    }

    @Override
    public Cause.Origin origin() {
        return Cause.Origin.IMAGE;
    }

    @Override
    public List<String> fields() {
        return List.copyOf(WITHOUT.keySet());
    }

    @Override
    public Optional<Map<Provenance.Key, PlanLine>> without(Set<String> fields) {
        Image rest = image;
        for (Map.Entry<String, UnaryOperator<Image>> field : WITHOUT.entrySet()) {
            if (fields.contains(field.getKey())) {
                rest = field.getValue().apply(rest);
            }
        }
        return made(rest);
    }

    /** Who has no user there is root by the image's silence. */
    @Override
    public List<Map<Provenance.Key, PlanLine>> otherwise(String field) {
        List<Map<Provenance.Key, PlanLine>> plans = new ArrayList<>();
        switch (field) {
            case "config.User" -> made(image.user(SOMEBODY + ":" + SOMEBODY)).ifPresent(plans::add);
            case "config.WorkingDir" ->
                made(image.workingDirectory("/elsewhere")).ifPresent(plans::add);
            default -> {
                // what an image does not have is no cause
            }
        }
        return plans;
    }

    private Optional<Map<Provenance.Key, PlanLine>> made(Image other) {
        return plan.apply(other.config(), other.accounts());
    }
}
