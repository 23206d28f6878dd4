package checks

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/replies"
	"repwatch/resolve"
)

// Env is what looking needs of the world: one per configuration in force. A
// reload makes a new one, and keeps the parts that did not change.
type Env struct {
	Config  *config.Loaded
	DNS     resolve.Lookuper
	Engine  *dnsbl.Engine
	Gate    *smtp.Gate
	Prober  *smtp.Prober
	Explain replies.Explainer

	// Resolvers are the servers that DNS asks, for the words of a diagnosis.
	Resolvers []netip.AddrPort
	// Listed tells who is listed on a list already, by the text of the IP or the
	// domain; nil: nobody is. A mass hit that is known is not held back again.
	Listed func(list string) map[string]bool
	// Memory is kept over reloads; nil: a new one.
	Memory *Memory
}

// Check is a kind of look. It is safe for concurrent use.
type Check interface {
	Name() string
	Schedule() config.Cron
	// Plan are the looks of the round-th scheduled round, counted from 0, in pieces that may run at their own pace.
	Plan(now time.Time, round int) []Ask
	// Look never fails: what could not be told is in the batches.
	Look(ctx context.Context, a Ask) []Batch
}

// Ask is a look that somebody wants. Only the scheduler has looks taken, so that
// all of them keep one politeness.
type Ask struct {
	Check string    `json:"check"`
	Why   string    `json:"why"`         // becomes Batch.Why
	At    time.Time `json:"at,omitzero"` // not before

	Lists   []string   `json:"lists,omitempty"`   // ids; empty: all that are configured
	Who     []string   `json:"who,omitempty"`     // IPs and domains; empty: all that are configured
	Partner string     `json:"partner,omitempty"` // by its name
	From    []string   `json:"from,omitempty"`    // sending IPs and names of controls; empty: those of a scheduled round
	Avoid   netip.Addr `json:"avoid,omitzero"`    // prefer another address of the partner

	// Every and Until: look again every so often, until then. Zero: once.
	Every time.Duration `json:"every,omitempty"`
	Until time.Time     `json:"until,omitzero"`
}

// WhySchedule is why the looks of a plan are taken.
const WhySchedule = "schedule"

// Key names what is looked at. A new ask takes the place of one that waits under
// the same key; a repeated look and a single one stand side by side, or a
// watch would put off the confirmation that is due.
func (a Ask) Key() string {
	parts := []string{a.Check, a.Partner, joined(a.From), joined(a.Lists), joined(a.Who), ""}
	if a.Why == WhySchedule { // who and which differ from round to round
		parts[2], parts[4], parts[5] = "", "", WhySchedule
		if len(a.Lists) > 1 {
			parts[3] = ""
		}
	}
	if a.Every > 0 {
		parts[5] = "repeated"
	}
	return strings.Join(parts, "|")
}

func joined(words []string) string { return strings.Join(slices.Sorted(slices.Values(words)), ",") }

// kinds are all kinds of check.
var kinds = []func(Env) Check{
	newLists,
	newPartners,
	newOwn,
}

// Build makes a check of every kind.
func Build(env Env) ([]Check, error) {
	switch {
	case env.Config == nil:
		return nil, errors.New("checks: no configuration to look by")
	case env.DNS == nil, env.Engine == nil, env.Gate == nil, env.Prober == nil:
		return nil, errors.New("checks: looking needs a resolver, an engine for lists, a gate and a prober")
	}
	if env.Memory == nil {
		env.Memory = NewMemory()
	}
	out := make([]Check, len(kinds))
	for i, build := range kinds {
		out[i] = build(env)
	}
	return out, nil
}

// begin opens the batch of an ask.
func begin(a Ask) Batch {
	return Batch{Version: Version, ID: rand.Text(), Check: a.Check, Why: a.Why, Started: now()}
}

// now is the wall clock in UTC, without the monotonic reading that the wire does not carry.
func now() time.Time { return time.Now().UTC().Round(0) }

func every(d string) config.Cron {
	var c config.Cron
	if err := c.UnmarshalText([]byte("@every " + d)); err != nil {
		panic(err) // a constant of ours
	}
	return c
}
