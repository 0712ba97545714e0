package io.portafilter.image;

/**
 * How far a pull is.
 *
 * @param layersDone unpacked, or there before
 * @param layersTotal all of the image
 * @param bytesReceived of the layers that were missing, compressed; what an earlier attempt received included
 * @param bytesTotal what was missing, compressed
 */
public record PullProgress(int layersDone, int layersTotal, long bytesReceived, long bytesTotal) {}
