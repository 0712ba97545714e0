package io.portafilter.streaming;

import io.netty.channel.Channel;

/** How a connection ends when all has been said. */
@FunctionalInterface
interface Closing {
    void close(Channel channel);
}
