package io.portafilter.launch;

/**
 * A name for an operation of a launch program, bound to its place when the program is assembled. Two labels are never
 * equal, whatever they are called.
 */
public final class Label {
    private final String name;

    /** A label that a program's text shows as {@code name}. */
    public Label(String name) {
        this.name = name;
    }

    /** What the program's text calls it. */
    public String name() {
        return name;
    }

    @Override
    public String toString() {
        return name;
    }
}
