package web

import (
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"repwatch/api"
)

// TestHeadersOnEveryAnswer: whatever is asked, and however it is refused, the browser
// is told what the answer may not do.
func TestHeadersOnEveryAnswer(t *testing.T) {
	s := open(t, "web: {prefix: /mail, token: "+token+"}\n")
	form := url.Values{"name": {"x"}, "token": {"wrong"}}
	for _, tt := range []struct {
		method, path string
		code         int
		header       []string
	}{
		{"GET", "/mail/", 200, nil},
		{"GET", "/mail", 303, nil},
		{"GET", "/mail/find?q=203.0.113.7", 303, nil},
		{"GET", "/mail/assets/style.css", 200, nil},
		{"GET", "/mail/assets/nothing.css", 404, nil},
		{"GET", "/mail/nothing", 404, nil},
		{"GET", "/mail/incidents/77", 404, nil},
		{"GET", "/mail/timeline?from=yesterday", 400, nil},
		{"POST", "/mail/login", 403, nil},
		{"POST", "/mail/act/3/ack", 403, nil},
		{"POST", "/mail/act/3/ack", 403, []string{"Origin", "http://evil.example"}},
		{"POST", "/mail/act/3/ack", 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{"POST", "/mail/", 405, nil},
		{"GET", "/mail/api/v1/status", 200, nil},
		{"GET", "/mail/api/v1/nothing", 404, nil},
		{"GET", "/mail/healthz", 200, nil},
		{"GET", "/mail/metrics", 200, nil},
		{"GET", "/mail/", 421, []string{"Host", "evil.example"}},
		{"GET", "/mailbox", 404, nil},
		{"GET", "/mail//evil.example", 404, nil},
		{"GET", "/", 404, nil},
	} {
		res := s.ask(tt.method, tt.path, form, tt.header...)
		if res.StatusCode != tt.code {
			t.Errorf("%s %s %v: %s, want %d", tt.method, tt.path, tt.header, res.Status, tt.code)
		}
		for key, want := range map[string]string{"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got := res.Header.Get(key); got != want {
				t.Errorf("%s %s %v: %s is %q", tt.method, tt.path, tt.header, key, got)
			}
		}
	}
	for _, must := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self'", "style-src 'self'"} {
		if !strings.Contains(policy, must) {
			t.Errorf("the policy has no %s", must)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
		t.Errorf("the policy lets others in: %s", policy)
	}
}

// TestHostOfOtherListeners: who listens elsewhere has a proxy or a network before it,
// whose names are not ours to know.
func TestHostOfOtherListeners(t *testing.T) {
	for listen, evil := range map[string]bool{"127.0.0.1:8025": false, "localhost:8025": false, "[::1]:8025": false, "192.0.2.1:8025": true, ":8025": true} {
		p := &Page{listen: listen}
		for host, want := range map[string]bool{"evil.example": evil, "127.0.0.1": true, "LOCALHOST:1": true, "127.1.2.3:80": true, "localhost.evil.example": evil, "127.0.0.1.evil.example:8025": evil, "": evil, "[::1]": true, "[::ffff:127.0.0.1]:80": true} {
			if got := p.hostMeant(host); got != want {
				t.Errorf("at %s: %q is meant: %v", listen, host, got)
			}
		}
	}
}

// TestCookie: below the prefix alone, not for scripts, not for other sites, and only
// over TLS where the page is asked for over TLS.
func TestCookie(t *testing.T) {
	s := open(t, "web: {prefix: /mail, token: "+token+"}\n")
	for name, secure := range map[string]bool{"plain": false, "proxy": true, "tls": true} {
		r := httptest.NewRequest("POST", "http://127.0.0.1:8025/mail/login", strings.NewReader(url.Values{"token": {token}, "name": {" carol\x1b[2J\n" + strings.Repeat("é", 80)}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		switch name {
		case "proxy":
			r.Header.Set("X-Forwarded-Proto", "HTTPS")
		case "tls":
			r.TLS = &tls.ConnectionState{}
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		cookies := w.Result().Cookies()
		if w.Code != http.StatusSeeOther || len(cookies) != 1 || w.Header().Get("Location") != "/mail/" {
			t.Fatalf("%s: %d %v", name, w.Code, w.Header())
		}
		c := cookies[0]
		if c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/mail/" || c.MaxAge != int(sessionLasts.Seconds()) || c.Domain != "" || strings.Contains(c.Value, token) {
			t.Errorf("%s: %+v", name, c)
		}
		who, ok := s.doors.of(asking(c))
		if !ok || !strings.HasPrefix(who.Name, "carol[2J") || len(who.Name) > maxName || strings.ContainsAny(who.Name, "\x1b\n") {
			t.Errorf("%s: %q, %v", name, who.Name, ok)
		}
	}
}

func asking(c *http.Cookie) *http.Request {
	r := httptest.NewRequest("POST", "http://127.0.0.1:8025/mail/recheck", nil)
	r.AddCookie(c)
	return r
}

// TestSessionsAreSealed: a session that we did not open, that was changed, or that is
// over, is none.
func TestSessionsAreSealed(t *testing.T) {
	s := open(t, "web: {token: "+token+"}\n")
	good, err := s.doors.open("carol", time.Now(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.doors.of(asking(good)); !ok {
		t.Fatal("a good session is none")
	}
	late, err := s.doors.open("carol", time.Now().Add(-sessionLasts-time.Minute), false)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good.Value, ".")
	with := func(at int, text string) string {
		changed := append([]string{}, parts...)
		changed[at] = text
		return strings.Join(changed, ".")
	}
	key, _ := s.doors.key()
	body := strings.Join(parts[:3], ".")
	for name, value := range map[string]string{
		"over":                late.Value,
		"longer":              with(2, strconv.FormatInt(time.Now().AddDate(1, 0, 0).Unix(), 10)),
		"another name":        with(1, base64.RawURLEncoding.EncodeToString([]byte("root"))),
		"no seal":             with(3, ""),
		"a form's seal":       with(3, seal(key, "form", body)),
		"empty":               "",
		"nothing but a point": ".",
		"too short":           "a.b." + seal(key, "session", "a.b"),
	} {
		if _, ok := s.doors.of(asking(&http.Cookie{Name: sessionCookie, Value: value})); ok {
			t.Errorf("%s: it is taken", name)
		}
	}
}

// TestEveryFormIsOfItsSession: each way to act refuses a form without the session, with
// another's mark, and from another site; and says so without having asked the daemon.
func TestEveryFormIsOfItsSession(t *testing.T) {
	s := open(t, "web: {token: "+token+"}\n")
	s.doors.limit.SetLimit(rate.Inf)
	stranger := &site{Page: s.Page, d: s.d, jar: map[string]*http.Cookie{}}
	csrf := s.signIn(t)
	other := s.jar[sessionCookie]
	delete(s.jar, sessionCookie)
	if another := s.signIn(t); another == csrf {
		t.Fatal("two sessions have one mark")
	}
	for _, path := range []string{"/act/3/ack", "/act/3/snooze", "/act/3/resolve", "/act/3/unrelated", "/recheck"} {
		form := url.Values{"csrf": {csrf}, "for": {"4h"}, "subject": {"203.0.113.7"}}
		for name, res := range map[string]*http.Response{
			"no session":      stranger.ask("POST", path, form),
			"another session": s.ask("POST", path, form),
			"no mark":         s.ask("POST", path, url.Values{"for": {"4h"}, "subject": {"203.0.113.7"}}),
		} {
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("POST %s, %s: %s", path, name, res.Status)
			}
		}
		s.jar[sessionCookie] = other
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "null"}, {"Origin", "https://127.0.0.1:8026"}} {
			if res := s.ask("POST", path, form, header...); res.StatusCode != http.StatusForbidden {
				t.Errorf("POST %s, %v: %s", path, header, res.Status)
			}
		}
		if res := s.ask("POST", path+"?"+form.Encode(), nil); res.StatusCode != http.StatusForbidden {
			t.Errorf("POST %s, the mark in the address: %s", path, res.Status)
		}
		if res := s.ask("GET", path+"?"+form.Encode(), nil); res.StatusCode < 400 {
			t.Errorf("GET %s acts: %s", path, res.Status)
		}
		s.signIn(t)
	}
	if len(s.d.acted) != 0 || s.d.asked != "" {
		t.Fatalf("the daemon was asked: %+v, %q", s.d.acted, s.d.asked)
	}
	s.jar[sessionCookie] = other
	if res := s.ask("POST", "/recheck", url.Values{"csrf": {csrf}, "subject": {"//evil.example"}}); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "./" {
		t.Errorf("looking at what is not ours leads to %q (%s)", res.Header.Get("Location"), res.Status)
	}
}

// TestForeignTextStaysText wherever a function of ours makes HTML.
func TestForeignTextStaysText(t *testing.T) {
	const evil = `"><script>alert(1)</script>&'`
	at := time.Now()
	var marks strings.Builder
	d := drawing{from: at.Add(-time.Hour), to: at, at: at, zone: time.UTC, base: "/mail"}
	d.gap(&marks, api.TimeGap{From: &d.from, To: &d.to, Why: evil}, 0)
	d.bar(&marks, api.TimeBar{Subject: evil, Words: evil, Since: &d.from, Incident: evil, Cause: api.Ours}, 0)
	for name, html := range map[string]string{"mark": string(mark(evil)), "linked": string(linked(evil, func(string) bool { return true })), "timeline": marks.String()} {
		if strings.Contains(html, "<script") || strings.Contains(html, `""`) || strings.Contains(html, `"">`) {
			t.Errorf("%s: %s", name, html)
		}
	}
}

// TestTheWholeTokenCounts, on the page and for programs.
func TestTheWholeTokenCounts(t *testing.T) {
	s := open(t, "web: {token: "+token+"}\n")
	for _, guess := range []string{"", token[:1], token[:len(token)-1], token + "x", strings.ToUpper(token), " " + token[:4]} {
		if s.doors.knows(guess) {
			t.Errorf("%q is taken for the token", guess)
		}
	}
	if !s.doors.knows(token) {
		t.Error("the token is not known")
	}
	s.doors.token = func() (string, error) { return "", nil }
	if s.doors.knows("") {
		t.Error("without a token nobody gets in, an empty one neither")
	}
}
