package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
)

// told makes open incidents, so that alerts may be about them.
func incidentsOpen(t *testing.T, db *DB, ids ...string) {
	t.Helper()
	update(t, db, t0, func(tx *Tx) error {
		for _, id := range ids {
			if err := tx.Incidents().Put(id, incident.Incident{ID: id, Status: incident.Open, Alert: "now"}); err != nil {
				return err
			}
		}
		return nil
	})
}

func enqueue(t *testing.T, db *DB, now time.Time, a incident.Alert, to ...string) incident.Alert {
	t.Helper()
	update(t, db, now, func(tx *Tx) (err error) {
		a, err = tx.Enqueue(a, to)
		return err
	})
	return a
}

// next says what a notifier is to send: "SEQ news", or "until TIME", or "nothing".
func next(t *testing.T, db *DB, notifier string, now time.Time) string {
	t.Helper()
	q, ok, wake, err := db.NextAlert(notifier, now)
	switch {
	case err != nil:
		t.Fatal(err)
	case ok:
		return fmt.Sprint(q.Seq, " ", q.News)
	case !wake.IsZero():
		return "until " + wake.Format("15:04")
	}
	return "nothing"
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAlertsOfOneIncidentKeepTheirOrder(t *testing.T) {
	db := openTemp(t)
	incidentsOpen(t, db, "1", "2")
	enqueue(t, db, t0, incident.Alert{Incident: "1", News: "listed", Due: t0.Add(5 * time.Minute)}, "slack")
	enqueue(t, db, t0, incident.Alert{Incident: "1", News: "lost"}, "slack")
	enqueue(t, db, t0, incident.Alert{Incident: "2", News: "other", Due: t0.Add(2 * time.Minute)}, "slack")

	want(t, next(t, db, "slack", t0), "until 08:02") // "lost" is due, but "listed" has to go first
	want(t, next(t, db, "slack", t0.Add(2*time.Minute)), "3 other")
	if err := db.Delivered("slack", 3, t0.Add(2*time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	want(t, next(t, db, "slack", t0.Add(2*time.Minute)), "until 08:05")
	now := t0.Add(5 * time.Minute)
	want(t, next(t, db, "slack", now), "1 listed")
	if err := db.Failed("slack", 1, now, now.Add(10*time.Minute), "503"); err != nil {
		t.Fatal(err)
	}
	want(t, next(t, db, "slack", now), "until 08:15") // nor is it overtaken while it fails
	now = now.Add(10 * time.Minute)
	want(t, next(t, db, "slack", now), "1 listed")
	if err := db.Delivered("slack", 1, now, nil); err != nil {
		t.Fatal(err)
	}
	want(t, next(t, db, "slack", now), "2 lost")
	if err := db.Delivered("slack", 2, now, nil); err != nil {
		t.Fatal(err)
	}
	want(t, next(t, db, "slack", now), "nothing")
}

func TestNotifiersDoNotWaitForOneAnother(t *testing.T) {
	db := openTemp(t)
	incidentsOpen(t, db, "1")
	a := enqueue(t, db, t0, incident.Alert{Incident: "1", News: "listed"}, "slack", "email")
	if err := db.Failed("slack", a.Seq, t0, t0.Add(time.Hour), "invalid_auth"); err != nil {
		t.Fatal(err)
	}
	want(t, next(t, db, "slack", t0), "until 09:00")
	want(t, next(t, db, "email", t0), "1 listed") // the same number for all copies
	want(t, next(t, db, "slac", t0), "nothing")   // no notifier reads another's rows
}

// A critical message does not stand behind hundreds of edits of a channel that takes one a second.
func TestTheMostUrgentGoesFirst(t *testing.T) {
	db := openTemp(t)
	alert := func(id string, kind incident.AlertKind, impact reputation.Impact) incident.Alert {
		return incident.Alert{Incident: id, Kind: kind, News: id + " " + string(kind), Message: incident.Message{Impact: impact}}
	}
	var ids []string
	for n := range 200 {
		ids = append(ids, fmt.Sprint(n))
	}
	incidentsOpen(t, db, ids...)
	for _, id := range ids[10:] {
		enqueue(t, db, t0, alert(id, incident.AlertEdit, reputation.Critical), "slack")
	}
	enqueue(t, db, t0, alert("1", incident.AlertOpened, reputation.High), "slack")
	enqueue(t, db, t0, alert("", incident.AlertDigest, reputation.Info), "slack")
	enqueue(t, db, t0, alert("2", incident.AlertEdit, reputation.Low), "slack")
	enqueue(t, db, t0, alert("2", incident.AlertNews, reputation.Critical), "slack")
	enqueue(t, db, t0, alert("3", incident.AlertOpened, reputation.Critical), "slack")
	later := alert("4", incident.AlertOpened, reputation.Critical)
	later.Due = t0.Add(time.Minute)
	enqueue(t, db, t0, later, "slack")
	for _, w := range []string{"193 2 edit", "194 2 news", "195 3 opened", "191 1 opened", "1 10 edit", "2 11 edit"} {
		want(t, next(t, db, "slack", t0), w)
		var seq uint64
		fmt.Sscan(w, &seq)
		if err := db.Delivered("slack", seq, t0, nil); err != nil {
			t.Fatal(err)
		}
	}
	want(t, next(t, db, "slack", t0.Add(time.Minute)), "196 4 opened")
}

// However much waits, each round reads a bounded part of it; what is due is found beyond it too.
func TestManyThatWaitForTheirTime(t *testing.T) {
	db := openTemp(t)
	for range ahead + 10 {
		enqueue(t, db, t0, incident.Alert{News: "later", Due: t0.Add(time.Hour)}, "slack")
	}
	enqueue(t, db, t0, incident.Alert{News: "now"}, "slack")
	want(t, next(t, db, "slack", t0), fmt.Sprint(ahead+11, " now"))
}

// What belongs to no incident waits for nothing but its own time.
func TestNoticesDoNotBlock(t *testing.T) {
	db := openTemp(t)
	enqueue(t, db, t0, incident.Alert{News: "digest", Due: t0.Add(time.Hour)}, "slack")
	enqueue(t, db, t0, incident.Alert{News: "notice"}, "slack")
	want(t, next(t, db, "slack", t0), "2 notice")
}

func TestUnsentAlertIsReplaced(t *testing.T) {
	db := openTemp(t)
	incidentsOpen(t, db, "1", "2")
	due := t0.Add(time.Minute)
	first := enqueue(t, db, t0, incident.Alert{Incident: "1", Key: "root", News: "1 lost", Due: due}, "slack", "email")
	enqueue(t, db, t0, incident.Alert{Incident: "1", News: "more"}, "slack")
	if err := db.Attempt("email", first.Seq, due); err != nil {
		t.Fatal(err)
	}
	enqueue(t, db, t0, incident.Alert{Incident: "2", Key: "root", News: "another's"}, "slack")
	second := enqueue(t, db, t0, incident.Alert{Incident: "1", Key: "root", News: "2 lost", Due: due.Add(time.Hour)}, "slack", "email")

	var got []string
	view(t, db, func(tx *Tx) error {
		for _, n := range []string{"slack", "email"} {
			for q := range tx.Pending(n) {
				got = append(got, fmt.Sprint(n, " ", q.Seq, " ", q.News, " ", q.Due.Format("15:04")))
			}
		}
		return nil
	})
	if w := []string{"slack 1 2 lost 08:01", "slack 2 more 00:00", "slack 3 another's 00:00", "email 1 1 lost 08:01", "email 4 2 lost 09:01"}; !slices.Equal(got, w) {
		t.Errorf("got %q\nwant %q", got, w) // email was trying the first: it may have arrived
	}
	want(t, fmt.Sprint(second.Seq), "4")
}

// A crash between sending and hearing of it shows: the row has an attempt.
func TestAttemptsAreRecorded(t *testing.T) {
	db := openTemp(t)
	incidentsOpen(t, db, "1")
	a := enqueue(t, db, t0, incident.Alert{Incident: "1"}, "slack")
	now := t0.Add(time.Minute)
	if err := db.Attempt("slack", a.Seq, now); err != nil {
		t.Fatal(err)
	}
	q, ok, _, err := db.NextAlert("slack", now)
	if err != nil || !ok || q.Attempts != 1 || !q.Tried.Equal(now) || q.Failed != "" {
		t.Errorf("after an attempt: %+v, %v", q, err)
	}
	if err := db.Failed("slack", a.Seq, now, now.Add(time.Minute), "timeout"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	q, _, _, _ = db.NextAlert("slack", now)
	if q.Attempts != 1 || q.Failed != "timeout" || !q.Retry.Equal(now) {
		t.Errorf("after a failure: %+v", q)
	}
}

// Delivery takes the row out, tells when, and keeps the handle, in one transaction.
func TestDeliveryKeepsHandleAndMarker(t *testing.T) {
	db := openTemp(t)
	incidentsOpen(t, db, "1", "11")
	a := enqueue(t, db, t0, incident.Alert{Incident: "1"}, "slack", "log")
	h := Handle{Notifier: "slack", Incident: "1", Channel: "C1", TS: "1.2", At: t0, Extra: map[string]string{"x": "y"}}
	for i := range 2 { // the second time tells nothing new
		if err := db.Delivered("slack", a.Seq, t0.Add(time.Duration(i)*time.Hour), &h); err != nil {
			t.Fatal(err)
		}
	}
	update(t, db, t0, func(tx *Tx) error { return tx.PutHandle(Handle{Notifier: "slack", Incident: "11", TS: "3"}) })
	view(t, db, func(tx *Tx) error {
		got, ok, err := tx.Handle("slack", "1")
		if err != nil || !ok || got.TS != "1.2" || got.Extra["x"] != "y" {
			t.Errorf("handle %+v, %v", got, err)
		}
		if of := slices.Collect(tx.HandlesOf("1")); len(of) != 1 {
			t.Errorf("incident 1 has handles %+v", of)
		}
		told, _, err := tx.Told().Get("1")
		if err != nil || len(told) != 1 || !told["slack"].Equal(t0) {
			t.Errorf("told %v, %v", told, err)
		}
		var left []string
		for q := range tx.PendingOf("1") {
			left = append(left, q.Notifier)
		}
		if !slices.Equal(left, []string{"log"}) {
			t.Errorf("still waiting: %v", left)
		}
		return nil
	})
}

func TestDroppedAlertsStayDropped(t *testing.T) {
	db := openTemp(t)
	incidentsOpen(t, db, "1")
	a := enqueue(t, db, t0, incident.Alert{Incident: "1"}, "slack")
	update(t, db, t0, func(tx *Tx) error { return tx.DropPending("slack", a.Seq) })
	// A sender that had it in hand comes too late to bring it back.
	if err := errors.Join(db.Attempt("slack", a.Seq, t0), db.Failed("slack", a.Seq, t0, t0, "503"), db.Delivered("slack", a.Seq, t0, nil)); err != nil {
		t.Fatal(err)
	}
	want(t, next(t, db, "slack", t0), "nothing")
	b := enqueue(t, db, t0, incident.Alert{Incident: "1"}, "slack")
	if b.Seq == a.Seq {
		t.Error("a number was given twice")
	}
}
