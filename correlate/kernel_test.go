package correlate

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The closed form of hit against brute force: a cause anywhere in its bracket, a delay from the kernel.
func TestHitAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var mass [bins]float64
		for range rapid.IntRange(1, 5).Draw(t, "peaks") {
			mass[rapid.IntRange(0, bins-1).Draw(t, "bin")] += rapid.Float64Range(.1, 1).Draw(t, "mass")
		}
		k := newKernel(&mass)
		c0 := rapid.Float64Range(-300, 300).Draw(t, "c0")
		c1 := c0 + rapid.Float64Range(1, 150).Draw(t, "cause width")
		x0 := rapid.Float64Range(-300, 300).Draw(t, "x0")
		x1 := x0 + rapid.Float64Range(1, 150).Draw(t, "effect width")
		const n = 400
		want := 0.0
		for i := range bins {
			for j := range n {
				// the delay is flat over its bin: the share of the bin that lands in the bracket
				c := c0 + (c1-c0)*(float64(j)+.5)/n
				lo, hi := math.Max(x0-c, float64(i)*binWidth), math.Min(x1-c, float64(i+1)*binWidth)
				want += k.mass[i] * math.Max(0, hi-lo) / binWidth / n
			}
		}
		if got := k.hit(c0, c1, x0, x1); math.Abs(got-want) > 2e-3 {
			t.Fatalf("hit %v, brute force %v", got, want)
		}
	})
}

func TestKernelQuantile(t *testing.T) {
	var mass [bins]float64
	mass[2], mass[3] = 1, 1 // 10 to 20 minutes
	k := newKernel(&mass)
	for _, c := range []struct{ p, want float64 }{{.1, 11}, {.5, 15}, {.9, 19}} {
		if got := k.quantile(c.p); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("quantile %v is %v, want %v", c.p, got, c.want)
		}
	}
}

// Values of Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion" (2001), table 5.
func TestJeffreysInterval(t *testing.T) {
	for _, c := range []struct {
		k, n   int
		lo, hi float64
	}{{0, 10, 0, .217}, {5, 10, .224, .776}, {10, 10, .783, 1}, {1, 10, .011, .381}, {0, 0, 0, 1}} {
		lo, hi := jeffreys(c.k, c.n)
		if math.Abs(lo-c.lo) > 6e-4 || math.Abs(hi-c.hi) > 6e-4 {
			t.Errorf("%d of %d: %.4f-%.4f, want %.3f-%.3f", c.k, c.n, lo, hi, c.lo, c.hi)
		}
	}
}

func TestWord(t *testing.T) {
	for p, want := range map[float64]string{1: "confirmed", .95: "confirmed", .949: "likely", .8: "likely", .79: "possible", 0: "possible"} {
		if got := Word(p); got != want {
			t.Errorf("%v is %s, want %s", p, got, want)
		}
	}
}

func TestRangeWords(t *testing.T) {
	for want, r := range map[string]Range{
		"7-22 min":                  {7.2, 22.4, true},
		"9 min":                     {8.9, 9.2, true},
		"one probe, at most 60 min": {0, 60, false},
	} {
		if got := r.String(); got != want {
			t.Errorf("%+v is %q, want %q", r, got, want)
		}
	}
}
