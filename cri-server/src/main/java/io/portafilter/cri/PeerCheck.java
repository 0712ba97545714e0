package io.portafilter.cri;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.unix.PeerCredentials;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * Sits on the listening channel and lets in only connections of root and of the server's own user, by what the kernel
 * says of the peer (SO_PEERCRED, unix(7)). The socket's mode says the same; this holds also if somebody loosened it.
 */
final class PeerCheck extends ChannelInboundHandlerAdapter {

    private static final Logger LOG = System.getLogger(PeerCheck.class.getName());

    private final int ownUid;

    PeerCheck(int ownUid) {
        this.ownUid = ownUid;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object accepted) {
        if (accepted instanceof EpollDomainSocketChannel connection && !isAllowed(connection)) {
            connection.unsafe().closeForcibly();
            return;
        }
        context.fireChannelRead(accepted);
    }

    private boolean isAllowed(EpollDomainSocketChannel connection) {
        try {
            PeerCredentials peer = connection.peerCredentials();
            if (allows(peer.uid())) {
                return true;
            }
            LOG.log(Level.WARNING, "peer.refused uid=" + peer.uid() + " pid=" + peer.pid());
        } catch (IOException e) {
            LOG.log(Level.WARNING, "peer.refused cause=" + e.getMessage());
        }
        return false;
    }

    /** Whether a peer with this user id may speak to the server. */
    boolean allows(int uid) {
        return uid == 0 || uid == ownUid;
    }
}
