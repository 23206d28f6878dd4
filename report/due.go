package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
)

// dueWithin is how far ahead what falls due is told.
const dueWithin = 30 * 24 * time.Hour

// due are certificates that run out, and what is wrong on our own side already.
func (b *builder) due() error {
	b.doc.Due = []Due{}
	certs := map[string]time.Time{}
	for s, w := range b.tx.Wire().All() {
		if s.Kind == reputation.KindWire && !w.NotAfter.IsZero() && w.NotAfter.Before(b.now.Add(dueWithin)) {
			if t, ok := certs[s.Target]; !ok || w.NotAfter.Before(t) {
				certs[s.Target] = w.NotAfter
			}
		}
	}
	for _, name := range sortedKeys(certs) {
		b.doc.Due = append(b.doc.Due, certificate(name, certs[name], b.ownMX(name), b.now))
	}
	for e := range b.tx.OpenEpisodes() {
		if e.Subject.Kind == reputation.KindOwn && e.Fault != nil {
			b.doc.Due = append(b.doc.Due, ownDue(e))
		}
	}
	slices.SortStableFunc(b.doc.Due, func(x, y Due) int {
		return cmp.Or(compareTimes(x.When, y.When), cmp.Compare(x.Who, y.Who))
	})
	return b.tx.Err()
}

func (b *builder) ownMX(name string) bool { return slices.Contains(b.cfg.OwnMX, name) }

func certificate(name string, end time.Time, ours bool, now time.Time) Due {
	verb := "runs out"
	if end.Before(now) {
		verb = "ran out"
	}
	d := Due{What: "certificate", Who: name, When: utc(end), Ours: ours, Text: fmt.Sprintf("the certificate of %s %s; tell its postmaster if you require a valid one", name, verb)}
	if ours {
		d.Text = fmt.Sprintf("the certificate of our MX of %s %s: renew it", name, verb)
	}
	return d
}

// ownDue is a fault of our own side: it is due now.
func ownDue(e incident.Episode) Due {
	text := e.Fault.What
	if e.Fault.Do != "" {
		text += ": " + e.Fault.Do
	}
	return Due{What: e.Fault.ID, Who: e.Subject.Who(), Ours: true, Text: text}
}

// compareTimes puts what is so already first.
func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Compare(*b)
}
