package watch

import (
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/incident"
	"repwatch/reputation"
)

// What a new kind of check brings is folded without a word of code here (docs/writing-a-check.md).
func TestTroubleThatNobodyHereKnows(t *testing.T) {
	d := newDesk(t, house)
	look := func(fault *incident.Fault) {
		t.Helper()
		s := reputation.Subject{Kind: reputation.KindHealth, Domain: "queue", Target: "/var/spool/postfix/deferred"}
		d.fold(checks.Batch{Version: checks.Version, Check: "queue", Health: []checks.HealthLook{{Subject: s, At: d.now, Fault: fault}}})
	}
	look(&incident.Fault{ID: "queue", Impact: reputation.High, What: "1200 messages wait in /var/spool/postfix/deferred",
		Why: "1000 or more mean that some partner has not taken mail for a while", Do: "see whom they are for (qshape deferred)"})
	d.isOpen("#1 fault queue queue")
	d.later(5 * time.Minute)
	look(nil)
	d.isOpen()
}
