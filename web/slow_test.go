package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// pipes is a listener whose connections hold nothing on the way: a write waits until it is read.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// ask sends a request and reads the head of the answer.
func (p pipes) ask(t *testing.T, path string, header ...string) (net.Conn, *http.Response) {
	t.Helper()
	ours, theirs := net.Pipe()
	p <- theirs
	if _, err := ours.Write([]byte("GET /api/v1/" + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(header, "\r\n"), "\r\n"))); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(ours), nil)
	if err != nil {
		t.Fatal(err)
	}
	return ours, res
}

// served runs a handler at pipes in a bubble, and waits for it to end.
func served(t *testing.T, test func(t *testing.T, p pipes, db *store.DB)) {
	t.Helper()
	servedBy(t, &daemon{}, test)
}

func servedBy(t *testing.T, d Daemon, test func(t *testing.T, p pipes, db *store.DB)) {
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(filepath.Join(t.TempDir(), "repwatch.db"), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		p, done := make(pipes), make(chan error, 1)
		ctx, stop := context.WithCancel(t.Context())
		cfg := &config.Loaded{}
		go func() {
			done <- Serve(ctx, p, Handler(Options{DB: db, Config: func() *config.Loaded { return cfg }, Daemon: d, MayAct: func(*http.Request) bool { return true }}), slog.New(slog.DiscardHandler))
		}()
		test(t, p, db)
		stop()
		close(p)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func happen(t *testing.T, db *store.DB) {
	t.Helper()
	happened(t, db, 1)
}

func happened(t *testing.T, db *store.DB, times int) {
	t.Helper()
	err := db.Update(time.Now(), func(tx *store.Tx) (err error) {
		for range times {
			_, err = tx.Append(incident.Record{What: incident.Acted, Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "incident", Target: "3"}, Words: "ack"})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestListenersAreFewAndMustListen: beyond so many the next is told to come later. One
// that does not read, or has gone without a word, is cut off and makes room.
func TestListenersAreFewAndMustListen(t *testing.T) {
	served(t, func(t *testing.T, p pipes, db *store.DB) {
		var open []net.Conn
		defer func() {
			for _, c := range open {
				c.Close()
			}
		}()
		listen := func(want int) {
			t.Helper()
			c, res := p.ask(t, "events")
			open = append(open, c)
			if res.StatusCode != want || (want == http.StatusServiceUnavailable) != (res.Header.Get("Retry-After") != "") {
				t.Fatalf("%s %v, want %d", res.Status, res.Header, want)
			}
		}
		for range maxListeners { // nobody reads on
			listen(http.StatusOK)
		}
		listen(http.StatusServiceUnavailable)
		happen(t, db)
		time.Sleep(eventsEvery + slowest - time.Second)
		listen(http.StatusServiceUnavailable)
		time.Sleep(2 * time.Second)
		listen(http.StatusOK)
	})
}

// TestReadersMustRead: an answer is not kept for who does not take it, be it large or a stream.
func TestReadersMustRead(t *testing.T) {
	for _, path := range []string{"openapi.yaml", "db/backup", "report?format=html"} {
		served(t, func(t *testing.T, p pipes, _ *store.DB) {
			c, res := p.ask(t, path)
			defer c.Close()
			time.Sleep(slowest + time.Second)
			synctest.Wait()
			body, err := io.ReadAll(res.Body)
			if res.StatusCode != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %s, %d bytes, %v: it waited", path, res.Status, len(body), err)
			}
		})
	}
}

// TestSlowReadersGetItAll where they take something now and then.
func TestSlowReadersGetItAll(t *testing.T) {
	served(t, func(t *testing.T, p pipes, db *store.DB) {
		happened(t, db, 2000)
		c, res := p.ask(t, "db/backup")
		defer c.Close()
		began, n := time.Now(), 0
		piece := make([]byte, 4<<10) // an eighth of what is written at once
		var err error
		for err == nil {
			time.Sleep(slowest / 10)
			var k int
			k, err = io.ReadFull(res.Body, piece)
			n += k
		}
		if err != io.EOF || time.Since(began) < slowest {
			t.Errorf("%d bytes in %s, %v", n, time.Since(began), err)
		}
	})
}

// TestComingAgain: who knows the latest is told of what comes next only; who does
// not, or cannot say, is told at once. Silence is broken so that proxies stay.
func TestComingAgain(t *testing.T) {
	for id, late := range map[string]bool{"1": true, "0": false, "99": false, "soon": false} {
		served(t, func(t *testing.T, p pipes, db *store.DB) {
			happen(t, db)
			began := time.Now()
			c, res := p.ask(t, "events", "Last-Event-ID: "+id)
			defer c.Close()
			lines := bufio.NewScanner(res.Body)
			next := func(prefix string) (string, time.Duration) {
				for lines.Scan() {
					if text, ok := strings.CutPrefix(lines.Text(), prefix); ok {
						return text, time.Since(began)
					}
				}
				return "the end", 0
			}
			want := `{"seq": 1}`
			if late {
				want = `{"seq": 2}`
				time.AfterFunc(5*time.Second, func() { happen(t, db) })
			}
			if got, after := next("data: "); got != want || after >= 5*time.Second != late {
				t.Errorf("Last-Event-ID %s: %s after %s, want %s", id, got, after, want)
			}
			told := time.Now()
			if got, _ := next(": "); got != "alive" || time.Since(told) < aliveEvery || time.Since(told) > aliveEvery+eventsEvery {
				t.Errorf("%q after %s of silence", got, time.Since(told))
			}
		})
	}
}
