package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The demo is the first thing anyone sees: it tells both stories, in order, and ends well.
func TestDemoTellsBothStories(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--fast"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit %d\n%s", code, errs.String())
	}
	rest := strings.Join(strings.Fields(out.String()), " ")
	for _, says := range []string{
		"suspended expired: lists the world",
		"contoso.example offers 203.0.113.7: 8BITMIME, AUTH",
		"alert #1",
		"203.0.113.7 is on xbl: exploited host",
		"Pushdo bot",
		"delist: https://lists.example/remove/203.0.113.7",
		"451 5.7.3",
		"news of #1",
		"contoso.example withdrew STARTTLS and DSN from 203.0.113.7, probably because it is on xbl",
		"no longer on xbl",
		"the end of #1",
		"STARTTLS and DSN are back for 203.0.113.7",
		"of the delisting from xbl",
		"alert #2",
		"fabrikam.example withdrew STARTTLS from 203.0.113.8 by its own judgement",
		"the control still gets it",
		"What is remembered",
		"fabrikam.example withdrew STARTTLS from 203.0.113.8 by its own judgement", // and so it stays
		"Now yours",
	} {
		_, after, found := strings.Cut(rest, says)
		if !found {
			t.Fatalf("not said, or not in order: %q\n%s", says, out.String())
		}
		rest = after
	}
	if errs.Len() > 0 {
		t.Errorf("said on stderr: %s", errs.String())
	}
}

// With --stay the page is up after the stories, and Ctrl-C ends both.
func TestDemoStaysWithItsPage(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--fast", "--stay"}, strings.NewReader(""), w, &errs)
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	for lines.Scan() && !strings.Contains(lines.Text(), "until you press Ctrl-C") {
	}
	_, url, _ := strings.Cut(lines.Text(), "its page at ")
	url, _, _ = strings.Cut(url, " ")
	go func() {
		_, _ = io.Copy(io.Discard, r) // so that nothing printed afterwards waits for a reader
	}()
	res, err := http.Get(url)
	if err != nil {
		t.Fatalf("no page at %q after %q: %v", url, lines.Text(), err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), "fabrikam.example withdrew STARTTLS") {
		t.Errorf("the page does not show the open incident (%v):\n%s", err, body)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
