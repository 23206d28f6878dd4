package report

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestMedian: known cases of Kaplan and Meier's estimate, by hand.
func TestMedian(t *testing.T) {
	h := func(n float64, ended bool) life { return life{time.Duration(n * float64(time.Hour)), ended} }
	for name, c := range map[string]struct {
		lives []life
		want  float64 // hours; 0: not half are gone
	}{
		"none":                       {nil, 0},
		"one":                        {[]life{h(5, true)}, 5},
		"one that lasts":             {[]life{h(5, false)}, 0},
		"odd":                        {[]life{h(1, true), h(2, true), h(9, true)}, 2},
		"even":                       {[]life{h(1, true), h(2, true), h(3, true), h(4, true)}, 2},
		"the ones that last count":   {[]life{h(1, true), h(2, false), h(3, true), h(4, true)}, 3},   // .75, then .75*1/2
		"left early":                 {[]life{h(1, false), h(1, false), h(2, true), h(3, true)}, 2},  // half of the two that are left
		"all that are long last":     {[]life{h(1, true), h(9, false), h(9, false), h(9, false)}, 0}, // .75
		"an end and a last together": {[]life{h(1, true), h(1, false)}, 1},                           // at risk: both
	} {
		d, ok := median(c.lives)
		if ok != (c.want > 0) || d.Hours() != c.want {
			t.Errorf("%s: %v %v, want %v h", name, d, ok, c.want)
		}
	}
}

// TestMedianWithoutCensoring is the plain lower median.
func TestMedianWithoutCensoring(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SliceOfN(rapid.IntRange(1, 50), 1, 40).Draw(t, "hours")
		lives := make([]life, len(n))
		for i, h := range n {
			lives[i] = life{time.Duration(h) * time.Hour, true}
		}
		got, ok := median(lives)
		gone := 0
		for _, l := range lives {
			if l.length <= got {
				gone++
			}
		}
		before := 0
		for _, l := range lives {
			if l.length < got {
				before++
			}
		}
		if !ok || 2*gone < len(n) || 2*before >= len(n) {
			t.Fatalf("%v of %v: %d gone, %d before", got, n, gone, before)
		}
	})
}
