package resolve

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

var errNotOurs = errors.New("its answer is to another question")

// overTCP asks again what did not fit (RFC 7766 §5), within d.
func (s *server) overTCP(ctx context.Context, t *try, d time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	defer context.AfterFunc(s.client.ctx, cancel)()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	msg, err := exchange(conn, t, uint16(s.client.random()))
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // not "use of closed connection"
	}
	return msg, err
}

// exchange sends a query and reads one message, each behind its length (RFC 1035 §4.2.2).
func exchange(conn io.ReadWriter, t *try, id uint16) ([]byte, error) {
	query := appendQuery(make([]byte, 2, 300), id, t.asked, t.edns)
	binary.BigEndian.PutUint16(query, uint16(len(query)-2))
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, msg); err != nil {
		return nil, err
	}
	if k := kin(msg, t.asked); k == notAnswer || k == stranger || idOf(msg) != id {
		return nil, errNotOurs
	}
	return msg, nil
}
