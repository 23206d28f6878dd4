package setup

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/reputation"
)

// holds compares a check with what it should say: its state, and parts of its words.
func holds(t *testing.T, name string, got Check, state State, why, next string) {
	t.Helper()
	if got.State != state || !strings.Contains(got.Why, why) || !strings.Contains(got.Next, next) || next == "" && got.Next != "" {
		t.Errorf("%s: %s: %s\n  next: %s\nwant %s, %q, next %q", name, got.State, got.Why, got.Next, state, why, next)
	}
	if got.Why == "" || got.State == "" || got.Area == "" {
		t.Errorf("%s: incomplete: %+v", name, got)
	}
}

func TestJudgeResolver(t *testing.T) {
	own, public := netip.MustParseAddrPort("127.0.0.1:53"), netip.MustParseAddrPort("9.9.9.9:53")
	holds(t, "own", JudgeResolver(own, nil, 1500*time.Microsecond), OK, "127.0.0.1:53 answers in 1 ms", "")
	holds(t, "public", JudgeResolver(public, nil, time.Millisecond), Warn, "9.9.9.9 is a public resolver (Quad9)", "point dns.resolvers")
	holds(t, "silent", JudgeResolver(public, errors.New("timeout"), 0), Fail, "cannot be used: timeout", "dig @9.9.9.9 . NS")
}

func TestJudgeLists(t *testing.T) {
	conditions := func(healths ...dnsbl.Health) (out []dnsbl.Condition) {
		for i, h := range healths {
			out = append(out, dnsbl.Condition{List: &dnsbl.List{ID: string(rune('a' + i))}, Health: h, Why: "reason"})
		}
		return out
	}
	const ok, bad, untested = dnsbl.HealthOK, dnsbl.HealthSuspended, dnsbl.HealthUntested
	holds(t, "all", JudgeLists(conditions(ok, ok, untested), nil), OK, "2 of 2 lists", "")
	holds(t, "one not", JudgeLists(conditions(ok, bad), nil), Warn, "1 of 2 lists prove themselves by their test points; not b (reason)", "stay unknown")
	holds(t, "most not", JudgeLists(conditions(ok, bad, bad), nil), Fail, "1 of 3", "repwatch lists test")
	holds(t, "our trouble", JudgeLists(conditions(bad, bad, bad), &dnsbl.Trouble{Words: "strips 127/8", Next: "exempt them"}), Fail, "strips 127/8", "exempt them")
	holds(t, "none", JudgeLists(conditions(untested), nil), Off, "no list in use can be tested", "blocklists.use")
	many := JudgeLists(conditions(ok, ok, ok, ok, ok, ok, ok, bad, bad, bad, bad, bad, bad, bad), nil)
	holds(t, "many", many, Warn, "l (reason) and 2 more", "stay unknown")
}

func TestJudgeNames(t *testing.T) {
	ip := addr("198.18.0.1")
	finding := func(id string, v reputation.Verdict, impact reputation.Impact) smtp.Finding {
		return smtp.Finding{ID: id, Verdict: v, Impact: impact, What: id + " found", Why: "it hurts", Do: "mend " + id}
	}
	bad, unknown := reputation.Bad, reputation.Unknown
	for _, tt := range []struct {
		name      string
		findings  []smtp.Finding
		state     State
		why, next string
	}{
		{"fine", []smtp.Finding{{ID: smtp.OwnPTR, Verdict: reputation.Clear}}, OK, "mx1.example.com", ""},
		{"a note is none", []smtp.Finding{finding(smtp.OwnPTRMany, bad, reputation.Info)}, OK, "mx1.example.com", ""},
		{"high", []smtp.Finding{finding("a", bad, reputation.Medium), finding("b", bad, reputation.High)}, Fail, "b found: it hurts", "mend b"},
		{"medium", []smtp.Finding{finding("a", bad, reputation.Low), finding("b", bad, reputation.Medium)}, Warn, "b found", "mend b"},
		{"bad beats unknown", []smtp.Finding{finding("a", unknown, 0), finding("b", bad, reputation.Low)}, Warn, "b found", "mend b"},
		{"unknown", []smtp.Finding{finding("a", unknown, 0)}, Unknown, "a found", "mend a"},
		{"nobody said its name", []smtp.Finding{finding(smtp.OwnEHLOName, unknown, 0)}, Warn, "ehlo-name found", "mend ehlo-name"},
	} {
		holds(t, tt.name, JudgeNames(smtp.OwnReport{IP: ip, EHLO: "mx1.example.com", Findings: tt.findings}), tt.state, tt.why, tt.next)
	}
}

func TestJudgeDoor(t *testing.T) {
	us := smtp.Vantage{Name: "203.0.113.7", IP: addr("203.0.113.7")}
	look := func(partner string, failure smtp.Failure) smtp.Result {
		return smtp.Result{Target: smtp.Target{Partner: partner, Port: 25}, Failure: failure, Why: "why " + string(failure)}
	}
	greeted := func(seen string) smtp.Result {
		r := look("contoso.com", "")
		r.Greeting, r.Outcome = &smtp.Reply{Code: 220}, reputation.Advertised
		if seen != "" {
			r.SeenIP = addr(seen)
		}
		return r
	}
	rejected := greeted("203.0.113.7")
	rejected.Outcome, rejected.Why = reputation.Rejected, "554 go away"
	for _, tt := range []struct {
		name      string
		looks     []smtp.Result
		state     State
		why, next string
		seen      State // empty: nothing is said of it
	}{
		{"open", []smtp.Result{greeted("203.0.113.7")}, OK, "contoso.com answers 203.0.113.7 on port 25", "", OK},
		{"open, but not the first", []smtp.Result{look("a", smtp.FailTimeout), greeted("")}, OK, "contoso.com answers", "", Unknown},
		{"NAT", []smtp.Result{greeted("198.51.100.1")}, OK, "contoso.com answers", "", Fail},
		{"turned away", []smtp.Result{rejected}, Warn, "port 25 is open, but contoso.com turns 203.0.113.7 away: 554 go away", "repwatch probe contoso.com", OK},
		{"blocked", []smtp.Result{look("a", smtp.FailTimeout), look("b", smtp.FailRefused)}, Fail, "a (why timeout), b (why refused)", "block outbound port 25", ""},
		{"one partner is no proof", []smtp.Result{look("a", smtp.FailTimeout)}, Unknown, "one partner alone", "second partner", ""},
		{"two addresses of one partner neither", []smtp.Result{look("a", smtp.FailTimeout), look("a", smtp.FailTimeout)}, Unknown, "one partner alone", "second partner", ""},
		{"DNS is no evidence", []smtp.Result{look("a", smtp.FailResolver), look("b", smtp.FailRoute)}, Unknown, "why resolver", "see why", ""},
		{"bind", []smtp.Result{look("a", smtp.FailBind)}, Fail, "cannot be sent from", "as bind", ""},
		{"proxy", []smtp.Result{look("a", smtp.FailProxy)}, Fail, "the proxy", "SOCKS5", ""},
	} {
		checks := JudgeDoor(us, tt.looks)
		holds(t, tt.name, checks[0], tt.state, tt.why, tt.next)
		switch {
		case tt.seen == "" && len(checks) != 1, tt.seen != "" && (len(checks) != 2 || checks[1].State != tt.seen || checks[1].Area != AreaSeen):
			t.Errorf("%s: seen: %+v, want %q", tt.name, checks, tt.seen)
		}
	}
	holds(t, "nothing meant", JudgeDoor(smtp.Vantage{Name: "this host"}, []smtp.Result{greeted("203.0.113.7")})[1], OK, "contoso.com sees 203.0.113.7", "write it into sending_ips")
	holds(t, "NAT in words", JudgeDoor(us, []smtp.Result{greeted("198.51.100.1")})[1], Fail, "sees 198.51.100.1 where 203.0.113.7 is meant", "bind")
}

func TestJudgeClock(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	holds(t, "good", JudgeClock(now, now.Add(-time.Hour), true, true), OK, "2026-11-24T03:00:00Z", "")
	holds(t, "free running", JudgeClock(now, time.Time{}, false, true), Warn, "nobody synchronises it", "chrony")
	holds(t, "silent kernel", JudgeClock(now, time.Time{}, false, false), Unknown, "does not say", "")
	holds(t, "in the past", JudgeClock(now, now.Add(time.Hour), true, true), Fail, "before this program was made", "chrony")
	if c := LookAtClock(now); c.Area != AreaClock || c.State == "" || c.Why == "" {
		t.Errorf("this host: %+v", c)
	}
}

// TestFold: a long area is told in one line but for what needs work.
func TestFold(t *testing.T) {
	var checks []Check
	for range manyAddresses {
		checks = append(checks, Check{Area: AreaNames, State: OK})
	}
	if got := Fold(AreaNames, checks); len(got) != manyAddresses {
		t.Errorf("%d of few", len(got))
	}
	checks = append(checks, Check{Area: AreaNames, State: Fail, Why: "no PTR"}, Check{Area: AreaNames, State: Unknown})
	got := Fold(AreaNames, checks)
	if len(got) != 3 || got[0].Why != "8 of 10 addresses are as they should be" || got[1].Why != "no PTR" || got[2].State != Unknown {
		t.Errorf("%+v", got)
	}
}
