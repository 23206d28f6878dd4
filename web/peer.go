package web

import (
	"context"
	"net"
	"os/user"
	"strconv"
)

// Peer is the user at the other end of the unix socket, as the kernel knows it.
type Peer struct{ UID uint32 }

// Name is the user's, or its number where it has none.
func (p Peer) Name() string {
	uid := strconv.FormatUint(uint64(p.UID), 10)
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "user " + uid
}

type peerKey struct{}

// PeerOf is who asks, if it asks through the unix socket.
func PeerOf(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}

// withPeer notes who a connection is from.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	uid, err := peerUID(unix)
	if err != nil {
		return ctx // without a name nobody may act
	}
	return context.WithValue(ctx, peerKey{}, Peer{uid})
}
