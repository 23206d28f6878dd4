package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"repwatch/internal/realserver"
	"repwatch/web"
)

func (b *browser) signIn(name string) {
	b.t.Helper()
	b.visit("/login")
	b.do(chromedp.SendKeys("#who", name), chromedp.SendKeys("#token", browserToken), chromedp.Submit("form.login"))
	b.says("You act as " + name)
}

// says waits like sees, with nothing of it running in the page: a page without
// scripts can be waited for too.
func (b *browser) says(text string) {
	b.t.Helper()
	body := ""
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if body = value(b, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''")); strings.Contains(body, text) {
			return
		}
	}
	b.t.Fatalf("the page does not say %q; it says:\n%s", text, body)
}

// acting: without the token nobody acts, with it a person does, by name.
func acting(t *testing.T, b *browser, w *demoWorld) {
	b.visit("/incidents/1")
	if buttons := value(b, chromedp.Evaluate[int](`document.querySelectorAll("main button").length`)); buttons != 0 {
		t.Errorf("nobody has signed in, and yet there are %d buttons", buttons)
	}
	res, err := http.PostForm(w.url+"/act/1/ack", url.Values{"csrf": {"guessed"}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusForbidden {
		t.Errorf("without the token: %s", res.Status)
	}
	b.signIn("carol")
	b.shoot("acting", "/incidents/1")
	b.do(chromedp.Click(`form[action$="/snooze"] button`))
	b.sees("Done: snooze #1")
	b.sees("quiet until 20")
	b.do(chromedp.Submit(`footer form`))
	b.sees("Sign in to act")
	b.quiet()
}

// stop is where the keyboard comes by.
type stop struct {
	Name    string
	Visible bool // the focus can be seen
}

// stops goes through a page with the Tab key.
func (b *browser) stops(most int) (out []stop) {
	b.t.Helper()
	for range most {
		b.do(chromedp.KeyEvent(kb.Tab))
		s := value(b, chromedp.Evaluate[stop](`(() => {
			const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
			const name = at === document.body ? "" : at.getAttribute("name") || (at.textContent || "").trim().slice(0, 40);
			return {Name: name, Visible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 && box.width > 1 && box.height > 1 && box.left >= 0 && box.top >= 0};
		})()`))
		if s.Name == "" {
			return out
		}
		out = append(out, s)
	}
	return out
}

// keyboard: whoever has no mouse comes by everything, in the order in which it stands
// there, always seeing where, and past the menu with one key.
func keyboard(t *testing.T, b *browser) {
	b.signIn("dave")
	b.visit("/incidents/1")
	stops := b.stops(80)
	want := []string{"Skip to what matters", "repwatch", "Now 1 open", "Incidents", "Timeline", "Learned", "Reports", "Ledger", "Health", "q",
		"https://lists.example/remove/203.0.113.7", "reason", "I have it in hand", "for", "Snooze", "Look now", "Close it", "203.0.113.7", "xbl", "contoso.example", "Sign out"}
	at := 0
	for _, s := range stops {
		if !s.Visible {
			t.Errorf("the focus cannot be seen at %q", s.Name)
		}
		if at < len(want) && strings.HasPrefix(s.Name, want[at]) {
			at++
		}
	}
	if at < len(want) || stops[0].Name != want[0] {
		t.Errorf("the keyboard does not come to %q after what is before it: %+v", want[min(at, len(want)-1)], stops)
	}
	b.visit("/incidents/1")
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	if past := b.stops(1); len(past) != 1 || past[0].Name != "https://lists.example/remove/203.0.113.7" {
		t.Errorf("past the menu there is %+v", past)
	}
	b.do(chromedp.Submit(`footer form`))
	b.says("Sign in to act")
	b.quiet()
}

// plain: each page says the same, and a person acts, where scripts do not run.
func plain(t *testing.T, b *browser) {
	scripts := func(off bool) {
		b.do(order(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: off}))
	}
	const told = `[...document.querySelectorAll("h1, h2, h3, h4, th[scope=col], .names li, summary, label, button")].map(e => e.textContent.trim().replace(/\s+/g, " ").replace(/\d+/g, "n"))`
	skeleton := func(path string) []string {
		b.visit(path)
		return value(b, chromedp.Evaluate[[]string](told))
	}
	with := map[string][]string{}
	for _, path := range browsed {
		with[path] = skeleton(path)
	}
	scripts(true)
	defer scripts(false)
	for _, path := range browsed {
		if without := skeleton(path); !slices.Equal(without, with[path]) || len(without) == 0 {
			t.Errorf("%s without scripts: %q, with them: %q", path, without, with[path])
		}
		b.says("As of ")
	}
	b.signIn("erin")
	b.visit("/incidents/1")
	b.do(chromedp.SendKeys(`input[name="reason"]`, "reimaging the host"), chromedp.Click(`form[action$="/ack"] button`))
	b.says("Done: ack #1")
	b.says("in hand: erin")
	b.says("reimaging the host")
	b.visit("/")
	b.says("All of it is in hand.")
	b.visit("/timeline")
	b.do(chromedp.SendKeys(`input[name="partner"]`, "xbl"), chromedp.Submit(`main form.filters`))
	b.do(chromedp.WaitReady(`input[name="partner"][value="xbl"]`))
	b.do(chromedp.Submit(`footer form`))
	b.says("Sign in to act")
	b.quiet()
}

// TestBigSite: the pages of a large site, over a year, are still for people: the worst
// first, the rest folded, nothing sideways.
func TestBigSite(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN with -short: a year of 4,096 addresses takes its time")
	}
	realserver.Require(t, "chromium")
	page := web.Year(t, 4096, 50, 60, 16)
	s := httptest.NewServer(page)
	t.Cleanup(s.Close)
	b := startBrowser(t, s.URL)
	for name, path := range map[string]string{"now": "/", "incidents": "/incidents?show=all", "ip": "/ip/10.0.0.1", "partner": "/partner/p13.example", "provider": "/provider/cisco",
		"list": "/list/l1", "timeline": "/timeline", "year": "/timeline?last=1y", "health": "/health"} {
		heights := b.shoot("big-"+name, path, screens[0], screens[2])
		if heights["light"] > 4*800 || heights["phone"] > 7*844 {
			t.Errorf("%s is %d high, on a phone %d", path, heights["light"], heights["phone"])
		}
	}
	b.quiet()
}
