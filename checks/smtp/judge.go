package smtp

import (
	"net/netip"
	"slices"
	"time"

	"repwatch/reputation"
)

// LossKind is what a sending IP has lost at a partner.
type LossKind string

const (
	LossStartTLS   LossKind = "starttls"   // a complete EHLO reply lacks STARTTLS
	LossCapability LossKind = "capability" // ... or another keyword that `require` names
	LossMasked     LossKind = "masked"     // overwritten on the way, or EHLO refused where HELO works
	LossRejected   LossKind = "rejected"   // 5xx at greeting or EHLO
	LossBroken     LossKind = "broken"     // offered, yet no handshake succeeds
	// LossDeferred is never concluded from looks (4xx moves no state); it is for
	// what the mail log shows of real mail.
	LossDeferred LossKind = "deferred"
)

// Look is what the judge needs to know of one Result. Put together with LookOf.
type Look struct {
	Outcome reputation.Outcome
	Addr    netip.Addr
	MX      string
	Why     string

	// Plain and TLS are the capabilities of a complete 250 reply before and inside
	// TLS; nil where there was none.
	Plain, TLS Capabilities

	// Addrs is how many addresses of the partner this IP could have been sent to
	// (its family of the route); 0 if not known. With two or more, a loss is to be
	// seen at another address before it counts.
	Addrs int

	// Control is what the control vantage saw at about the same time, and its
	// capabilities; OutcomeUnknown if it was not asked or could not tell.
	Control      reputation.Outcome
	ControlPlain Capabilities
}

// LookOf takes from a probe's result what the judge goes by.
func LookOf(r Result, addrs int) Look {
	l := Look{Outcome: r.Outcome, Addr: r.Target.Addr, MX: r.Target.MX, Why: r.Why, Addrs: addrs}
	switch r.Outcome {
	case reputation.Advertised, reputation.Absent, reputation.Broken:
		l.Plain, l.TLS = r.Capabilities, r.CapabilitiesTLS
		if l.Plain == nil {
			l.Plain = Capabilities{} // a complete reply without a keyword is not the same as none
		}
	}
	return l
}

// JudgeConfig is what the judge is told by people.
type JudgeConfig struct {
	// ConfirmAfter is how long after a change its second look may count; 0 means DefaultConfirmAfter.
	ConfirmAfter time.Duration
	// Require lists keywords in upper case that the partner has to offer.
	Require []string
}

// DefaultConfirmAfter is how long a change waits for its second look.
const DefaultConfirmAfter = 2 * time.Minute

// Limits of the judge.
const (
	confirmLooks  = 2         // agreeing looks that make a change
	maxNeeded     = 8         // ... at most, among mixed answers
	settleLooks   = 8         // agreeing looks after which answers are no longer mixed
	historyLooks  = 16        // sure looks in which flips are counted
	learnSets     = 4         // sets of capabilities kept until two agree
	maxWait       = time.Hour // between looks wanted; beyond it the schedule is soon enough
	startTLSWord  = "STARTTLS"
	insideTLSMark = " (inside TLS)"
)

// Standing is how a sending IP stands with a partner.
type Standing string

const (
	StandingNew  Standing = "" // no baseline yet
	StandingGood Standing = "good"
	StandingLost Standing = "lost"
)

// State is all that is remembered of one (sending IP, partner). It is a value:
// Observe returns a new one and never changes what an old one refers to. It
// marshals to JSON for the store; the zero value is a pair never looked at.
type State struct {
	Standing Standing `json:"standing,omitempty"`
	Loss     LossKind `json:"loss,omitempty"` // while lost
	// Mixed: sure answers contradict each other (a pool behind one name, or several
	// addresses that differ). Changes then take more agreeing looks.
	Mixed bool `json:"mixed,omitempty"`
	// OfferedTLS: STARTTLS is what this pair is used to, or what the control sees.
	OfferedTLS bool `json:"offered_tls,omitempty"`

	// Offer is what was last told, or learned, to be offered.
	Offer Offer `json:"offer,omitzero"`
	// Learned are sets seen while no two agreed yet.
	Learned []Offer   `json:"learned,omitempty"`
	SeenTLS time.Time `json:"seen_tls,omitzero"` // the last look that was advertised

	Run     Run     `json:"run,omitzero"`      // the sure looks since the last change between good and bad
	History uint16  `json:"history,omitempty"` // bad bit of the last sure looks, latest lowest
	Looks   uint8   `json:"looks,omitempty"`   // how many bits of History are valid
	Turn    Turn    `json:"turn,omitzero"`     // another loss kind that shows while lost
	Pending Pending `json:"pending,omitzero"`  // another set of capabilities that shows

	LastLook time.Time `json:"last_look,omitzero"`
	LastSure time.Time `json:"last_sure,omitzero"`
	Failed   int       `json:"failed,omitempty"` // unknown and deferred looks since LastSure
}

// Run is a row of sure looks that agree on good or bad.
type Run struct {
	Bad       bool       `json:"bad,omitempty"`
	Loss      LossKind   `json:"loss,omitempty"` // of the latest look
	Looks     int        `json:"looks,omitempty"`
	Since     time.Time  `json:"since,omitzero"`  // the first of them
	Before    time.Time  `json:"before,omitzero"` // the last sure look before it; zero: there was none
	Addr      netip.Addr `json:"addr,omitzero"`   // where the first was made
	Elsewhere bool       `json:"elsewhere,omitempty"`
}

// Turn counts looks that show another kind of loss than the one told.
type Turn struct {
	Loss   LossKind  `json:"loss,omitempty"`
	Looks  int       `json:"looks,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Before time.Time `json:"before,omitzero"`
}

// Pending is a set of capabilities that differs from the one told, waiting for looks that agree.
type Pending struct {
	Offer  Offer      `json:"offer,omitzero"`
	Looks  int        `json:"looks,omitempty"`
	Since  time.Time  `json:"since,omitzero"`
	Before time.Time  `json:"before,omitzero"`
	Addr   netip.Addr `json:"addr,omitzero"`

	Refuted int  `json:"refuted,omitempty"` // differing sets that did not last; each asks for one agreeing look more
	Calm    int  `json:"calm,omitempty"`    // looks without a difference since then
	Mixed   bool `json:"mixed,omitempty"`   // told
}

// TransitionKind is what became of a pair.
type TransitionKind string

const (
	Lost TransitionKind = "lost"
	Back TransitionKind = "back"
	// Flapping: sure answers are mixed. It is told once, and opens or ends no loss.
	Flapping TransitionKind = "flapping"
	// Steady ends Flapping where nothing else did.
	Steady TransitionKind = "steady"
	// Changed: capabilities went or came, or the loss is of another kind now; no loss begins or ends.
	Changed TransitionKind = "changed"
	// Unwatched closes a loss or flapping that nobody looks at any more (rule of truth 11).
	Unwatched TransitionKind = "no longer watched"
)

// Transition is news about a pair. It happened in (After, By]; a zero After
// with FirstSight means "before we looked".
type Transition struct {
	Kind TransitionKind `json:"kind"`
	Loss LossKind       `json:"loss,omitempty"` // what was lost, is back, or comes and goes

	Went    []string `json:"went,omitempty"` // keywords, sorted; " (inside TLS)" is added to those of the second EHLO
	Came    []string `json:"came,omitempty"`
	Changed []Change `json:"changed,omitempty"`

	// Mixed with Changed: some answers show the difference and others do not.
	Mixed bool `json:"mixed,omitempty"`

	After      time.Time `json:"after,omitzero"`
	By         time.Time `json:"by"`
	FirstSight bool      `json:"first_sight,omitempty"`

	Addrs []netip.Addr `json:"addrs,omitempty"` // where it was seen: the first look, the deciding look
	Looks int          `json:"looks,omitempty"` // sure looks that agree on it
	Why   string       `json:"why,omitempty"`   // the deciding look's reason
}

// WantWho says who should look.
type WantWho string

const (
	WantSelf    WantWho = "self"    // this IP again
	WantControl WantWho = "control" // a vantage with a clean reputation
	WantPeers   WantWho = "peers"   // our other IPs that send to this partner
)

// Want is a look that the judge would like to see; only the scheduler
// performs looks, within its politeness. A want replaces earlier ones of the
// same pair and Who.
type Want struct {
	Who       WantWho    `json:"who"`
	At        time.Time  `json:"at"`
	AvoidAddr netip.Addr `json:"avoid_addr,omitzero"` // prefer another address of the partner, see Avoiding
	Why       string     `json:"why"`
}

// Observe folds one look into the state. It is pure: same input, same output.
//
// Rule of truth 4 as told here. A baseline is two looks that agree, because
// postscreen and its like show newcomers less. A change between good and bad
// counts when a second sure look agrees with the first, at least ConfirmAfter
// later and, where the partner has several addresses, at another one (a third
// agreeing look does without that: the other address may be dead). A return is
// confirmed like a loss, because pools flicker both ways; its bracket ends at
// the first good look all the same, so the confirmation costs no precision. A
// first look that its second contradicts makes the pair Mixed, which is told;
// then each flip among the last sixteen sure looks asks for one agreeing look
// more, up to eight, and eight agreeing looks end the mixture. First sight: absent is a loss at once if the control sees
// STARTTLS or Require names it; what is bad whatever came before (masked,
// rejected, broken) is one at once if the control is served, and after the
// second look otherwise. Unknown and deferred looks change no more than LastLook
// and Failed.
//
// A look older than the last one is ignored.
func (s State) Observe(look Look, now time.Time, cfg JudgeConfig) (State, *Transition, []Want) {
	now = now.UTC().Round(0)
	if now.Before(s.LastLook) {
		return s, nil, nil
	}
	s.LastLook = now
	if look.Outcome.Verdict() == reputation.Unknown {
		s.Failed++
		return s, nil, s.wantAgain(now, cfg)
	}
	j := judging{State: s, look: look, now: now, cfg: cfg}
	j.loss, j.atOnce = j.defect()
	refuted := j.enterRun()
	j.LastSure, j.Failed = now, 0
	t := j.decide(refuted)
	return j.State, t, j.wants(t)
}

// Close ends the watch of a pair: an open loss or flapping is closed as no
// longer watched, and the next look starts anew.
func (s State) Close(now time.Time) (State, *Transition) {
	if s.Standing != StandingLost && !s.Mixed {
		return State{}, nil
	}
	return State{}, &Transition{Kind: Unwatched, Loss: s.Loss, After: s.LastSure, By: now.UTC().Round(0), Why: "no longer watched"}
}

// By is the state without a moment after now. A clock that ran ahead and was set back
// leaves moments that have yet to come; until then all looks would be older than the last.
func (s State) By(now time.Time) State {
	for _, t := range []*time.Time{&s.SeenTLS, &s.LastLook, &s.LastSure, &s.Run.Since, &s.Run.Before, &s.Turn.Since, &s.Turn.Before, &s.Pending.Since, &s.Pending.Before} {
		if t.After(now) {
			*t = now
		}
	}
	return s
}

// Suspects reports that the last sure look contradicts the standing and waits for its confirmation.
func (s State) Suspects() bool {
	return s.Run.Looks > 0 && s.Standing != StandingNew && s.Run.Bad != (s.Standing == StandingLost) ||
		s.Standing == StandingNew && s.Run.Bad
}

// needed is how many agreeing looks make a change now.
func (s State) needed() int {
	if !s.Mixed {
		return confirmLooks
	}
	return min(confirmLooks+s.flips(), maxNeeded)
}

// flips counts changes between good and bad among the remembered looks before the current run.
func (s State) flips() int {
	run := min(s.Run.Looks, historyLooks)
	old, n := s.History>>run, int(s.Looks)-run
	flips := 0
	for i := 1; i < n; i++ {
		if (old>>i)&1 != (old>>(i-1))&1 {
			flips++
		}
	}
	return flips
}

func (c JudgeConfig) confirmAfter() time.Duration {
	if c.ConfirmAfter > 0 {
		return c.ConfirmAfter
	}
	return DefaultConfirmAfter
}

func (c JudgeConfig) requires(keyword string) bool { return slices.Contains(c.Require, keyword) }
