package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"repwatch/store"
)

// Events tell who listens that something changed, not what: whoever wants to know
// asks for the document again.

const (
	// eventsEvery is how soon a change is told.
	eventsEvery = time.Second
	// aliveEvery keeps proxies from cutting a silent connection.
	aliveEvery = 15 * time.Second
	// maxListeners bounds what open pages cost.
	maxListeners = 64
)

type stoppingKey struct{}

// withStopping lets handlers that never end by themselves know when the server stops.
func withStopping(stopping context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(stopping), stoppingKey{}, stopping.Done())
}

// listeners are the streams of one handler.
type listeners struct{ n atomic.Int32 }

// events streams "change" with the number of the latest record: once at the
// beginning, unless Last-Event-ID says that it is known, then whenever there is a
// later one. Nothing is queued for who does not read: a stream that takes nothing
// for so long is cut off.
func (h *handler) events(l *listeners) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.n.Add(1) > maxListeners {
			l.n.Add(-1)
			w.Header().Set("Retry-After", "30")
			refuse(w, failed(http.StatusServiceUnavailable, errors.New("too many listen already")))
			return
		}
		defer l.n.Add(-1)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
		if r.Method != http.MethodHead {
			h.tell(w, r)
		}
	})
}

func (h *handler) tell(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	stopping, _ := r.Context().Value(stoppingKey{}).(<-chan struct{})
	look := time.NewTicker(eventsEvery)
	defer look.Stop()
	// Who comes again and knows the latest is told by the next change.
	last, known := lastEvent(r)
	said := time.Time{} // nothing yet
	for {
		var seq uint64
		if err := h.DB.View(func(tx *store.Tx) error { seq = tx.LastSeq(); return nil }); err != nil {
			return // EventSource comes again
		}
		text := ""
		switch {
		case !known, seq != last:
			text = fmt.Sprintf("retry: 3000\nid: %d\nevent: change\ndata: {\"seq\": %d}\n\n", seq, seq)
		case time.Since(said) >= aliveEvery:
			text = ": alive\n\n"
		}
		if text != "" {
			last, known, said = seq, true, time.Now()
			if _, err := io.WriteString(hurried{w}, text); err != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-stopping:
			return
		case <-look.C:
		}
	}
}

// lastEvent is what an EventSource that comes again was told before.
func lastEvent(r *http.Request) (seq uint64, known bool) {
	seq, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	return seq, err == nil
}
