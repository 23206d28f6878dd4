package main

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/config"
	"repwatch/store"
	"repwatch/web"
)

// A port that another process holds is said once, in words that status shows too, and
// the page comes when the port is free.
func TestPageWhosePortIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(filepath.Join(t.TempDir(), "repwatch.db"), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		cfg := &config.Loaded{}
		cfg.Web.Listen = taken.Addr().String()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		said, done := make(chan string, 10), make(chan struct{})
		go func() {
			defer close(done)
			servePage(ctx, web.Options{DB: db, Config: func() *config.Loaded { return cfg }}, slog.New(slog.DiscardHandler), func(words string) { said <- words })
		}()
		time.Sleep(10*pageRetry + time.Second)
		if words := <-said; len(said) > 0 || !strings.Contains(words, cfg.Web.Listen) || !strings.Contains(words, "web.listen") {
			t.Errorf("said %q, and %d times more", words, len(said))
		}
		if err := taken.Close(); err != nil {
			t.Fatal(err)
		}
		if words := <-said; words != "" {
			t.Errorf("the port is free, and it says %q", words)
		}
		stop()
		<-done
	})
}
