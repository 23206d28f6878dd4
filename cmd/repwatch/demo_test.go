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
		"contoso.example offers STARTTLS to 203.0.113.7",
		"451 5.7.3",
		"contoso.example does not offer STARTTLS to 203.0.113.7, but serves the control office normally and offers it DSN besides",
		"listed xbl: exploited host (127.0.0.4, impact critical)",
		"reason: Pushdo bot",
		"delist at https://lists.example/remove/203.0.113.7",
		"203.0.113.7 not listed on the 2 lists",
		"contoso.example offers STARTTLS to 203.0.113.7",
		"203.0.113.7 not listed on the 2 lists",
		"fabrikam.example does not offer STARTTLS to 203.0.113.7",
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
