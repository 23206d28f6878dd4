package web

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"repwatch/api"
	"repwatch/store"
)

// The page works without JavaScript; live.js only keeps it current. Everything
// foreign goes through html/template, nothing is loaded from elsewhere, and the
// browser is told so (Content-Security-Policy).

//go:embed templates assets
var files embed.FS

// policy lets the page use its own style, script and events, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Page serves the page, /api/v1, /metrics, /healthz and /readyz over TCP. Close it
// when nobody asks any more.
type Page struct {
	http.Handler
	h       *handler
	log     *slog.Logger
	shown   layouts
	prefix  string
	doors   sessions
	status  *memo[api.Status]
	learned *memo[api.Learned]
	weeks   weeks
	ours    hosts
	listen  string
}

// NewPage makes the page of a daemon. It acts for nobody unless web.token is set,
// then for those who know it. Prefix and listening address are those of the
// configuration at start; the token is the one in force.
func NewPage(o Options, log *slog.Logger) (*Page, error) {
	cfg := o.Config()
	p := &Page{log: log, prefix: cleanPrefix(cfg.Web.Prefix), listen: cfg.Web.Listen}
	p.doors.token, p.doors.prefix = func() (string, error) { return o.Config().Web.Token.Value() }, p.prefix+"/"
	p.doors.limit = rate.NewLimiter(guesses.every, guesses.burst)
	o.MayAct = p.doors.bearer
	p.h = &handler{o}
	p.shown = layouts{of: map[string]views{}, parse: func(base string) (views, error) {
		return parseViews(base, func() *time.Location { return p.h.Config().Schedule.Timezone.Loc() }, p.leadsTo)
	}}
	if _, err := p.shown.at(cmp.Or(p.prefix, ".")); err != nil {
		return nil, err
	}
	p.status = newMemo(o.DB, func(context.Context) (api.Status, error) {
		doc, err := p.h.status(nil)
		status, _ := doc.(api.Status)
		return status, err
	})
	p.learned = newMemo(o.DB, func(context.Context) (api.Learned, error) {
		doc, err := p.h.learned(nil)
		learned, _ := doc.(api.Learned)
		return learned, err
	})
	p.learned.lasting = 10 * time.Minute // it changes with what happens, hardly with time
	p.Handler = p.guard(p.routes(o))
	return p, nil
}

func (p *Page) leadsTo(host string) bool { return p.ours.known(p.h.Config(), host) }

// Prefix is the path that everything is below; empty: none.
func (p *Page) Prefix() string { return p.prefix }

// Close waits for documents that are being built.
func (p *Page) Close() {
	p.weeks.close()
	p.status.close()
	p.learned.close()
}

func cleanPrefix(prefix string) string {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" {
		return ""
	}
	return "/" + prefix
}

func (p *Page) routes(o Options) http.Handler {
	mux := http.NewServeMux()
	for pattern, build := range map[string]func(*http.Request) (view, error){
		"GET /{$}":            p.now,
		"GET /incidents":      p.incidents,
		"GET /incidents/{id}": p.incident,
		"GET /ip/{ip}":        p.subject,
		"GET /partner/{name}": p.partner,
		"GET /provider/{id}":  p.provider,
		"GET /list/{id}":      p.list,
		"GET /learned":        p.learnedPage,
		"GET /timeline":       p.timeline,
		"GET /ledger":         p.ledger,
		"GET /reports":        p.reports,
		"GET /health":         p.health,
		"GET /login":          p.loginPage,
	} {
		mux.Handle(pattern, p.page(build))
	}
	mux.HandleFunc("GET /reports/{file}", p.reportFile)
	mux.HandleFunc("GET /find", p.find)
	mux.HandleFunc("POST /login", p.login)
	mux.HandleFunc("POST /logout", p.logout)
	mux.HandleFunc("POST /act/{id}/{verb}", p.act)
	mux.HandleFunc("POST /recheck", p.recheck)
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // they are embedded
	}
	mux.Handle("GET /assets/", http.StripPrefix("/assets", cached(http.FileServerFS(assets))))
	mux.Handle("/api/v1/", Handler(o))
	mux.Handle("GET /metrics", metricsHandler(p))
	mux.HandleFunc("GET /healthz", p.h.healthz)
	mux.HandleFunc("GET /readyz", p.h.readyz)
	mux.Handle("/", p.page(func(r *http.Request) (view, error) {
		return view{}, failed(http.StatusNotFound, errors.New("there is nothing at "+r.URL.Path))
	}))
	return mux
}

// cached: assets change with the program alone.
func cached(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		h.ServeHTTP(w, r)
	})
}

// guard stands before everything: headers, the host's name, the prefix, and where a POST comes from.
func (p *Page) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	next = cross.Handler(next)
	if p.prefix != "" {
		next = http.StripPrefix(p.prefix, next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		switch {
		case !p.hostMeant(r.Host):
			http.Error(w, "This is not the host that was meant: "+printableHost(r.Host)+".\nhint: ask for http://"+p.listen+"; a reverse proxy must send that as Host (docs/page.md)", http.StatusMisdirectedRequest)
		case p.prefix != "" && r.URL.Path == p.prefix:
			http.Redirect(w, r, p.prefix+"/", http.StatusSeeOther)
		case !strings.HasPrefix(r.URL.Path, p.prefix+"/"), strings.Contains(r.URL.Path, "//"): // what the mux makes of these leads out of the prefix
			http.NotFound(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// hostMeant: who listens on loopback is asked for by a loopback name. A page elsewhere
// that has its own name point to 127.0.0.1 (DNS rebinding) sends that name instead.
func (p *Page) hostMeant(host string) bool {
	ours, _, err := net.SplitHostPort(p.listen)
	if err != nil || !loopback(ours) {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	return loopback(name)
}

func loopback(name string) bool {
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// printableHost keeps what a stranger sent out of the way of terminals.
func printableHost(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// page answers with a view.
func (p *Page) page(build func(*http.Request) (view, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			p.fail(w, r, failed(http.StatusMethodNotAllowed, errors.New("this can be read, not written")))
			return
		}
		v, err := build(r)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		p.render(w, r, http.StatusOK, v)
	})
}

// fail shows an error as a page.
func (p *Page) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := codeOf(err)
	switch {
	case errors.Is(err, api.ErrNoIncident), errors.Is(err, api.ErrUnknownName):
		code = http.StatusNotFound
	case code == http.StatusInternalServerError:
		p.log.Warn("the page cannot be built", "path", r.URL.Path, "err", err)
	}
	p.render(w, r, code, view{name: "problem", Title: http.StatusText(code), Data: api.ProblemOf(err)})
}

// seq is the number of the latest record: what the page is as of.
func (p *Page) seq() (seq uint64) {
	_ = p.h.DB.View(func(tx *store.Tx) error { seq = tx.LastSeq(); return nil }) // a file in trouble is told by what is shown
	return seq
}
