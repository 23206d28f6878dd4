package report

import (
	"os"
	"testing"
	"time"
)

func TestLook(t *testing.T) {
	dir := os.Getenv("LOOK")
	if dir == "" {
		t.Skip()
	}
	db, cfg := yearStore(t), yearConfig(t, "Europe/Vienna")
	w, err := ParseWeek(os.Getenv("WEEK"), vienna(t))
	check(t, err)
	r := build(t, db, cfg, w, time.Date(2026, 12, 31, 11, 0, 0, 0, time.UTC))
	png, err := PNG(r)
	check(t, err)
	check(t, os.WriteFile(dir+"/p.png", png, 0o644))
	page, err := HTML(r)
	check(t, err)
	check(t, os.WriteFile(dir+"/p.html", []byte(page), 0o644))
	check(t, os.WriteFile(dir+"/p.txt", []byte(Text(r, 100)), 0o644))
	check(t, os.WriteFile(dir+"/p.md", []byte(Markdown(r)), 0o644))
}
