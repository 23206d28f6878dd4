package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"repwatch/api"
	past "repwatch/internal/filled"
	"repwatch/store"
)

// fill makes DIR/repwatch.db with a known past, and DIR/repwatch.yaml for it. The
// past is some seconds older than it says, so that "3 h ago" is so for nearly a minute.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fill DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	db, err := store.Open(filepath.Join(dir, "repwatch.db"), store.Options{})
	ts.Check(err)
	ts.Check(past.Fill(db, time.Now().Add(-3*time.Second)))
	ts.Check(db.Close())
	text := past.Config + "store: {path: " + filepath.Join(dir, "repwatch.db") + "}\nsocket: " + filepath.Join(dir, "sock") + "\nweb: {listen: \"\"}\n"
	ts.Check(os.WriteFile(filepath.Join(dir, "repwatch.yaml"), []byte(text), 0o600))
}

// await waits until somebody answers at the unix socket FILE.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		c, err := net.Dial("unix", ts.MkAbs(args[0]))
		if err == nil {
			ts.Check(c.Close())
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nobody answers at %s: %v", args[0], err)
		}
	}
}

// still names in FILEs what differs from run to run: dates with their times, the folder of the script.
func still(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		text := anyMoment.ReplaceAllString(ts.ReadFile(name), "DATE")
		text = regexp.MustCompile(regexp.QuoteMeta(ts.Getenv("WORK"))).ReplaceAllString(text, "WORK")
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// anyMoment is a moment, or a span of them, as tables show it.
var anyMoment = regexp.MustCompile(`between (20\d\d-\d\d-\d\d )?\d\d:\d\d and 20\d\d-\d\d-\d\d \d\d:\d\d UTC|` +
	`20\d\d-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?(-\d\d:\d\d)?( - 20\d\d-\d\d-\d\d \d\d:\d\d)?`)

// A list that is believed but names most of us at once waits for its second look; status says so.
func TestStatusSaysWhatIsHeldBack(t *testing.T) {
	v := statusView{view: view{term: newTerm(io.Discard)}}
	at := time.Now()
	said := v.listWords(api.ListStatus{ID: "l1", Health: "ok", Told: true, Sure: &at, Subjects: 8, Unknown: 7, Why: "it names 7 of 8 asked at once"})
	if said != "held back: it names 7 of 8 asked at once; 7 of 8 unknown" {
		t.Errorf("said %q", said)
	}
}
