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

	mu       sync.Mutex
	doc      D
	built    bool
	at       time.Time
	took     time.Duration
	seq      uint64
	renewing bool
	renewals sync.WaitGroup
}

func newMemo[D any](db *store.DB, build func(context.Context) (D, error)) *memo[D] {
	return &memo[D]{db: db, build: build, lasting: time.Second}
}

func (m *memo[D]) get(ctx context.Context) (D, error) {
	var seq uint64
	if err := m.db.View(func(tx *store.Tx) error { seq = tx.LastSeq(); return nil }); err != nil {
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
