package correlate

import "math"

// jeffreys is the 95 % interval for a share after k of n, Beta(k+1/2, n-k+1/2).
// As is usual, it reaches 0 when k is 0 and 1 when k is n.
func jeffreys(k, n int) (lo, hi float64) {
	if n == 0 {
		return 0, 1
	}
	a, b := float64(k)+.5, float64(n-k)+.5
	lo, hi = betaQuantile(.025, a, b), betaQuantile(.975, a, b)
	if k == 0 {
		lo = 0
	}
	if k == n {
		hi = 1
	}
	return lo, hi
}

func betaQuantile(p, a, b float64) float64 {
	lo, hi := 0.0, 1.0
	for range 60 {
		mid := (lo + hi) / 2
		if betaCDF(mid, a, b) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// betaCDF is the regularised incomplete beta function, by its continued
// fraction (Numerical Recipes §6.4).
func betaCDF(x, a, b float64) float64 {
	if x <= 0 || x >= 1 {
		return math.Max(0, math.Min(1, x))
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	if x < (a+1)/(a+b+2) {
		return front * betaFraction(x, a, b) / a
	}
	return 1 - front*betaFraction(1-x, b, a)/b
}

func betaFraction(x, a, b float64) float64 {
	const tiny = 1e-300
	safe := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/safe(1-(a+b)*x/(a+1))
	f := d
	for m := 1.0; m <= 300; m++ {
		up := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d, c = 1/safe(1+up*d), safe(1+up/c)
		f *= d * c
		down := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d, c = 1/safe(1+down*d), safe(1+down/c)
		step := d * c
		f *= step
		if math.Abs(step-1) < 1e-12 {
			break
		}
	}
	return f
}
