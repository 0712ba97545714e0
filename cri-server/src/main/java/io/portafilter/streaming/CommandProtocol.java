package io.portafilter.streaming;

import java.util.List;
import java.util.Optional;

/**
 * The versions of the agreement for exec and attach, {@code vN.channel.k8s.io}: 2 mended the closing of the error stream,
 * 3 brought the terminal's size, 4 the status in JSON, 5 half-closing over WebSocket, which SPDY always had.
 */
enum CommandProtocol {
    V5("v5.channel.k8s.io", true, true),
    V4("v4.channel.k8s.io", true, true),
    V3("v3.channel.k8s.io", true, false),
    V2("v2.channel.k8s.io", false, false),
    V1("channel.k8s.io", false, false);

    private final String wireName;
    private final boolean resize;
    private final boolean jsonStatus;

    CommandProtocol(String wireName, boolean resize, boolean jsonStatus) {
        this.wireName = wireName;
        this.resize = resize;
        this.jsonStatus = jsonStatus;
    }

    String wireName() {
        return wireName;
    }

    boolean hasResize() {
        return resize;
    }

    boolean hasJsonStatus() {
        return jsonStatus;
    }

    /** The first that the client names and we know. */
    static Optional<CommandProtocol> chosen(List<String> ofClient) {
        return ofClient.stream()
                .flatMap(name -> List.of(values()).stream().filter(each -> each.wireName.equals(name)))
                .findFirst();
    }
}
