package web

import (
	"context"
	"sync"
	"time"

	"repwatch/store"
)

// cheap is what a document may cost to be built anew for everyone who asks.
const cheap = 100 * time.Millisecond

// memo keeps a document that may be dear: with many addresses and partners the
// status takes a second, the correlator's beliefs more. What is cheap is built when
// asked for. What is dear is built once, and shown as it was (it says when) while a
// newer one is being built.
type memo[D any] struct {
	db    *store.DB
	build func(context.Context) (D, error)
	// lasting: so long an unchanged journal leaves it as it is.
	lasting time.Duration
	// patience is how long soon waits for the first one.
	patience time.Duration

	mu       sync.Mutex
	doc      D
	built    bool
	at       time.Time
	took     time.Duration
	seq      uint64
	renewing bool
	first    chan struct{} // closed when the first is built, or could not be; nil: nobody builds it
	renewals sync.WaitGroup
}

func newMemo[D any](db *store.DB, build func(context.Context) (D, error)) *memo[D] {
	return &memo[D]{db: db, build: build, lasting: time.Second, patience: cheap}
}

func (m *memo[D]) get(ctx context.Context) (D, error) {
	seq, err := m.latest()
	if err != nil {
		var none D
		return none, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.built, m.took < cheap && !m.fresh(seq):
		err := m.renew(ctx, seq)
		return m.doc, err
	case !m.fresh(seq) && !m.renewing:
		m.renewing = true
		m.renewals.Go(func() {
			doc, at, took, err := m.make(context.WithoutCancel(ctx))
			m.mu.Lock()
			defer m.mu.Unlock()
			m.renewing = false
			if err == nil {
				m.keep(doc, at, took, seq)
			}
		})
	}
	return m.doc, nil
}

// soon is get for a page that can do without: after a start the first document may
// take long, and whoever is woken at night does not wait for it. Not ok: not built yet.
func (m *memo[D]) soon(ctx context.Context) (doc D, ok bool, err error) {
	m.mu.Lock()
	built := m.built
	if !built && m.first == nil {
		done := make(chan struct{})
		m.first = done
		m.renewals.Go(func() { m.begin(context.WithoutCancel(ctx), done) })
	}
	first := m.first
	m.mu.Unlock()
	if built {
		doc, err = m.get(ctx)
		return doc, err == nil, err
	}
	wait := time.NewTimer(m.patience)
	defer wait.Stop()
	select {
	case <-first:
		doc, err = m.get(ctx)
		return doc, err == nil, err
	case <-wait.C:
		return doc, false, nil
	case <-ctx.Done():
		return doc, false, ctx.Err()
	}
}

// begin builds the first document while nobody holds the lock. A failure is told to
// whoever asks next.
func (m *memo[D]) begin(ctx context.Context, done chan struct{}) {
	defer close(done)
	seq, err := m.latest()
	doc, at, took, made := m.make(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && made == nil {
		m.keep(doc, at, took, seq)
	}
	m.first = nil
}

// latest is the number of the latest record.
func (m *memo[D]) latest() (seq uint64, err error) {
	err = m.db.View(func(tx *store.Tx) error { seq = tx.LastSeq(); return nil })
	return seq, err
}

func (m *memo[D]) fresh(seq uint64) bool { return m.seq == seq && time.Since(m.at) < m.lasting }

func (m *memo[D]) renew(ctx context.Context, seq uint64) error {
	doc, at, took, err := m.make(ctx)
	if err == nil {
		m.keep(doc, at, took, seq)
	}
	return err
}

func (m *memo[D]) make(ctx context.Context) (doc D, at time.Time, took time.Duration, err error) {
	at = time.Now()
	doc, err = m.build(ctx)
	return doc, at, time.Since(at), err
}

func (m *memo[D]) keep(doc D, at time.Time, took time.Duration, seq uint64) {
	m.doc, m.at, m.took, m.seq, m.built = doc, at, took, seq, true
}

func (m *memo[D]) close() { m.renewals.Wait() }
