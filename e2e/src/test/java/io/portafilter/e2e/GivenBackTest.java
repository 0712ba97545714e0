package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.cri.v1.ImageFsInfoRequest;
import io.portafilter.cri.v1.ImageFsInfoResponse;
import io.portafilter.cri.v1.ImageStatusRequest;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NetworkConfig;
import io.portafilter.cri.v1.PodSandbox;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.cri.v1.PodSandboxStatus;
import io.portafilter.cri.v1.PodSandboxStatusResponse;
import io.portafilter.cri.v1.PullImageRequest;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.cri.v1.RuntimeConfig;
import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.StatusRequest;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import io.portafilter.cri.v1.UpdateRuntimeConfigRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a request says and the runtime does not act on: it is given back as it was, and does no harm. */
class GivenBackTest {
    @RegisterExtension
    static final Live live = Live.server("pinned_images = [\"*\"]\n");

    private static final int FIRST_HOST_ID = 1_100_000_000 / 65536 * 65536;

    private static final Pattern NETWORK = Pattern.compile("\"type\":\"network\",\"path\":\"/proc/(\\d+)/ns/net\"");

    private static final Pattern CGROUP = Pattern.compile("\"cgroupsPath\":\"([^\"]+)\"");

    /** What a label or annotation may hold, and what trips over quotes, escapes and line ends. */
    private static final Map<String, String> AWKWARD = Map.of(
            "app.kubernetes.io/name", "web",
            "empty", "",
            "spaces", "  a\tb\n",
            "quotes", "\"'\\{}$(HOME)",
            "unicode", "Ünïcödé \u2615 \ud83d\udc33",
            "long", "x".repeat(10_000));

    private static Pod named(PodSandboxConfig config) {
        String id = live.cri()
                .runtime()
                .runPodSandbox(RunPodSandboxRequest.newBuilder()
                        .setConfig(config)
                        .setRuntimeHandler("portafilter")
                        .build())
                .getPodSandboxId();
        return new Pod(live.portafilter(), id, config);
    }

    @Test
    void aPodIsGivenBackByteForByte() {
        LinuxContainerResources overhead =
                LinuxContainerResources.newBuilder().setCpuShares(77).build();
        Pod pod = named(live.pod()
                .configure(config -> {
                    config.putAllLabels(AWKWARD).putAllAnnotations(AWKWARD);
                    config.getMetadataBuilder().setAttempt(2);
                    config.getLinuxBuilder().setOverhead(overhead).setResources(overhead);
                })
                .build());
        PodSandboxStatus status = pod.status();
        assertThat(status.getId()).isEqualTo(pod.id());
        assertThat(status.getMetadata()).isEqualTo(pod.config().getMetadata());
        assertThat(status.getLabelsMap()).isEqualTo(AWKWARD);
        assertThat(status.getAnnotationsMap()).isEqualTo(AWKWARD);
        assertThat(status.getRuntimeHandler()).isEqualTo("portafilter");
        assertThat(status.getLinux().getNamespaces().getOptions()).isEqualTo(pod.namespaces());
        assertThat(status.getNetwork().getIp()).isEmpty();
        assertThat(status.getNetwork().getAdditionalIpsList()).isEmpty();

        PodSandbox listed = live.cri()
                .runtime()
                .listPodSandbox(ListPodSandboxRequest.newBuilder()
                        .setFilter(PodSandboxFilter.newBuilder().setId(pod.id()))
                        .build())
                .getItems(0);
        assertThat(listed.getMetadata()).isEqualTo(pod.config().getMetadata());
        assertThat(listed.getLabelsMap()).isEqualTo(AWKWARD);
        assertThat(listed.getAnnotationsMap()).isEqualTo(AWKWARD);
        assertThat(listed.getRuntimeHandler()).isEqualTo("portafilter");
        assertThat(listed.getCreatedAt()).isEqualTo(status.getCreatedAt()).isPositive();
    }

    @Test
    void aContainerIsGivenBackByteForByte() {
        Path volume = live.directory("volume");
        Mount mount = Mount.newBuilder()
                .setHostPath(volume.toString())
                .setContainerPath("/volume")
                .setSelinuxRelabel(true)
                .build();
        Pod pod = live.pod().run();
        ContainerFixture fixture = pod.container(live.busybox()).idle().configure(config -> {
            config.putAllLabels(AWKWARD).putAllAnnotations(AWKWARD).addMounts(mount);
            config.getMetadataBuilder().setAttempt(3);
            config.getImageBuilder().putAllAnnotations(AWKWARD).setUserSpecifiedImage("as:the-author-wrote");
        });
        ContainerConfig asked = fixture.request().getConfig();
        var container = fixture.start();
        ContainerStatus status = container.status();
        assertThat(status.getId()).isEqualTo(container.id());
        assertThat(status.getMetadata()).isEqualTo(asked.getMetadata());
        assertThat(status.getLabelsMap()).isEqualTo(AWKWARD);
        assertThat(status.getAnnotationsMap()).isEqualTo(AWKWARD);
        assertThat(status.getMountsList()).containsExactly(mount);
        assertThat(status.getImage().getImage()).isEqualTo(live.busybox());
        assertThat(status.getImage().getAnnotationsMap()).isEqualTo(AWKWARD);
        assertThat(status.getImage().getUserSpecifiedImage()).isEqualTo("as:the-author-wrote");

        var listed = live.cri()
                .runtime()
                .listContainers(ListContainersRequest.newBuilder()
                        .setFilter(ContainerFilter.newBuilder().setId(container.id()))
                        .build())
                .getContainers(0);
        assertThat(listed.getMetadata()).isEqualTo(asked.getMetadata());
        assertThat(listed.getLabelsMap()).isEqualTo(AWKWARD);
        assertThat(listed.getAnnotationsMap()).isEqualTo(AWKWARD);
        assertThat(listed.getImage()).isEqualTo(status.getImage());
        assertThat(listed.getPodSandboxId()).isEqualTo(pod.id());
        assertThat(listed.getImageId()).isEqualTo(status.getImageId()).isEqualTo(listed.getImageRef());
        assertThat(listed.getCreatedAt()).isEqualTo(status.getCreatedAt()).isPositive();
    }

    @Test
    void aPodsStatusTellsItsContainersAsOfATime() {
        Pod pod = live.pod().run();
        var one = pod.container(live.busybox()).idle().start();
        var two = pod.container(live.busybox()).idle().create();
        PodSandboxStatusResponse answer = pod.verbose();
        assertThat(answer.getContainersStatusesList())
                .extracting(ContainerStatus::getId)
                .containsExactlyInAnyOrder(one.id(), two.id());
        assertThat(answer.getTimestamp())
                .isGreaterThanOrEqualTo(answer.getStatus().getCreatedAt());
    }

    @Test
    void verboseIsJsonWithTheProcessAndElseThereIsNone() {
        Pod pod = live.pod().run();
        var container = pod.container(live.busybox()).idle().start();
        assertThat(pod.verbose().getInfoOrThrow("info"))
                .startsWith("{")
                .contains("\"pid\":")
                .contains("\"hostname\"");
        assertThat(container.info().get("info"))
                .startsWith("{")
                .contains("\"sandboxID\":\"" + pod.id())
                .contains("\"pid\":" + container.process().pid())
                .contains("\"securityPlan\"", "\"launchProgram\"");
        assertThat(live.cri()
                        .runtime()
                        .containerStatus(ContainerStatusRequest.newBuilder()
                                .setContainerId(container.id())
                                .build())
                        .getInfoMap())
                .isEmpty();
    }

    /** What tools read of {@code crictl inspect} and {@code inspectp}, beside the kernel's answer. */
    @Test
    void verboseHasTheOciRuntimeSpecification() {
        Pod pod = live.pod()
                .configure(config -> config.putAnnotations("example.org/note", "of the pod"))
                .run();
        var container = pod.container(live.busybox())
                .configure(config -> config.putAnnotations("example.org/note", "of the container"))
                .security(security -> security.getCapabilitiesBuilder().addDropCapabilities("ALL"))
                .idle()
                .start();
        String ofContainer = container.info().get("info");
        assertThat(ofContainer)
                .contains("\"ociVersion\":\"1.", "\"bounding\":[]", "\"example.org/note\":\"of the container\"")
                .contains("\"type\":\"mount\"", "\"destination\":\"/proc\"", "\"maskedPaths\":[");
        Matcher cgroup = CGROUP.matcher(ofContainer);
        assertThat(cgroup.find()).as(ofContainer).isTrue();
        assertThat(container.process().read("cgroup")).contains(":" + cgroup.group(1) + "\n");
        String ofPod = pod.verbose().getInfoOrThrow("info");
        assertThat(ofPod).contains("\"example.org/note\":\"of the pod\"", "\"config\":{");
        for (String info : List.of(ofContainer, ofPod)) {
            Matcher network = NETWORK.matcher(info);
            assertThat(network.find()).as(info).isTrue();
            assertThat(new Proc(Long.parseLong(network.group(1))).namespace("net"))
                    .isEqualTo(container.process().namespace("net"));
        }
    }

    @Test
    void whatThePauseProcessHasNoUseForChangesNothing() {
        Pod pod = live.pod()
                .security(security -> security.setReadonlyRootfs(true)
                        .addSupplementalGroups(4711)
                        .setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict)
                        .setRunAsUser(Int64Value.newBuilder().setValue(1000))
                        .setRunAsGroup(Int64Value.newBuilder().setValue(1000))
                        .setSelinuxOptions(SELinuxOption.newBuilder().setLevel("s0")))
                .run();
        var container = pod.container(live.busybox()).idle().start();
        assertThat(container.shell("id -u; id -G; touch /written && echo writable"))
                .isEqualTo("0\n0\nwritable")
                .doesNotContain("4711");
    }

    @Test
    void aPodsLogDirectoryIsMade() {
        Path logs = live.directory("logs").resolve("not/yet/there");
        Pod pod = live.pod()
                .configure(config -> config.setLogDirectory(logs.toString()))
                .run();
        assertThat(pod.container(live.busybox()).shell("echo here").runToEnd().output())
                .isEqualTo("here\n");
        assertThat(Files.isDirectory(logs)).isTrue();
    }

    @Test
    void aUserNamespacedPodInTheHostsNetworkRuns() {
        Pod pod = live.pod().userNamespace(FIRST_HOST_ID).hostNetwork().run();
        var container = pod.container(live.busybox()).idle().start();
        assertThat(container.process().namespace("net")).isEqualTo(Proc.self().namespace("net"));
        assertThat(container.process().namespace("user"))
                .isNotEqualTo(Proc.self().namespace("user"));
        assertThat(container.shell("ls /sys/class/net")).contains("lo");
        assertThat(container
                        .exec("/bin/sh", "-c", "echo x > /sys/kernel/uevent_seqnum")
                        .exitCode())
                .isNotZero();
    }

    @Test
    void statusTellsWhatIsBuiltAndNothingElse() {
        var features =
                live.cri().runtime().status(StatusRequest.getDefaultInstance()).getFeatures();
        assertThat(features.getSupplementalGroupsPolicy()).isTrue();
        assertThat(features.getUserNamespacesHostNetwork()).isTrue();
    }

    @Test
    void thePodCidrIsTaken() {
        var answer = live.cri()
                .runtime()
                .updateRuntimeConfig(UpdateRuntimeConfigRequest.newBuilder()
                        .setRuntimeConfig(RuntimeConfig.newBuilder()
                                .setNetworkConfig(NetworkConfig.newBuilder().setPodCidr("10.0.0.0/24,fd00::/64")))
                        .build());
        assertThat(answer.getSerializedSize()).isZero();
    }

    @Test
    void anImageIsPinnedByThePatternsOfTheConfiguration() {
        var answer = live.cri()
                .images()
                .imageStatus(ImageStatusRequest.newBuilder()
                        .setImage(Cri.image(live.busybox()))
                        .setVerbose(true)
                        .build());
        assertThat(answer.getImage().getPinned()).isTrue();
        assertThat(answer.getInfoOrThrow("info")).startsWith("{").contains("\"chainID\":\"", "\"imageSpec\":{");
    }

    @Test
    void aPullForAPodIsTheSameAsOneForNobody() {
        String reference = live.busybox();
        String image = live.cri().pull(reference);
        assertThat(live.cri()
                        .images()
                        .pullImage(PullImageRequest.newBuilder()
                                .setImage(Cri.image(reference))
                                .setSandboxConfig(live.pod().build())
                                .build())
                        .getImageRef())
                .isEqualTo(image);
    }

    @Test
    void theFileSystemOfContainersIsThatOfImages() {
        ImageFsInfoResponse usage = live.cri().images().imageFsInfo(ImageFsInfoRequest.getDefaultInstance());
        assertThat(usage.getContainerFilesystemsList()).hasSize(1);
        assertThat(usage.getContainerFilesystems(0).getFsId().getMountpoint())
                .isEqualTo(usage.getImageFilesystems(0).getFsId().getMountpoint())
                .isEqualTo(live.portafilter().root().toString());
    }

    @Test
    void modesOfNamespacesComeBackAsTheyWereAsked() {
        Pod pod = live.pod().pid(NamespaceMode.POD).hostIpc().run();
        assertThat(pod.status().getLinux().getNamespaces().getOptions()).isEqualTo(pod.namespaces());
        assertThat(List.of(pod.namespaces().getIpc(), pod.namespaces().getPid()))
                .containsExactly(NamespaceMode.NODE, NamespaceMode.POD);
    }
}
