package correlate

import "math"

const (
	bins     = 48
	binWidth = float64(maxLag) / bins // minutes
)

// kernel is a density over [0, maxLag) minutes: flat within each bin. cdf and
// area (its integral) at the bin edges make every overlap a few look-ups.
type kernel struct {
	mass      [bins]float64
	cdf, area [bins + 1]float64
}

func newKernel(mass *[bins]float64) *kernel {
	k := &kernel{mass: *mass}
	total := 0.0
	for _, m := range mass {
		total += m
	}
	for i := range mass {
		k.mass[i] /= total
		k.cdf[i+1] = k.cdf[i] + k.mass[i]
		k.area[i+1] = k.area[i] + binWidth*(k.cdf[i]+k.mass[i]/2)
	}
	return k
}

// priorKernel is what is believed of any partner before it has reacted: flat
// for an hour, then ever less likely.
var priorKernel = func() *kernel {
	var m [bins]float64
	for i := range m {
		m[i] = math.Exp(-math.Max(0, binMid(i)-60) / 40)
	}
	return newKernel(&m)
}()

func binMid(i int) float64 { return (float64(i) + 0.5) * binWidth }

// integral of the distribution function up to x minutes.
func (k *kernel) integral(x float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= maxLag {
		return k.area[bins] + x - maxLag
	}
	i := int(x / binWidth)
	r := x - float64(i)*binWidth
	return k.area[i] + r*(k.cdf[i]+k.mass[i]*r/(2*binWidth))
}

// mirrorSkew is how finely, in minutes, the time of a listing can be known at best: a
// list's servers take a change one after another, and the partner may ask another one than we.
const mirrorSkew = 1.0

// hit is the probability that a cause in (c0, c1] has its effect in (x0, x1],
// the cause being anywhere in its bracket and the delay drawn from the kernel.
func (k *kernel) hit(c0, c1, x0, x1 float64) float64 {
	if x0 >= c1+maxLag {
		return 0
	}
	w := c1 - c0
	if w < mirrorSkew {
		c0, w = c1-mirrorSkew, mirrorSkew
	}
	if x1 <= c0 {
		return 0
	}
	p := (k.integral(x1-c0) - k.integral(x1-c1) - k.integral(x0-c0) + k.integral(x0-c1)) / w
	return math.Min(1, math.Max(0, p))
}

// hitBins is hit split by delay bin, unnormalised; it returns the sum.
func (k *kernel) hitBins(c0, c1, x0, x1 float64, out *[bins]float64) float64 {
	total := 0.0
	for i := range out {
		d := binMid(i)
		over := math.Min(c1, x1-d) - math.Max(c0, x0-d)
		out[i] = k.mass[i] * math.Max(0, over)
		total += out[i]
	}
	return total
}

// quantile in minutes: the delay below which a share p of the mass lies.
func (k *kernel) quantile(p float64) float64 {
	for i := range k.mass {
		if k.cdf[i+1] >= p && k.mass[i] > 0 {
			return (float64(i) + (p-k.cdf[i])/k.mass[i]) * binWidth
		}
	}
	return maxLag
}

// lasting is F: the share of unrelated losses that are over after t minutes.
func lasting(t float64) float64 {
	if t <= 0 {
		return 0
	}
	return 1 / (1 + math.Pow(240/t, 1.2))
}

// ownClock is b_k: how well the loss's length fits a loss that ends by itself, seen
// from now. The onset is anywhere in its bracket; looks after a delisting come
// close together, so the end is often known far better than the onset.
func ownClock(s *span, now float64) float64 {
	if s.open() {
		return math.Max(1e-6, 1-lasting(now-s.a1))
	}
	if s.b1-s.b0 >= s.a1-s.a0 {
		return math.Max(1e-6, lasting(s.b1-s.a0)-lasting(s.b0-s.a1))
	}
	const steps = 4
	p := 0.0
	for i := range steps {
		a := s.a0 + (float64(i)+.5)/steps*(s.a1-s.a0)
		p += lasting(s.b1-a) - lasting(s.b0-a)
	}
	return math.Max(1e-9, p/steps)
}

// coCause is u_k: the share of co-caused onsets that fall into the bracket,
// given the episode's first listing.
func coCause(e *episode, s *span) float64 {
	first := (e.lo + e.hi) / 2
	over := math.Min(s.a1, first+coCauseAfter) - math.Max(s.a0, first-coCauseBefore)
	return math.Max(0, over) / (coCauseBefore + coCauseAfter)
}
