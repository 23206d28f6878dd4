package main

import (
	"bytes"
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
