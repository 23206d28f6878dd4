package correlate_test

import (
	"errors"
	"strings"
	"testing"

	"repwatch/correlate"
)

func replayed(t *testing.T, p *tape) string {
	t.Helper()
	var b strings.Builder
	if err := correlate.Replay(p.events, world(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func onlineOf(t *testing.T, out string) string {
	t.Helper()
	for l := range strings.Lines(out) {
		if strings.HasPrefix(l, `{"seq":1,"stage":"online"`) {
			return l
		}
	}
	t.Fatalf("no online verdict in\n%s", out)
	return ""
}

// An online verdict knows what was seen within 65 minutes and nothing later.
func TestOnlineVerdictKnowsNoFuture(t *testing.T) {
	tape := func(seen float64) *tape {
		p := &tape{t: t}
		p.lost(ipA, partner(0), 0, 60)
		for _, who := range []string{correlate.Control, ipB, ipC} {
			p.lost(who, partner(0), 10, seen)
		}
		return p
	}
	if l := onlineOf(t, replayed(t, tape(124))); !strings.Contains(l, "partner-wide") {
		t.Errorf("seen after 64 min, but %s", l)
	}
	if l := onlineOf(t, replayed(t, tape(126))); !strings.Contains(l, "private") {
		t.Errorf("seen after 66 min, but %s", l)
	}
}

// A whole replay, line for line: forecasts as the list fires, verdicts, the edge.
func TestReplayLines(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 3, 0)
	p.listed(ipA, xbl, now-5, now)
	var kinds []string
	for l := range strings.Lines(replayed(t, p)) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(l, "{"), ":")
		if strings.Contains(l, `"stage":"online"`) {
			kind = "online"
		}
		kinds = append(kinds, strings.Trim(kind, `"`))
	}
	want := "online forecast online forecast online forecast seq seq seq edge"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReplayOfNothing(t *testing.T) {
	if out := replayed(t, &tape{t: t}); out != "" {
		t.Errorf("said %q", out)
	}
}

type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestReplayReportsWriteErrors(t *testing.T) {
	p := &tape{t: t}
	p.lost(ipA, partner(0), 0, 60)
	if err := correlate.Replay(p.events, world(), brokenPipe{}); !errors.Is(err, errPipe) {
		t.Errorf("got %v", err)
	}
}
