package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"repwatch/config"
	"repwatch/internal/lab"
	"repwatch/internal/realserver"
	"repwatch/store"
	"repwatch/watch"
	"repwatch/web"
)

// patience is how long the daemon and the browser may take over one thing. It is
// used up only where something is broken.
const patience = 20 * time.Second

// demoWorld is the demo's small internet, the real daemon in it, and its page.
type demoWorld struct {
	*lab.Internet
	url string
	db  *store.DB
}

const browserToken = "a token for the browser"

func startDemo(t *testing.T) *demoWorld {
	t.Helper()
	inet, err := lab.NewInternet(netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inet.Close)
	dir := t.TempDir()
	cfg := demoConfig(t, inet, dir)
	db, err := store.Open(filepath.Join(dir, "repwatch.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	d, err := watch.New(watch.Options{DB: db, Config: cfg, Log: slog.New(slog.DiscardHandler), Version: "1.2.3", Roots: inet.Roots})
	if err != nil {
		t.Fatal(err)
	}
	page, err := web.NewPage(web.Options{DB: db, Config: d.Config, Daemon: d}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var sides sync.WaitGroup
	sides.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	sides.Go(func() {
		if err := web.Serve(ctx, l, page, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		sides.Wait()
		page.Close()
	})
	return &demoWorld{inet, "http://" + l.Addr().String() + "/mail", db}
}

func demoConfig(t *testing.T, w *lab.Internet, dir string) *config.Loaded {
	t.Helper()
	const points = "test: {listed: [127.0.0.2], clean: [127.0.0.1]}"
	text := fmt.Sprintf(`
sending_ips:
  - {ip: %s, name: mx1.sender.example, bind: 127.0.0.1}
  - {ip: %s, name: mx2.sender.example, bind: 127.0.0.1}
partners:
  - {domain: %s, port: %d, require: [STARTTLS], provider: exchange-online, from: [203.0.113.7]}
  - {domain: %s, port: %d, require: [STARTTLS], provider: cisco, from: [203.0.113.8]}
control: [{name: office, socks5: "%s", ehlo: office.sender.example}]
dns: {resolvers: ["%s"]}
probes: {spacing: 0s, per_provider_day: 0}
schedule: {blocklists: "@every 1s", partners: "@every 1s", confirm_after: 200ms, jitter: 0%%, timezone: UTC}
notify: {group_wait: 300ms, log: {}}
web: {listen: "127.0.0.1:8025", prefix: /mail/, token: "%[10]s"}
blocklists:
  use: [xbl, traps, expired]
  add:
    - {id: xbl, name: "XBL of the lab", zone: xbl.lists.example, codes: {127.0.0.4: exploited host}, impact: critical, %[9]s,
       delist: {how: self-service, typical: 1d, url: "https://lists.example/remove/{ip}"}}
    - {id: traps, zone: traps.lists.example, %[9]s}
    - {id: expired, zone: expired.lists.example, %[9]s}
`, w.Sender, w.Other, w.Contoso.Domain, w.Contoso.Port, w.Fabrikam.Domain, w.Fabrikam.Port, w.SOCKS.Addr(), w.DNS.Addr(), points, browserToken)
	file := filepath.Join(dir, "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// browser is Debian's Chromium, and what it complained of.
type browser struct {
	t    *testing.T
	ctx  context.Context
	base string

	*complaints
}

// complaints are shared by all who drive the browser.
type complaints struct {
	sync.Mutex
	said []string
}

func (c *complaints) take() (said []string) {
	c.Lock()
	defer c.Unlock()
	said, c.said = c.said, nil
	return said
}

func (c *complaints) complain(s string) {
	c.Lock()
	defer c.Unlock()
	c.said = append(c.said, s)
}

func startBrowser(t *testing.T, base string) *browser {
	t.Helper()
	cmd := realserver.Command(t, "chromium")
	profile, err := os.MkdirTemp("", "repwatch-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(profile) }) // Chromium may still write there: what stays is in /tmp
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(cmd.Path), chromedp.UserDataDir(profile), chromedp.Env(append(cmd.Env, "HOME="+profile)...),
		chromedp.Flag("headless", "new"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true), chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	b := &browser{t: t, base: base, complaints: new(complaints)}
	ctx, cancelTab := chromedp.NewContext(ctx, chromedp.WithListener(b.hear), chromedp.WithErrorf(func(string, ...any) {}))
	b.ctx = ctx
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("closing the browser: %v", err)
		}
		cancelTab()
		cancel()
	})
	// The first run makes the browser, so it must not be one with an end.
	if err := chromedp.Do(ctx, order(runtime.Enable, cdp.Empty{}), order(cdplog.Enable, cdp.Empty{})); err != nil {
		t.Fatal(err)
	}
	return b
}

// order makes an action of a command that answers nothing of interest.
func order[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, params)
		return chromedp.Void{}, err
	}
}

// hear notes what the browser is not content with.
func (b *browser) hear(ev any) {
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.complain("exception: " + ev.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		if ev.Entry.Level == cdplog.EntryLevelError || ev.Entry.Source == cdplog.EntrySourceSecurity {
			b.complain(string(ev.Entry.Source) + ": " + ev.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		if ev.Type == "error" || ev.Type == "warning" {
			b.complain(fmt.Sprintf("console: %v", ev.Args))
		}
	}
}

// quiet fails the test if the browser complained: of the policy, a script, a missing file.
func (b *browser) quiet() {
	b.t.Helper()
	for _, c := range b.take() {
		b.t.Errorf("the browser complains: %s", c)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// value is what an action finds.
func value[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *browser) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// sees waits until the page, without being loaded again by us, holds a text.
func (b *browser) sees(text string) {
	b.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for err = context.Canceled; err != nil && ctx.Err() == nil; { // a page that is left meanwhile ends the waiting on it
		err = chromedp.Do(ctx, chromedp.Poll[chromedp.Void]("document.body && document.body.innerText.includes("+string(quoted)+")", chromedp.WithPollingInterval(50*time.Millisecond)))
	}
	if err != nil {
		b.t.Fatalf("the page does not come to say %q: %v; it says:\n%s", text, err, value(b, chromedp.Evaluate[string]("document.body.innerText")))
	}
}

type screen struct {
	name, scheme  string
	width, height int64
	touch         bool
}

// screens are the ways in which people look.
var screens = []screen{{"light", "light", 1280, 800, false}, {"dark", "dark", 1280, 800, false}, {"phone", "light", 390, 844, true}}

// shoot takes pictures of a page for people to look at, in each way that people look,
// and has axe-core judge it there; nothing may stick out sideways. It returns how
// high the page is on each screen.
func (b *browser) shoot(name, path string, ways ...screen) (heights map[string]int64) {
	b.t.Helper()
	dir := filepath.Join("..", "artefacts", "page")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	b.visit(path)
	b.do(chromedp.Evaluate[chromedp.Void](axe() + ";0"))
	heights = map[string]int64{}
	if len(ways) == 0 {
		ways = screens
	}
	for _, s := range ways {
		b.screen(s)
		size := value(b, chromedp.Evaluate[[]int64](`(d => [d.scrollWidth, d.clientWidth, d.scrollHeight])(document.documentElement)`))
		if size[0] > size[1] {
			b.t.Errorf("%s on %s is %d wide, the screen %d", path, s.name, size[0], size[1])
		}
		heights[s.name] = size[2]
		picture := value(b, chromedp.FullScreenshot(100))
		if err := os.WriteFile(filepath.Join(dir, name+"-"+s.name+".png"), picture, 0o644); err != nil {
			b.t.Fatal(err)
		}
		if axe() != "" {
			b.accessible(path, s.name)
		}
	}
	b.screen(screens[0])
	return heights
}

// screen has the browser look in one of the ways.
func (b *browser) screen(s screen) {
	b.t.Helper()
	opts := []chromedp.EmulateViewportOption{}
	if s.touch {
		opts = append(opts, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	b.do(chromedp.EmulateViewport(s.width, s.height, opts...),
		order(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}}}))
}

// accessible runs axe-core.
func (b *browser) accessible(path, screen string) {
	b.t.Helper()
	found := value(b, chromedp.Evaluate[[]violation](`axe.run({resultTypes: ["violations"]}).then(r => r.violations)`, chromedp.EvalAwaitPromise))
	for _, v := range found {
		line := fmt.Sprintf("%s on %s: %s (%s) %+v", path, screen, v.ID, v.Impact, v.Nodes[0])
		if v.Impact == "serious" || v.Impact == "critical" {
			b.t.Error(line)
		} else {
			b.t.Log(line)
		}
	}
}

type violation struct {
	ID, Impact string
	Nodes      []struct{ HTML, FailureSummary string }
}

// axe is the source of axe-core; empty where there is none.
var axe = sync.OnceValue(func() string {
	text, _ := os.ReadFile(realserver.File("axe-core"))
	return string(text)
})

// TestBrowser drives the page as people do, while the demo's first case is played to
// the real daemon: it must follow by itself, act for who has the token and for
// nobody else, break no policy, and be readable light, dark, on a phone and by a
// screen reader.
func TestBrowser(t *testing.T) {
	realserver.Require(t, "chromium")
	w := startDemo(t)
	b := startBrowser(t, w.url)
	b.visit("/")
	b.sees("Nothing is wrong")
	b.sees("contoso.example")
	b.shoot("calm", "/")
	b.visit("/")

	w.XBL.ListTXT(w.Sender.String(), "Pushdo bot seen at 02:51 UTC <script>alert(1)</script>", "127.0.0.4")
	b.sees("One thing is wrong")
	if err := w.Contoso.Withdraw("STARTTLS", "DSN"); err != nil {
		t.Fatal(err)
	}
	b.sees("withdrew STARTTLS")
	b.sees("Live.")
	b.quiet()

	t.Run("pages", func(t *testing.T) {
		b := b.in(t)
		for name, path := range browsed {
			b.shoot(name, path)
		}
		b.quiet()
		b.do(chromedp.Navigate(b.base + "/nothing"))
		b.sees("Not Found")
		b.take() // the browser says 404 too
	})
	t.Run("filter", func(t *testing.T) {
		b := b.in(t)
		b.visit("/timeline?last=1d")
		b.do(chromedp.SendKeys(`input[name="partner"]`, "xbl"), chromedp.Submit(`main form.filters`))
		b.do(chromedp.WaitReady(`input[name="partner"][value="xbl"]`), chromedp.WaitReady("svg.time"))
		b.sees("Live.")
		rows := value(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll(".names li")].map(t => t.textContent)`))
		if !slices.Equal(rows, []string{"xbl"}) {
			t.Errorf("filtered by xbl, and yet there are %q", rows)
		}
		b.do(chromedp.Evaluate[chromedp.Void](`document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true}));0`))
		if at := value(b, chromedp.Evaluate[string]("document.activeElement.id")); at != "find" {
			t.Errorf("after / the cursor is at %q", at)
		}
		b.do(chromedp.SendKeys("#find", "203.0.113.7\n"))
		b.sees("Pushdo bot seen at 02:51 UTC <script>alert(1)</script>")
		b.quiet()
	})
	t.Run("acting", func(t *testing.T) { acting(t, b.in(t), w) })
	t.Run("keyboard", func(t *testing.T) { keyboard(t, b.in(t)) })
	t.Run("without JavaScript", func(t *testing.T) { plain(t, b.in(t)) })
	t.Run("axe-core", func(t *testing.T) {
		if axe() == "" {
			t.Skip("NOT RUN: axe-core is not there; scripts/test-deps gets it where there is npm")
		}
	})
}

// browsed are the pages, by the names of their pictures.
var browsed = map[string]string{"now": "/", "incidents": "/incidents", "incident": "/incidents/1", "ip": "/ip/203.0.113.7", "partner": "/partner/contoso.example",
	"provider": "/provider/exchange-online", "list": "/list/xbl", "learned": "/learned", "timeline": "/timeline", "ledger": "/ledger", "reports": "/reports", "health": "/health", "login": "/login"}

// in makes failures those of a subtest.
func (b *browser) in(t *testing.T) *browser {
	return &browser{t: t, ctx: b.ctx, base: b.base, complaints: b.complaints}
}
