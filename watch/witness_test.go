package watch

import (
	"slices"
	"testing"
	"time"

	"repwatch/api"
	"repwatch/checks"
	"repwatch/reputation"
	"repwatch/store"
)

// heard is a control's look with its conversation.
func (d *desk) heard(from, partner string, o reputation.Outcome, line string) {
	d.t.Helper()
	l := lookThat(pairOf(from, partner), d.now, o, "")
	l.Evidence.MX, l.Evidence.Transcript = "mx."+partner, []string{line}
	d.fold(checks.Batch{Version: checks.Version, Check: "partners", Wire: []checks.WireLook{l}})
}

func (d *desk) evidence(id string) (doc api.Evidence) {
	d.t.Helper()
	err := d.db.View(func(tx *store.Tx) (err error) {
		doc, err = api.EvidenceOf(tx, d.cfg, d.now, id)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return doc
}

// Beside a loss stands what the control was told: its last sure look while the loss
// lasts, and for ever the one of that time once it is over.
func TestWitnessOfALoss(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.heard("office", "contoso.com", reputation.Advertised, "S: before")
	d.lose(seven, "contoso.com")
	d.heard("office", "contoso.com", reputation.Advertised, "S: meanwhile")
	d.later(time.Minute).heard("office", "contoso.com", reputation.OutcomeUnknown, "S: nothing told")
	says := func(want string) {
		t.Helper()
		sides := d.evidence("1").Sides
		if len(sides) != 1 || sides[0].Control == nil {
			t.Fatalf("no control beside the loss: %+v", sides)
		}
		if c := sides[0].Control; c.Name != "office" || c.MX != "mx.contoso.com" || c.Outcome != reputation.Advertised || !slices.Equal(c.Transcript, []string{want}) {
			t.Errorf("the control says %+v, want %q", *c, want)
		}
	}
	says("S: meanwhile")
	d.look(seven, "contoso.com", reputation.Advertised)
	d.later(2*time.Minute).look(seven, "contoso.com", reputation.Advertised)
	d.isOpen()
	d.later(24*time.Hour).heard("office", "contoso.com", reputation.Absent, "S: another day")
	says("S: meanwhile")
}
