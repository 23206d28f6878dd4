package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what an Event is about.
type Kind string

const (
	// KindListing: a list began or stopped listing a sending IP.
	KindListing Kind = "listing"
	// KindCap: a partner withdrew a capability from a vantage, or gave it back.
	KindCap Kind = "cap"
	// KindReply: a partner's server said in words why it refuses a sending IP.
	// List names a list it blames, Policy something that is no list.
	KindReply Kind = "reply"
	// KindUnrelated: a person says that loss Of has nothing to do with List
	// (with an empty List: with any list). It is evidence that stays.
	KindUnrelated Kind = "unrelated"
)

// State is the new state after a transition.
type State string

const (
	Listed State = "listed"
	Clear  State = "clear"
	Lost   State = "lost"
	OK     State = "ok"
)

// Loss is how a capability was lost.
type Loss string

const (
	LossSTARTTLS   Loss = "starttls"
	LossBanner     Loss = "banner" // repwatch's people-facing word is "rejected"
	LossMasked     Loss = "masked"
	LossRejected   Loss = "rejected"
	LossDeferred   Loss = "deferred"
	LossBroken     Loss = "broken"
	LossCapability Loss = "capability"
)

var losses = []Loss{LossSTARTTLS, LossBanner, LossMasked, LossRejected, LossDeferred, LossBroken, LossCapability}

// Policy is a reason in a server's words that is no list.
type Policy string

const (
	PolicyTLS         Policy = "tls"
	PolicyPTR         Policy = "ptr"
	PolicyGreylisting Policy = "greylisting"
	PolicyContent     Policy = "content"
	PolicyRate        Policy = "rate"
	PolicyAuth        Policy = "auth"
)

var policies = []Policy{PolicyTLS, PolicyPTR, PolicyGreylisting, PolicyContent, PolicyRate, PolicyAuth}

// Control is the vantage name of the clean comparison.
const Control = "control"

// Event is one confirmed transition, or one piece of evidence. It is the
// format of live input, export and replay alike. The change happened in
// (Lo, Hi] and was seen at T. Lo of a listing already has the list's DNS TTL
// subtracted. Failed probes are no events: they only widen the bracket.
//
// Vantage is the sending IP, or Control. A cap event with state lost has Loss.
//
// A recording without Every is one of pairs that are all looked at every hour, as
// the simulated years are. With it, only pairs that have it are watched, and no more is
// known of them, or of the control, than events say: an ok of who had lost nothing is a
// look that found it fine.
type Event struct {
	Seq     uint64    `json:"seq"`
	T       time.Time `json:"t"`
	Kind    Kind      `json:"kind"`
	Vantage string    `json:"vantage,omitempty"`
	List    string    `json:"list,omitempty"`
	Partner string    `json:"partner,omitempty"`
	State   State     `json:"state,omitempty"`
	Loss    Loss      `json:"loss,omitempty"`
	Verbs   []string  `json:"verbs,omitempty"` // what the EHLO reply offers after the change
	Every   int       `json:"every,omitempty"` // minutes between two looks at the pair from now on
	Policy  Policy    `json:"policy,omitempty"`
	Of      uint64    `json:"of,omitempty"` // the loss a person judged
	Lo      time.Time `json:"lo,omitzero"`
	Hi      time.Time `json:"hi,omitzero"`
}

// FieldError says which field of an Event is wrong, and how.
type FieldError struct{ Field, Why string }

func (e *FieldError) Error() string { return fmt.Sprintf("field %q %s", e.Field, e.Why) }

func wrong(field, format string, a ...any) error {
	return &FieldError{field, fmt.Sprintf(format, a...)}
}

// Validate reports the first field that keeps the event from being used, as a *FieldError.
func (e *Event) Validate() error {
	if e.Seq == 0 {
		return wrong("seq", "is missing: events are numbered from 1")
	}
	if e.T.IsZero() {
		return wrong("t", "is missing")
	}
	switch e.Kind {
	case KindListing:
		if e.List == "" {
			return wrong("list", "is missing in a listing event")
		}
		if e.Vantage == Control {
			return wrong("vantage", "is %q: only sending IPs are listed", Control)
		}
		return e.transition(Listed, Clear)
	case KindCap:
		if e.Partner == "" {
			return wrong("partner", "is missing in a cap event")
		}
		if err := e.transition(Lost, OK); err != nil {
			return err
		}
		switch {
		case e.State == Lost && !slices.Contains(losses, e.Loss):
			return wrong("loss", "is %q: one of %s", e.Loss, join(losses))
		case e.Every < 0:
			return wrong("every", "is %d: minutes between two looks", e.Every)
		}
		return nil
	case KindReply:
		return e.reply()
	case KindUnrelated:
		if e.Of == 0 {
			return wrong("of", "is missing: the seq of the loss that was judged")
		}
		return nil
	default:
		return wrong("kind", "is %q: one of listing, cap, reply, unrelated", e.Kind)
	}
}

func (e *Event) transition(bad, good State) error {
	switch {
	case e.Vantage == "":
		return wrong("vantage", "is missing: a sending IP or %q", Control)
	case e.State != bad && e.State != good:
		return wrong("state", "is %q: %s or %s in a %s event", e.State, bad, good, e.Kind)
	case e.Lo.IsZero():
		return wrong("lo", "is missing: the last moment known to be before the change")
	case e.Hi.IsZero():
		return wrong("hi", "is missing: the first moment known to be after the change")
	case e.Hi.Before(e.Lo):
		return wrong("lo", "is after hi: the change happened in (lo, hi]")
	case e.T.Before(e.Hi):
		return wrong("t", "is before hi: a change cannot be seen before it is over")
	}
	return nil
}

func (e *Event) reply() error {
	switch {
	case e.Partner == "":
		return wrong("partner", "is missing in a reply event")
	case e.Vantage == "" || e.Vantage == Control:
		return wrong("vantage", "must be the sending IP the reply was meant for")
	case (e.List == "") == (e.Policy == ""):
		return wrong("list", "or policy: exactly one of them says what the reply blames")
	case e.Policy != "" && !slices.Contains(policies, e.Policy):
		return wrong("policy", "is %q: one of %s", e.Policy, join(policies))
	}
	return nil
}

func join[T ~string](words []T) string {
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = string(w)
	}
	return strings.Join(parts, ", ")
}
