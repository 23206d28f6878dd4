package web

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// somewhere is a reverse proxy that shows the page below a path of its own, which it
// takes off what it passes on; the page knows nothing of it.
const somewhere = "/on/the/intranet/"

func behindProxy(t *testing.T, s *site) *httptest.Server {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "127.0.0.1:8025", "127.0.0.1:8025"
		},
		Transport: inProcess{s},
	}
	mux := http.NewServeMux()
	mux.Handle(somewhere, http.StripPrefix(strings.TrimSuffix(somewhere, "/"), proxy))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// inProcess asks the page without a socket between.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	return res, nil
}

var leads = regexp.MustCompile(`(?:href|src|srcset|action|data-events)="([^"]*)"`)

// TestBehindAnyPath: every link of every page stays below the proxy's path, and leads somewhere.
func TestBehindAnyPath(t *testing.T) {
	server := behindProxy(t, open(t, "web: {token: "+token+"}\n"))
	start, err := url.Parse(server.URL + somewhere)
	if err != nil {
		t.Fatal(err)
	}
	seen, todo := map[string]bool{start.String(): true}, []*url.URL{start}
	for len(todo) > 0 && len(seen) < 400 {
		at := todo[0]
		todo = todo[1:]
		res, err := http.Get(at.String())
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %v", at, res.Status, err)
		}
		if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || strings.Contains(res.Header.Get("Content-Disposition"), "attachment") {
			continue
		}
		for _, m := range leads.FindAllStringSubmatch(string(body), -1) {
			to, err := at.Parse(html.UnescapeString(m[1]))
			if err != nil {
				t.Fatalf("%s leads to %q: %v", at, m[1], err)
			}
			to.Fragment = ""
			switch {
			case to.Scheme == "data", to.Host != start.Host: // the icon; pages of others
			case !strings.HasPrefix(to.Path, somewhere):
				t.Errorf("%s leads out of the proxy's path: %s", at, m[1])
			case strings.HasSuffix(to.Path, "/api/v1/events"), strings.HasSuffix(to.Path, "/logout"), strings.HasSuffix(to.Path, "/find"):
			case !seen[to.String()]:
				seen[to.String()] = true
				todo = append(todo, to)
			}
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d pages and files were found", len(seen))
	}
}

// TestActingBehindAnyPath: the sign-in and what follows lead back to pages below the path.
func TestActingBehindAnyPath(t *testing.T) {
	s := open(t, "web: {token: "+token+"}\n")
	server := behindProxy(t, s)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	post := func(path string, form url.Values) (at, body string) {
		t.Helper()
		res, err := client.PostForm(server.URL+somewhere+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v\n%s", path, res.Status, err, raw)
		}
		return res.Request.URL.Path, string(raw)
	}
	at, body := post("login", url.Values{"token": {token}, "name": {"carol"}})
	if at != somewhere || !strings.Contains(body, "You act as carol") {
		t.Fatalf("the sign-in leads to %s:\n%s", at, body)
	}
	res, err := client.Get(server.URL + somewhere + "incidents/3")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(res.Body)
	res.Body.Close()
	csrf := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindSubmatch(raw)
	if err != nil || csrf == nil {
		t.Fatalf("no mark on the form: %v\n%s", err, raw)
	}
	at, body = post("act/3/ack", url.Values{"csrf": {string(csrf[1])}, "reason": {"on it"}})
	if at != somewhere+"incidents/3" || !strings.Contains(body, `class="said"`) {
		t.Errorf("acting leads to %s:\n%s", at, body)
	}
	if res, err = client.Get(server.URL + somewhere + "find?q=203.0.113.7"); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.Request.URL.Path != somewhere+"ip/203.0.113.7" {
		t.Errorf("looking for an address leads to %s", res.Request.URL.Path)
	}
	if len(s.d.acted) != 1 {
		t.Errorf("the daemon was asked: %+v", s.d.acted)
	}
}
