package smtp

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"repwatch/reputation"
)

// A story is a row of looks, one a line:
//
//	+60m absent B control=advertised addrs=2 | lost starttls (60m,120m] -STARTTLS | self@2m!B peers
//
// time since the line before; outcome; address (A, B, ... ); what differs from
// eopOffer (-KEYWORD, +KEYWORD, KEYWORD=params, tls+KEYWORD, tls-KEYWORD); then
// the transition ("-" is none), then the wants, if they are to be compared.
const eopOffer = "SIZE=157286400 PIPELINING DSN ENHANCEDSTATUSCODES STARTTLS AUTH 8BITMIME BINARYMIME CHUNKING"

var storyStart = time.Date(2026, 11, 16, 8, 0, 0, 0, time.UTC)

func TestJudgeStories(t *testing.T) {
	stories := []struct {
		name    string
		require []string
		looks   string
	}{
		{"first clean looks are silent", nil, `
			+0  advertised A | - | self@2m
			+2m advertised A | - |
			+1h advertised A | - |`},
		{"listed and delisted (story 1)", nil, `
			+0   advertised A | -
			+2m  advertised A | -
			+1h  absent A     | - | self@2m!A control@0
			+2m  absent A control=advertised | lost starttls (2m,62m] -STARTTLS | control@0 peers@0
			+1h  absent A     | - |
			+10m advertised A | - | self@2m!A
			+2m  advertised A | back starttls (124m,134m] +STARTTLS |
			+1h  advertised A | - |`},
		{"other verbs go with STARTTLS", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h absent A -CHUNKING -AUTH SIZE=1 | -
			+2m absent A -CHUNKING -AUTH SIZE=1 | lost starttls (2m,62m] -AUTH -CHUNKING -STARTTLS ~SIZE:157286400>1`},
		{"installed when already stuck, the control sees it", nil, `
			+0  absent A     | - | self@2m control@0
			+1m absent A control=advertised | lost starttls (before we looked,1m] -STARTTLS | self@2m control@0 peers@0
			+1h advertised A | -
			+2m advertised A | back starttls (1m,61m] +STARTTLS`},
		{"installed when already stuck, require names it", []string{"STARTTLS"}, `
			+0  absent A | lost starttls (before we looked,0s] -STARTTLS | self@2m control@0 peers@0`},
		{"a partner that never offers it", nil, `
			+0  absent A control=absent | - | self@2m
			+2m absent A control=absent | - |
			+1h absent A control=absent | - |`},
		{"the control comes later and sees it", nil, `
			+0  absent A | -
			+2m absent A | - |
			+1h absent A control=advertised | lost starttls (before we looked,62m] -STARTTLS`},
		{"seen once, then gone, and the control sees it", nil, `
			+0  advertised A | -
			+1h absent A control=advertised | lost starttls (0s,60m] -STARTTLS`},
		{"the control shows which verbs we are denied", nil, `
			+0  absent A -DSN control=advertised controlcaps | lost starttls (before we looked,0s] -DSN -STARTTLS`},
		{"refused at first sight, the control is served", nil, `
			+0  rejected A control=absent | lost rejected (before we looked,0s]`},
		{"refused at first sight, no control: the second look tells", nil, `
			+0  rejected A | - | self@2m!A control@0
			+2m rejected A | lost rejected (before we looked,0s] | control@0 peers@0`},
		{"refused by everybody at first sight: the second look tells", nil, `
			+0  rejected A control=rejected | -
			+2m rejected A control=rejected | lost rejected (before we looked,0s]`},
		{"broken at first sight for us alone", nil, `
			+0  broken A control=advertised | lost broken (before we looked,0s]`},
		{"broken at first sight, the control is served without TLS: no proof", nil, `
			+0  broken A control=absent | -`},
		{"masked at first sight", nil, `
			+0  masked A control=advertised | lost masked (before we looked,0s]`},
		{"postscreen shows newcomers less", nil, `
			+0  advertised A -PIPELINING -CHUNKING | -
			+2m advertised A                       | -
			+2m advertised A                       | -
			+1h advertised A                       | -`},
		{"postscreen newcomer without STARTTLS", nil, `
			+0  absent A     | -
			+2m advertised A | -
			+2m advertised A | -
			+1h absent A     | -
			+2m absent A     | lost starttls (4m,64m] -STARTTLS`},
		{"one look is no baseline", nil, `
			+0  advertised A | -
			+1h absent A     | -
			+2m absent A     | -
			+1h absent A     | -`},
		{"a second look too early confirms nothing", nil, `
			+0  advertised A  | -
			+2m advertised A  | -
			+1h absent A      | -
			+5s absent A      | - | self@115s!A control@0
			+115s absent A    | lost starttls (2m,62m] -STARTTLS`},
		{"the second look is to be at another address", nil, `
			+0  advertised A addrs=2 | -
			+2m advertised B addrs=2 | -
			+1h absent A addrs=2 | -
			+2m absent A addrs=2 | - | self@4m!A control@0
			+4m absent B addrs=2 | lost starttls (2m,62m] -STARTTLS at A B`},
		{"the other address is dead: the third look does", nil, `
			+0  advertised A addrs=2 | -
			+2m advertised A addrs=2 | -
			+1h absent A addrs=2   | - | self@2m!A control@0
			+2m unknown B addrs=2  | - | self@2m!A
			+2m unknown B addrs=2  | - | self@4m
			+4m absent A addrs=2   | -
			+4m absent A addrs=2   | lost starttls (2m,62m] -STARTTLS`},
		{"a pool that differs is flapping, told once, and no loss", nil, `
			+0  advertised A addrs=2 | -
			+2m advertised A addrs=2 | -
			+1h absent B addrs=2     | - | self@2m!B control@0
			+2m advertised A addrs=2 | flapping starttls (2m,64m] at B A |
			+1h absent B addrs=2     | -
			+2m advertised A addrs=2 | -
			+1h absent B addrs=2     | -
			+2m absent B addrs=2     | -
			+2m absent B addrs=2     | -
			+2m advertised A addrs=2 | -`},
		{"flapping that settles", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h absent A     | -
			+2m advertised A | flapping starttls (2m,64m] at A
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | steady (62m,64m]
			+1h absent A     | -
			+2m absent A     | lost starttls (484m,544m] -STARTTLS`},
		{"flapping that becomes a loss takes more looks", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h absent A     | -
			+2m advertised A | flapping starttls (2m,64m] at A
			+1h absent A     | - | self@2m!A control@0
			+2m absent A     | - | self@4m!A control@0
			+4m absent A     | - | self@8m!A control@0
			+8m absent A     | lost starttls (64m,124m] -STARTTLS`},
		{"a return that does not last stays lost, and is told", nil, `
			+0  absent A control=advertised | lost starttls (before we looked,0s] -STARTTLS
			+1h advertised A | - | self@2m!A
			+2m absent A     | flapping starttls (0s,62m] at A
			+1h absent A     | -
			+1h advertised A | -
			+2m advertised A | -
			+4m advertised A | -
			+8m advertised A | back starttls (122m,182m] +STARTTLS`},
		{"a 421 storm moves nothing", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h deferred A   | - |
			+1m deferred A   | - |
			+1m unknown A    | - |
			+1h advertised A | -`},
		{"a 421 storm does not hide a loss, nor confirm it", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h absent A     | -
			+2m deferred A   | - | self@2m!A
			+2m deferred A   | - | self@4m
			+4m absent A     | lost starttls (2m,62m] -STARTTLS`},
		{"the kind of loss changes", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h absent A     | -
			+2m absent A     | lost starttls (2m,62m] -STARTTLS
			+1h rejected A   | - | self@2m
			+2m rejected A   | changed rejected (64m,124m]
			+1h advertised A | -
			+2m advertised A | back rejected (126m,186m] +STARTTLS`},
		{"two bad looks of two kinds are a loss", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h absent A     | -
			+2m rejected A   | lost rejected (2m,62m]`},
		{"a required capability goes", []string{"SIZE"}, `
			+0  advertised A | -
			+2m advertised A | -
			+1h advertised A -SIZE | -
			+2m advertised A -SIZE | lost capability (2m,62m] -SIZE
			+1h advertised A | -
			+2m advertised A | back capability (64m,124m] +SIZE`},
		{"a required capability is not there at first sight", []string{"SIZE"}, `
			+0  absent A -SIZE | lost capability (before we looked,0s] -SIZE`},
		{"a capability required inside TLS is judged there", []string{"REQUIRETLS"}, `
			+0  advertised A tls+REQUIRETLS | -
			+2m advertised A tls+REQUIRETLS | -
			+1h advertised A | -
			+2m advertised A | -
			+1h advertised A tls+SIZE | -
			+2m advertised A tls+SIZE | lost capability (64m,124m] +SIZE (inside TLS) -REQUIRETLS (inside TLS)`},
		{"capabilities that come and go beside STARTTLS", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h advertised A -CHUNKING +SMTPUTF8 AUTH=LOGIN | - | self@2m!A
			+2m advertised A -CHUNKING +SMTPUTF8 AUTH=LOGIN | changed (2m,62m] -CHUNKING +SMTPUTF8 ~AUTH:>LOGIN
			+1h advertised A -CHUNKING +SMTPUTF8 AUTH=LOGIN | -`},
		{"STARTTLS comes to a partner without it, and counts from then on", nil, `
			+0  absent A     | -
			+2m absent A     | -
			+1h advertised A | - | self@2m!A
			+2m advertised A | changed (2m,62m] +STARTTLS
			+1h absent A     | -
			+2m absent A     | lost starttls (64m,124m] -STARTTLS`},
		{"STARTTLS goes while another loss waits for its second look", []string{"SIZE"}, `
			+0  absent A           | -
			+2m absent A           | -
			+1h advertised A -SIZE | -
			+1m absent A control=advertised | lost starttls (2m,62m] -STARTTLS`},
		{"a required capability was there in the one look before", []string{"SIZE"}, `
			+0  advertised A   | -
			+1h absent A -SIZE | lost capability (0s,60m] -SIZE`},
		{"only so many sets are kept while none agree", nil, `
			+0  advertised A +V | - | self@2m
			+2m advertised A +W | - | self@4m
			+2m advertised A +X | - | self@8m
			+2m advertised A +Y | - | self@16m
			+2m advertised A +Z | - | self@16m
			+2m advertised A +V | - | self@16m
			+2m advertised A +Y | - |`},
		{"two looks at once confirm no change of capabilities", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h advertised A -DSN | -
			+5s advertised A -DSN | -
			+2m advertised A -DSN | changed (2m,62m] -DSN`},
		{"two looks at once confirm no other kind of loss", nil, `
			+0  absent A control=advertised | lost starttls (before we looked,0s] -STARTTLS
			+1h rejected A | -
			+5s rejected A | -
			+2m rejected A | changed rejected (0s,60m]`},
		{"two different changes do not confirm each other", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h advertised A -DSN      | -
			+2m advertised A -CHUNKING | -
			+2m advertised A -CHUNKING | -
			+2m advertised A -CHUNKING | changed (62m,64m] -CHUNKING`},
		{"looks alike make up for a change that did not last", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h advertised A -DSN | -
			+2m advertised A      | changed mixed (2m,64m] -DSN
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A | -
			+1h advertised A -DSN | -
			+2m advertised A -DSN | changed (544m,604m] -DSN`},
		{"inside TLS is learned when it is first seen", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h advertised A tls+SIZE=1 | - |
			+1h advertised A tls+SIZE=2 | -
			+2m advertised A tls+SIZE=2 | changed (62m,122m] ~SIZE (inside TLS):1>2`},
		{"what goes and comes on both sides of TLS is told once", nil, `
			+0  advertised A tls+DSN tls+SIZE=157286400 | -
			+2m advertised A tls+DSN tls+SIZE=157286400 | -
			+1h advertised A -DSN +NEW SIZE=1 tls+NEW tls+SIZE=1 | -
			+2m advertised A -DSN +NEW SIZE=1 tls+NEW tls+SIZE=1 | changed (2m,62m] -DSN +NEW ~SIZE:157286400>1`},
		{"inside TLS is remembered while TLS is away", nil, `
			+0  advertised A tls+SIZE=1 | -
			+2m advertised A tls+SIZE=1 | -
			+1h absent A | -
			+2m absent A | lost starttls (2m,62m] -STARTTLS
			+1h advertised A tls+SIZE=2 | -
			+2m advertised A tls+SIZE=2 | back starttls (64m,124m] +STARTTLS ~SIZE (inside TLS):1>2`},
		{"a good look between two bad ones of another kind", nil, `
			+0  absent A control=advertised | lost starttls (before we looked,0s] -STARTTLS
			+1h rejected A   | -
			+2m advertised A | -
			+2m rejected A   | flapping starttls (60m,64m]
			+2m rejected A   | -
			+2m rejected A   | changed rejected (64m,66m]`},
		{"the order of AUTH is no news", nil, `
			+0  advertised A AUTH=LOGIN,PLAIN | -
			+2m advertised A AUTH=LOGIN,PLAIN | -
			+1h advertised A AUTH=plain,LOGIN | - |
			+2m advertised A AUTH=PLAIN,LOGIN | - |`},
		{"servers of a pool that differ beside STARTTLS are told once", nil, `
			+0  advertised A | -
			+2m advertised A | -
			+1h advertised B SIZE=1 | -
			+2m advertised A        | changed mixed (2m,64m] ~SIZE:157286400>1 at B A
			+1h advertised B SIZE=1 | -
			+2m advertised B SIZE=1 | -
			+2m advertised A        | -
			+1h advertised B SIZE=1 | -
			+2m advertised B SIZE=1 | -
			+4m advertised B SIZE=1 | -
			+8m advertised B SIZE=1 | changed (128m,188m] ~SIZE:157286400>1`},
		{"no handshake, no news of inside TLS", nil, `
			+0  advertised A tls+SIZE=1 | -
			+2m advertised A tls+SIZE=1 | -
			+1h advertised A            | - |
			+2m advertised A tls+SIZE=2 | -
			+2m advertised A tls+SIZE=2 | changed (62m,64m] ~SIZE (inside TLS):1>2`},
	}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) { playStory(t, s.require, s.looks) })
	}
}

func TestJudgeAges(t *testing.T) {
	var s State
	at := func(m int) time.Time { return storyStart.Add(time.Duration(m) * time.Minute) }
	s, _, _ = s.Observe(Look{Outcome: reputation.Advertised, Plain: Capabilities{}}, at(0), JudgeConfig{})
	s, _, _ = s.Observe(Look{Outcome: reputation.Deferred}, at(10), JudgeConfig{})
	s, _, _ = s.Observe(Look{}, at(20), JudgeConfig{})
	if !s.LastSure.Equal(at(0)) || !s.LastLook.Equal(at(20)) || s.Failed != 2 {
		t.Errorf("last sure %v, last look %v, failed %d", s.LastSure, s.LastLook, s.Failed)
	}
	late, tr, wants := s.Observe(Look{Outcome: reputation.Rejected}, at(5), JudgeConfig{})
	if tr != nil || wants != nil || mustJSON(t, late) != mustJSON(t, s) {
		t.Error("a look from before the last one was not ignored")
	}
	s, _, _ = s.Observe(Look{Outcome: reputation.Absent, Plain: Capabilities{}}, at(30), JudgeConfig{})
	if s.Failed != 0 || !s.LastSure.Equal(at(30)) {
		t.Errorf("after a sure look: failed %d, last sure %v", s.Failed, s.LastSure)
	}
}

// Two futures of one state do not share memory.
func TestJudgeBranches(t *testing.T) {
	look := func(extra string) Look {
		return Look{Outcome: reputation.Advertised, Plain: Capabilities{"STARTTLS": "", extra: ""}}
	}
	var s State
	for _, extra := range []string{"A", "B", "C"} {
		s, _, _ = s.Observe(look(extra), storyStart, JudgeConfig{})
	}
	one, _, _ := s.Observe(look("D"), storyStart, JudgeConfig{})
	two, _, _ := s.Observe(look("E"), storyStart, JudgeConfig{})
	if !one.Learned[3].has("D") || !two.Learned[3].has("E") {
		t.Errorf("%v and %v", one.Learned[3], two.Learned[3])
	}
}

func TestJudgeClose(t *testing.T) {
	lost, _, _ := State{}.Observe(Look{Outcome: reputation.Absent, Plain: Capabilities{}}, storyStart, JudgeConfig{Require: []string{"STARTTLS"}})
	s, tr := lost.Close(storyStart.Add(time.Hour))
	if mustJSON(t, s) != "{}" {
		t.Errorf("after closing: %s", mustJSON(t, s))
	}
	if tr == nil || tr.Kind != Unwatched || tr.Loss != LossStartTLS || !tr.By.Equal(storyStart.Add(time.Hour)) {
		t.Errorf("closing a loss told %+v", tr)
	}
	if _, tr := (State{Standing: StandingGood, Mixed: true}).Close(storyStart); tr == nil || tr.Kind != Unwatched {
		t.Errorf("closing flapping told %+v", tr)
	}
	if _, tr := (State{Standing: StandingGood}).Close(storyStart); tr != nil {
		t.Errorf("closing a good pair told %+v", tr)
	}
}

func TestLookOf(t *testing.T) {
	caps := Capabilities{"SIZE": ""}
	for outcome := reputation.OutcomeUnknown; outcome <= reputation.Broken; outcome++ {
		r := Result{Outcome: outcome, Why: "why", Target: Target{MX: "mx.example", Addr: netip.MustParseAddr("192.0.2.1")}, Capabilities: maps.Clone(caps), CapabilitiesTLS: Capabilities{"AUTH": "PLAIN"}}
		l := LookOf(r, 3)
		complete := outcome == reputation.Advertised || outcome == reputation.Absent || outcome == reputation.Broken
		if (l.Plain != nil) != complete || (l.TLS != nil) != complete {
			t.Errorf("%s: capabilities %v %v", outcome, l.Plain, l.TLS)
		}
		if l.Outcome != outcome || l.Addr != r.Target.Addr || l.MX != "mx.example" || l.Why != "why" || l.Addrs != 3 {
			t.Errorf("%s: %+v", outcome, l)
		}
	}
	if l := LookOf(Result{Outcome: reputation.Absent}, 0); l.Plain == nil {
		t.Error("a complete reply without keywords counts as no reply")
	}
}

func TestConfirmWait(t *testing.T) {
	cfg := JudgeConfig{ConfirmAfter: 10 * time.Minute}
	for doublings, want := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, time.Hour} {
		if got := confirmWait(cfg, doublings); got != want {
			t.Errorf("%d: %v, want %v", doublings, got, want)
		}
	}
	if got := confirmWait(JudgeConfig{ConfirmAfter: 2 * time.Hour}, 3); got != 2*time.Hour {
		t.Errorf("longer than an hour: %v", got)
	}
	if got := confirmWait(JudgeConfig{}, -1); got != DefaultConfirmAfter {
		t.Errorf("default: %v", got)
	}
}
