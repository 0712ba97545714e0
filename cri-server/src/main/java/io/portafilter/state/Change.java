package io.portafilter.state;

/** One change to the records; several of them in one {@link Database#commit} happen together or not at all. */
public sealed interface Change {

    /** The record that a change is about; changes of different records may be made in any order. */
    record Subject(Class<?> kind, String id) {}

    /** What it is about. */
    default Subject subject() {
        return switch (this) {
            case PutPod(PodRecord pod) -> new Subject(PodRecord.class, pod.id());
            case RemovePod(String id) -> new Subject(PodRecord.class, id);
            case PutContainer(ContainerRecord container) -> new Subject(ContainerRecord.class, container.id());
            case RemoveContainer(String id) -> new Subject(ContainerRecord.class, id);
            case PutImage(ImageRecord image) -> new Subject(ImageRecord.class, image.id());
            case RemoveImage(String id) -> new Subject(ImageRecord.class, id);
            case PutLayer(LayerRecord layer) -> new Subject(LayerRecord.class, layer.id());
            case RemoveLayer(String id) -> new Subject(LayerRecord.class, id);
        };
    }

    /** Adds the record or replaces the one with its id. */
    record PutPod(PodRecord pod) implements Change {}

    /** Removes the record; nothing happens when there is none. */
    record RemovePod(String id) implements Change {}

    /** Adds the record or replaces the one with its id. */
    record PutContainer(ContainerRecord container) implements Change {}

    /** Removes the record; nothing happens when there is none. */
    record RemoveContainer(String id) implements Change {}

    /** Adds the record or replaces the one with its id. */
    record PutImage(ImageRecord image) implements Change {}

    /** Removes the record; nothing happens when there is none. */
    record RemoveImage(String id) implements Change {}

    /** Adds the record or replaces the one with its id. */
    record PutLayer(LayerRecord layer) implements Change {}

    /** Removes the record; nothing happens when there is none. */
    record RemoveLayer(String id) implements Change {}
}
