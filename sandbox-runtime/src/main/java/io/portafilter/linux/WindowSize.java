package io.portafilter.linux;

/** The size of a terminal's window in characters; 0 where nobody has told it. */
public record WindowSize(int rows, int columns) {}
