package reputation

import "fmt"

// Percent is a probability as people read it. What is reckoned is never certain, so
// it is never 100 % or 0 %.
func Percent(p float64) string {
	switch {
	case p > .99:
		return "over 99 %"
	case p < .01:
		return "under 1 %"
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}
