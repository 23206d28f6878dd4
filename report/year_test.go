package report

import (
	"testing"
	"time"
)

func vienna(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Vienna")
	check(t, err)
	return zone
}

// TestYear holds the renderings of three weeks of a fixed year.
func TestYear(t *testing.T) {
	db, cfg := yearStore(t), yearConfig(t, "Europe/Vienna")
	for _, id := range []string{"2026-W24", "2026-W37", "2026-W52"} {
		w, err := ParseWeek(id, vienna(t))
		check(t, err)
		r := build(t, db, cfg, w, w.To.Add(9*time.Hour))
		golden(t, id+".txt", []byte(Text(r, 100)))
		golden(t, id+".md", []byte(Markdown(r)))
	}
}
