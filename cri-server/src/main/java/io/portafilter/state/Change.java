package io.portafilter.state;

/** One change to the records; several of them in one {@link Database#commit} happen together or not at all. */
public sealed interface Change {
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
