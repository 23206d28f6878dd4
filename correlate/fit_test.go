package correlate

import (
	"math"
	"testing"
)

// The recovery is measured against the listing of the set that ends last, and counts for more when that one is the matched listing.
func TestRecoveryFollowsTheLastListing(t *testing.T) {
	k := &loss{span: span{0, 10, 900, 910}}
	early := reach{cand: 0, g: .5, back: 0, gone: 600}
	late := reach{cand: 1, g: .2, back: .4, gone: 890}
	b := .1
	for _, c := range []struct {
		name  string
		reach []reach
		mask  uint8
		want  float64
	}{
		{"the early one alone", []reach{early, late}, 1, .05 * b},
		{"the late one alone", []reach{early, late}, 2, .95*.4 + .05*b},
		{"both: the last end counts, less as it is not the matched one's", []reach{early, late}, 3, .75*.4 + .25*b},
		{"both, in the other order", []reach{late, early}, 3, .75*.4 + .25*b},
	} {
		_, h := reaction(&term{reach: c.reach, b: b, silenced: 1}, k, c.mask, .9)
		if math.Abs(h-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.name, h, c.want)
		}
	}
}

// Two lists with .3 each are a listing rather than the .4 of something else.
func TestCauseFirstThenList(t *testing.T) {
	var v Verdict
	v.conclude([]Share{{ByListing, "a", .3}, {ByListing, "b", .3}}, []Share{{Private, "", .4}})
	if v.Likeliest.Cause != ByListing || v.RunnerUp.Cause != Private || v.Cause != Undetermined {
		t.Errorf("%+v", v)
	}
}
