package io.portafilter.cri;

import io.portafilter.config.Config;
import io.portafilter.container.ContainerLaunch;
import io.portafilter.container.ContainerPlan;
import io.portafilter.container.ContainerRequest;
import io.portafilter.container.PlanWarning;
import io.portafilter.image.ImageConfig;
import io.portafilter.linux.KernelException;
import io.portafilter.security.ImageAccounts;
import io.portafilter.state.ContainerRecord;
import java.util.List;
import java.util.Optional;

/**
 * Why a container's plan is as it is.
 *
 * @param plan its lines, each with the fields or the default that caused it
 * @param warnings where a request does not do what its author may think
 */
record ContainerExplanation(List<Provenance.Line> plan, List<PlanWarning> warnings) {

    ContainerExplanation {
        plan = List.copyOf(plan);
        warnings = List.copyOf(warnings);
    }

    /**
     * Finds it out; some hundred plans are made for it. Empty where that cannot be done any more.
     *
     * @param plan what was decided for it
     */
    static Optional<ContainerExplanation> of(
            Services services, LiveContainer container, ContainerPlan plan, ContainerRecord record) {
        Config config = services.config();
        Node node = services.node();
        ContainerRequest asked = services.containers().launchRequest(container);
        ContainerSpec spec = container.spec();
        ImageAccounts accounts;
        try {
            accounts = ContainerLaunch.savedAccounts(asked.stateDirectory());
        } catch (KernelException goneWithTheContainer) {
            return Optional.empty();
        }
        LaunchPreview preview =
                new LaunchPreview(config, PodFiles.nodeName(), node.host().facts(), container.id());
        List<Provenance.Line> lines = preview.provenance(
                LaunchPreview.Container.of(spec, asked, plan).lines(),
                Cause.Origin.REQUEST,
                spec.pod().config(),
                spec.config(),
                ImageConfig.parse(record.imageConfig().toByteArray()),
                accounts,
                List.of());
        if (lines.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new ContainerExplanation(
                lines, PlanWarning.of(asked, plan, List.of(config.root(), config.state(), config.listen()))));
    }
}
