package watch

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/internal/lab"
	"repwatch/store"
)

const sender = "203.0.113.7"

// stage is a daemon on the lab's internet, in real time and fast.
type stage struct {
	t     *testing.T
	world *lab.Internet
	db    *store.DB
	d     *Daemon
}

func newStage(t *testing.T, more string) *stage {
	t.Helper()
	world, err := lab.NewInternet(netip.MustParseAddr(sender))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.Close)
	dir := t.TempDir()
	db, err := store.Open(filepath.Join(dir, "repwatch.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, world: world, db: db}
	s.d, err = New(Options{DB: db, Config: s.config(dir, more), Log: slog.New(slog.NewTextHandler(testLog{t}, nil)), Version: "test", Roots: world.Roots})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if r, err := db.Verify(); err != nil || len(r.Problems) > 0 {
			t.Errorf("the store is not whole: %v %v", err, r.Problems)
		}
		db.Close()
	})
	return s
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (s *stage) config(dir, more string) *config.Loaded {
	s.t.Helper()
	const points = "test: {listed: [127.0.0.2], clean: [127.0.0.1]}"
	w := s.world
	text := fmt.Sprintf(`
sending_ips: [{ip: %s, name: mx1.sender.example, bind: 127.0.0.1}]
partners:
  - {domain: %s, port: %d, require: [STARTTLS]}
  - {domain: %s, port: %d, require: [STARTTLS]}
control: [{name: office, socks5: "%s", ehlo: office.sender.example}]
dns: {resolvers: ["%s"]}
schedule: {blocklists: "@every 1s", partners: "@every 1s", confirm_after: 200ms, jitter: 0%%, timezone: UTC}
notify: {group_wait: 500ms, log: {}}
blocklists:
  use: [xbl, traps, expired]
  add:
    - {id: xbl, zone: xbl.lists.example, codes: {127.0.0.4: exploited host}, impact: critical, %s,
       delist: {url: "https://lists.example/remove/{ip}"}}
    - {id: traps, zone: traps.lists.example, %[8]s}
    - {id: expired, zone: expired.lists.example, %[8]s}
%[9]s`, w.Sender, w.Contoso.Domain, w.Contoso.Port, w.Fabrikam.Domain, w.Fabrikam.Port, w.SOCKS.Addr(), w.DNS.Addr(), points, more)
	file := filepath.Join(dir, "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cfg, err := config.Load(file, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return cfg
}

// incidents are all of them, oldest first.
func (s *stage) incidents() (out []incident.Incident) {
	s.t.Helper()
	err := s.db.View(func(tx *store.Tx) error {
		for _, i := range tx.Incidents().All() {
			out = append(out, i)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *stage) wait(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			for _, i := range s.incidents() {
				s.t.Logf("%+v", i)
			}
			s.t.Fatalf("never: %s", what)
		}
	}
}

func TestListedWithdrawnDelistedBack(t *testing.T) {
	s := newStage(t, "")
	s.wait("two rounds of looks", func() bool { return s.settled() })
	s.world.XBL.ListTXT(sender, "Pushdo bot", "127.0.0.4")
	s.wait("an incident for the listing", func() bool { return len(s.incidents()) == 1 })
	if err := s.world.Contoso.Withdraw("STARTTLS", "DSN"); err != nil {
		t.Fatal(err)
	}
	s.wait("the loss joins it", func() bool { i := s.incidents(); return len(i) == 1 && i[0].Verdict == "listing" })
	s.world.XBL.Delist(sender)
	s.wait("the delisting", func() bool { i := s.incidents(); return strings.Contains(fmt.Sprint(i[0].Said), "no longer on xbl") })
	if err := s.world.Contoso.Restore(); err != nil {
		t.Fatal(err)
	}
	s.wait("the end", func() bool { i := s.incidents(); return len(i) == 1 && i[0].Status == incident.Resolved })
	for _, said := range s.incidents()[0].Said {
		t.Log(said.Text)
	}
}

// settled: each pair has its baseline.
func (s *stage) settled() bool {
	n := 0
	_ = s.db.View(func(tx *store.Tx) error {
		for _, w := range tx.Wire().All() {
			if w.Standing == "good" {
				n++
			}
		}
		return nil
	})
	return n == 4
}
