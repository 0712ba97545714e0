package io.portafilter.streaming;

import java.util.Map;

/** What the streams of one connection are for. Called on the connection's event loop alone. */
sealed interface Session permits CommandSession, ForwardSession {

    /** The connection speaks now; streams will be opened. */
    void begin(ClientConnection connection);

    /** Whether a stream with these headers has a place here; names are in lower case. */
    boolean accepts(Map<String, String> headers);

    /**
     * A stream was opened.
     *
     * @param number that the client gave it
     */
    void opened(int number, Map<String, String> headers, ClientStream stream);

    /** The client has closed the connection, or it broke: everything ends. */
    void clientGone();
}
