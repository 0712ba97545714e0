package io.portafilter.e2e;

/**
 * Something that is not alike at both.
 *
 * @param asked the case
 * @param key of what was observed
 * @param ours {@code (none)} when it was not there
 */
record PeerDifference(String asked, String key, String ours, String peer) {
    @Override
    public String toString() {
        return asked + ": " + key + "\n    ours " + ours + "\n    peer " + peer;
    }
}
