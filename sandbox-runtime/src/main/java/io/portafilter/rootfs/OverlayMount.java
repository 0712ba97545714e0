package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.CLONE_FS;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWNS;
import static io.portafilter.linux.LinuxConstants.MS_PRIVATE;
import static io.portafilter.linux.LinuxConstants.MS_REC;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLONE;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.OwnThread;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** The ways to a detached overlay on kernels of different age; which one works is found by trying. */
final class OverlayMount {
    /**
     * Layers that fit into one string of fsconfig(2), which copies at most 255 bytes: each is a descriptor's number of
     * up to five digits and a colon.
     */
    private static final int MAX_LAYERS_IN_A_STRING = 40;

    private OverlayMount() {}

    @MustBeClosed
    static Fd of(LayerStack layers, Optional<Fd> userNamespace) {
        return of(layers, userNamespace, supportsLowerdirPlus());
    }

    /**
     * @param lowerdirPlus gives each layer by an option of its own, else all in one string
     */
    @MustBeClosed
    static Fd of(LayerStack layers, Optional<Fd> userNamespace, boolean lowerdirPlus) {
        if (userNamespace.isPresent()) {
            return inOwnNamespace(layers, userNamespace, lowerdirPlus);
        }
        if (lowerdirPlus) {
            return oneByOne(layers);
        }
        return layers.lowerTopFirst().size() > MAX_LAYERS_IN_A_STRING
                ? inOwnNamespace(layers, userNamespace, false)
                : inOneString(layers);
    }

    @MustBeClosed
    private static Fd oneByOne(LayerStack layers) {
        try (OpenLayers open = OpenLayers.of(layers, Optional.empty())) {
            return oneByOne(open);
        }
    }

    @MustBeClosed
    private static Fd oneByOne(OpenLayers open) {
        try (Fd context = Kernel.fsopen("overlay")) {
            for (Fd layer : open.lower()) {
                Kernel.fsconfigString(context, "lowerdir+", layer.path());
            }
            return create(context, open);
        }
    }

    /** The working directory is that of a thread of its own, for a JVM's threads share theirs. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the thread hands it to the caller
    private static Fd inOneString(LayerStack layers) {
        return OwnThread.call("overlay", () -> {
            Kernel.unshare(CLONE_FS);
            try (OpenLayers open = OpenLayers.of(layers, Optional.empty())) {
                return inOneString(open);
            }
        });
    }

    @MustBeClosed
    private static Fd inOneString(OpenLayers open) {
        Kernel.chdir("/proc/self/fd");
        try (Fd context = Kernel.fsopen("overlay")) {
            Kernel.fsconfigString(context, "lowerdir", open.numbers());
            return create(context, open);
        }
    }

    /**
     * In a mount namespace that ends with its thread. Before Linux 6.15 overlay takes id-mapped layers only when they are
     * attached to the caller's namespace; since then detached ones would do, but closing each waits for an RCU grace
     * period: 40 layers took three times as long. All layers are opened inside, for overlay takes none from another
     * mount namespace.
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the thread hands it to the caller
    private static Fd inOwnNamespace(LayerStack layers, Optional<Fd> userNamespace, boolean lowerdirPlus) {
        return OwnThread.call("overlay", () -> {
            enterOwnNamespace();
            return here(layers, userNamespace, lowerdirPlus);
        });
    }

    /** Gives the calling thread, an {@link OwnThread}, a mount namespace that nothing passes in or out of. */
    static void enterOwnNamespace() {
        Kernel.unshare(CLONE_NEWNS);
        Kernel.mount("none", "/", "", MS_REC | MS_PRIVATE, "");
    }

    /** In a mount namespace of the calling thread's own ({@link #enterOwnNamespace}). */
    @MustBeClosed
    static Fd here(LayerStack layers, Optional<Fd> userNamespace, boolean lowerdirPlus) {
        try (OpenLayers open = OpenLayers.of(layers, userNamespace)) {
            if (userNamespace.isPresent()) {
                open.attachLower();
            }
            if (lowerdirPlus) {
                return oneByOne(open);
            }
            return open.lower().size() > MAX_LAYERS_IN_A_STRING ? byMountCall(open, layers) : inOneString(open);
        }
    }

    /** mount(2) takes a page of options. Nobody else sees where it mounts, and a detached copy lives on. */
    @MustBeClosed
    private static Fd byMountCall(OpenLayers open, LayerStack layers) {
        String target = layers.writable()
                .map(LayerStack.Writable::work)
                .orElse(layers.lowerTopFirst().getFirst())
                .toString();
        StringBuilder options = new StringBuilder("lowerdir=" + open.numbers());
        options(open)
                .forEach((key, value) ->
                        options.append(',').append(key).append('=').append(value));
        // quoted, for it holds commas (selinux_sb_eat_lsm_opts)
        open.label()
                .ifPresent(label -> options.append(",context=\"").append(label).append('"'));
        if (layers.writable().isPresent()) {
            options.append(",volatile");
        }
        Kernel.chdir("/proc/self/fd");
        Kernel.mount("overlay", target, "overlay", 0, options.toString());
        return Kernel.openTree(Fd.CWD, target, OPEN_TREE_CLONE);
    }

    /**
     * What distributions set differently is fixed: no index (it would refuse directories that an earlier mount of the
     * same container used), and nothing is followed that a layer's extended attributes name (metacopy, redirect), for
     * layers come from strangers.
     */
    private static Map<String, String> options(OpenLayers open) {
        Map<String, String> options = new LinkedHashMap<>(new TreeMap<>(open.writableOptions()));
        options.put("index", "off");
        options.put("metacopy", "off");
        options.put("redirect_dir", "nofollow");
        return options;
    }

    /**
     * Volatile (Linux 5.10): otherwise each unmount, so the end of each container, would write all dirty pages of the
     * whole file system to the disk. What fsync(2) in the container promises is thereby lost in a power cut; but no
     * container outlives one, and its writable layer is removed with it.
     */
    @MustBeClosed
    private static Fd create(Fd context, OpenLayers open) {
        options(open).forEach((key, value) -> Kernel.fsconfigString(context, key, value));
        if (!open.writableOptions().isEmpty()) {
            Kernel.fsconfigFlag(context, "volatile");
        }
        open.label().ifPresent(label -> Kernel.fsconfigString(context, "context", label));
        Kernel.fsconfigString(context, "source", "overlay");
        Kernel.fsconfigCreate(context);
        return Kernel.fsmount(context, 0);
    }

    static boolean supportsLowerdirPlus() {
        return LowerdirPlus.SUPPORTED;
    }

    private static final class LowerdirPlus {
        static final boolean SUPPORTED = accepts("lowerdir+", "/") && !accepts("portafilter-probe", "");

        /** Before Linux 6.5 overlay collects any option unread, and complains of it at the end alone. */
        private static boolean accepts(String option, String value) {
            try (Fd context = Kernel.fsopen("overlay")) {
                Kernel.fsconfigString(context, option, value);
                return true;
            } catch (KernelException e) {
                if (e.is(Errno.EINVAL)) {
                    return false;
                }
                throw e;
            }
        }
    }
}
