package io.portafilter.cli;

import io.portafilter.cri.VerboseInfo;
import io.portafilter.cri.v1.ContainerStatusResponse;
import java.util.List;
import java.util.Map;

/** The plan and program of a container, out of the JSON in a verbose ContainerStatus. */
final class InfoText {
    private InfoText() {}

    /** Both as text. */
    static String of(String id, ContainerStatusResponse status) {
        Map<String, Object> info = VerboseInfo.parse(status.getInfoOrDefault("info", "{}"));
        StringBuilder text = new StringBuilder("container ")
                .append(status.getStatus().getMetadata().getName())
                .append(", ")
                .append(id)
                .append('\n');
        if (info.get("securityPlan") instanceof List<?> plan) {
            plan.forEach(line -> text.append("  ").append(line).append('\n'));
        }
        if (!(info.get("launchProgram") instanceof String program)) {
            return text + "  its program is not known: it ended, or an earlier server started it\n";
        }
        text.append("\n  program\n");
        program.lines().forEach(line -> text.append("  ").append(line).append('\n'));
        return text.toString();
    }
}
