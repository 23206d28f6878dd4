package main

import (
	"context"
	"log/slog"
	"net"

	"repwatch/web"
)

// servePage serves the page until ctx ends. A page that cannot be served is said and
// stops nothing else: watching matters more.
func servePage(ctx context.Context, o web.Options, log *slog.Logger) {
	listen := o.Config().Web.Listen
	if listen == "" {
		return
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		log.Error("the page cannot be served", "err", err, "hint", "give web.listen another port, or \"\" for no page")
		return
	}
	servePageOn(ctx, l, o, log)
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
