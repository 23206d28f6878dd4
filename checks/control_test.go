package checks

import (
	"strings"
	"testing"

	"repwatch/resolve"
)

// A control that is listed vouches for nothing; one that could not be asked is neither.
func TestControlIsAskedAtListsToo(t *testing.T) {
	const withControl = two + "control: [{name: spare, bind: 198.51.100.9, ehlo: spare.example.com}, {name: lan, bind: 10.0.0.9, ehlo: lan.example.com}]\n"
	w := newWorld()
	w.set("alpha.example", listing("127.0.0.2", "198.51.100.9"))
	w.set("beta.example", listing(""))
	health := func() (out []HealthLook) {
		for _, h := range look(t, checkOf(t, envOf(load(t, withControl), w), "lists"), Ask{Why: WhySchedule}).Health {
			if h.Subject.Domain == "control-listed" {
				out = append(out, h)
			}
		}
		return out
	}
	got := health()
	if len(got) != 1 || got[0].Subject.Target != "spare" || got[0].Fault == nil || !strings.Contains(got[0].Fault.What, "spare (198.51.100.9) is itself on alpha") {
		t.Fatalf("a listed control: %+v, want one fault of spare (a private address is not asked)", got)
	}
	w.set("alpha.example", listing(""))
	if got = health(); len(got) != 1 || got[0].Fault != nil {
		t.Errorf("a control that is on no list: %+v", got)
	}
	for _, zone := range []string{"alpha.example", "beta.example", "names.example", "gamma.example", "six.example"} {
		w.set(zone, failing(resolve.FailTimeout))
	}
	if got = health(); len(got) != 0 {
		t.Errorf("nothing could be told, yet: %+v", got)
	}
}
