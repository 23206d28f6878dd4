package smtp

import (
	"slices"
	"strings"
)

// Offer is what a partner offers: capabilities before and inside TLS. TLS is
// nil where TLS was not reached; it then says nothing.
type Offer struct {
	Plain Capabilities `json:"plain,omitzero"`
	TLS   Capabilities `json:"tls,omitzero"`
}

// Change is a capability whose parameters are others now.
type Change struct {
	Keyword string `json:"keyword"`
	Was     string `json:"was"`
	Now     string `json:"now"`
}

// offerDiff says which capabilities went, came, and changed their parameters.
type offerDiff struct {
	went, came []string
	changed    []Change
}

func (d offerDiff) empty() bool { return len(d.went)+len(d.came)+len(d.changed) == 0 }

func (d offerDiff) into(t *Transition) { t.Went, t.Came, t.Changed = d.went, d.came, d.changed }

// diff compares two offers. A change inside TLS that is the same before TLS is
// told once; the TLS side counts only if both offers have one.
func (o Offer) diff(now Offer) offerDiff {
	d := diffCaps(o.Plain, now.Plain)
	if o.TLS == nil || now.TLS == nil {
		return d
	}
	in := diffCaps(o.TLS, now.TLS)
	for _, w := range in.went {
		if !slices.Contains(d.went, w) {
			d.went = append(d.went, w+insideTLSMark)
		}
	}
	for _, c := range in.came {
		if !slices.Contains(d.came, c) {
			d.came = append(d.came, c+insideTLSMark)
		}
	}
	for _, c := range in.changed {
		if !slices.Contains(d.changed, c) {
			c.Keyword += insideTLSMark
			d.changed = append(d.changed, c)
		}
	}
	return d
}

func diffCaps(was, now Capabilities) offerDiff {
	var d offerDiff
	for k, p := range was {
		q, ok := now[k]
		switch {
		case !ok:
			d.went = append(d.went, k)
		case !sameParams(p, q):
			d.changed = append(d.changed, Change{Keyword: k, Was: p, Now: q})
		}
	}
	for k := range now {
		if _, ok := was[k]; !ok {
			d.came = append(d.came, k)
		}
	}
	slices.Sort(d.went)
	slices.Sort(d.came)
	slices.SortFunc(d.changed, func(a, b Change) int { return strings.Compare(a.Keyword, b.Keyword) })
	return d
}

// sameParams: parameters are words in no particular order, in any case
// (AUTH LOGIN PLAIN is AUTH PLAIN LOGIN).
func sameParams(a, b string) bool {
	if a == b {
		return true
	}
	x, y := strings.Fields(strings.ToUpper(a)), strings.Fields(strings.ToUpper(b))
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// sameWords: both offer the same keywords, whatever their parameters.
func (o Offer) sameWords(p Offer) bool {
	d := o.diff(p)
	return len(d.went)+len(d.came) == 0
}

// with is the offer as now seen, keeping what is known of inside TLS where now was not there.
func (o Offer) with(now Offer) Offer {
	if now.TLS == nil {
		now.TLS = o.TLS
	}
	return now
}

// has: the keyword is offered before TLS or inside it (REQUIRETLS and AUTH show only there).
func (o Offer) has(keyword string) bool {
	_, plain := o.Plain[keyword]
	_, inside := o.TLS[keyword]
	return plain || inside
}
