package io.portafilter.cri;

/** What makes a pod or a container the same one for kubelet: a second one with the same identity is refused. */
sealed interface Identity {

    /** A pod sandbox. */
    record Pod(String name, String namespace, String uid, int attempt) implements Identity {
        @Override
        public String toString() {
            return "pod " + namespace + "/" + name + " (uid " + uid + ", attempt " + attempt + ")";
        }
    }

    /** A container of a pod sandbox. */
    record Container(String podId, String name, int attempt) implements Identity {
        @Override
        public String toString() {
            return "container " + name + " (attempt " + attempt + ") of pod sandbox " + podId;
        }
    }
}
