package reputation

import "testing"

func TestNothingReckonedIsCertain(t *testing.T) {
	for p, want := range map[float64]string{1: "over 99 %", 0.995: "over 99 %", 0.996: "over 99 %", 0.99: "99 %", 0.5: "50 %", 0.01: "1 %", 0.005: "under 1 %", 0.004: "under 1 %", 0: "under 1 %"} {
		if got := Percent(p); got != want {
			t.Errorf("%g: %s, want %s", p, got, want)
		}
	}
}
