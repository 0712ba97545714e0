package io.portafilter.e2e.kubelet;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** What kubelet says of one pod: the object that an API server would get. */
record StaticPod(JsonObject json) {
    /** kubelet names a static pod NAME-NODE. */
    String manifest() {
        String name = name();
        return name.substring(0, name.length() - Kubelet.NODE.length() - 1);
    }

    String name() {
        return json.getAsJsonObject("metadata").get("name").getAsString();
    }

    String uid() {
        return json.getAsJsonObject("metadata").get("uid").getAsString();
    }

    /** Pending, Running, Succeeded, Failed; empty as long as kubelet has said nothing. */
    String phase() {
        return text(status(), "phase");
    }

    JsonObject status() {
        return json.getAsJsonObject("status");
    }

    /** Of a condition such as Ready or Initialized: whether it is true. */
    boolean is(String condition) {
        return objects(status(), "conditions")
                .anyMatch(item -> text(item, "type").equals(condition)
                        && text(item, "status").equals("True"));
    }

    /** What kubelet says of a container, whichever kind it is of. */
    ContainerView container(String name) {
        return find(name)
                .orElseThrow(() -> new IllegalStateException("no status of " + name + " in " + json.get("status")));
    }

    Optional<ContainerView> find(String name) {
        return containers().stream()
                .filter(container -> container.name().equals(name))
                .findFirst();
    }

    List<ContainerView> containers() {
        return Stream.of("initContainerStatuses", "containerStatuses")
                .flatMap(list -> objects(status(), list))
                .map(ContainerView::new)
                .toList();
    }

    private static Stream<JsonObject> objects(JsonObject parent, String name) {
        JsonArray array = parent.has(name) ? parent.getAsJsonArray(name) : new JsonArray();
        return StreamSupport.stream(array.spliterator(), false).map(item -> item.getAsJsonObject());
    }

    private static String text(JsonObject parent, String name) {
        return parent.has(name) ? parent.get(name).getAsString() : "";
    }

    /** One of {@code containerStatuses}. */
    record ContainerView(JsonObject json) {
        String name() {
            return json.get("name").getAsString();
        }

        int restarts() {
            return json.get("restartCount").getAsInt();
        }

        boolean ready() {
            return json.get("ready").getAsBoolean();
        }

        boolean running() {
            return state().has("running");
        }

        JsonObject state() {
            return json.getAsJsonObject("state");
        }

        /** Why it waits, such as CrashLoopBackOff; empty if it does not. */
        String waiting() {
            return state().has("waiting") ? text(state().getAsJsonObject("waiting"), "reason") : "";
        }

        /** How it ended, now or the last time. */
        Optional<JsonObject> terminated() {
            return Stream.of("state", "lastState")
                    .map(json::getAsJsonObject)
                    .filter(state -> state != null && state.has("terminated"))
                    .map(state -> state.getAsJsonObject("terminated"))
                    .findFirst();
        }

        int exitCode() {
            return terminated()
                    .orElseThrow(() -> new IllegalStateException(name() + " has not ended: " + json))
                    .get("exitCode")
                    .getAsInt();
        }

        /** Without the runtime's name before it. */
        String id() {
            return text(json, "containerID").replaceFirst("^.*//", "");
        }
    }
}
