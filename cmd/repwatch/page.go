package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"repwatch/web"
)

// pageRetry is how often a page that cannot be served is tried again.
const pageRetry = time.Minute

// servePage serves the page until ctx ends. A page that cannot be served is said once, in the
// log and by trouble, and stops nothing else: watching matters more. It is tried again, for
// whoever holds its port may go.
func servePage(ctx context.Context, o web.Options, log *slog.Logger, trouble func(words string)) {
	listen := o.Config().Web.Listen
	if listen == "" {
		return
	}
	said := false
	for {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
		if err == nil {
			trouble("")
			servePageOn(ctx, l, o, log)
			return
		}
		if !said {
			said = true
			log.Error("the page cannot be served", "err", err, "hint", pageHint)
			trouble(fmt.Sprintf("the page cannot be served: %v; %s", err, pageHint))
		}
		if !wait(ctx, pageRetry) {
			return
		}
	}
}

const pageHint = `give web.listen another port, or "" for no page, and restart`

// wait reports false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// servePageOn serves the page until ctx ends, and closes l.
func servePageOn(ctx context.Context, l net.Listener, o web.Options, log *slog.Logger) {
	page, err := web.NewPage(o, log)
	if err != nil {
		_ = l.Close() // nobody has been let in
		log.Error("the page cannot be served", "err", err)
		return
	}
	defer page.Close()
	log.Info("the page is served", "at", "http://"+l.Addr().String()+page.Prefix()+"/")
	if err := web.Serve(ctx, l, page, log); err != nil && ctx.Err() == nil {
		log.Error("the page is gone", "err", err)
	}
}
