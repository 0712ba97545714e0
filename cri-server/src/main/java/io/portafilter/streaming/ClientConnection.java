package io.portafilter.streaming;

import io.netty.channel.Channel;

/** The connection that the streams of a {@link Session} belong to. */
interface ClientConnection {

    /** The connection itself. */
    Channel channel();

    /** Which agreement it speaks, for the log. */
    String protocol();

    /** Says good-bye in the way of the protocol when all that was written has been sent, and closes. */
    void finish();
}
