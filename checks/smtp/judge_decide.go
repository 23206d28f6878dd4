package smtp

import (
	"time"

	"repwatch/reputation"
)

// judging is one Observe of a sure look.
type judging struct {
	State
	look   Look
	now    time.Time
	cfg    JudgeConfig
	loss   LossKind // what is wrong with this look; empty: nothing
	atOnce bool     // it needs no confirmation (first sight)
	prev   Run      // the run that this look ended, if it did

	lastBefore time.Time // LastSure before this look
}

// defect says what is lost in this look, and whether it counts unconfirmed.
func (j *judging) defect() (loss LossKind, atOnce bool) {
	unknownBefore := j.Standing == StandingNew
	served := j.look.Control == reputation.Advertised || j.look.Control == reputation.Absent
	switch j.look.Outcome {
	case reputation.Masked:
		return LossMasked, unknownBefore && served
	case reputation.Rejected:
		return LossRejected, unknownBefore && served
	case reputation.Broken:
		return LossBroken, unknownBefore && j.look.Control == reputation.Advertised
	case reputation.Absent:
		told := j.look.Control == reputation.Advertised || j.cfg.requires(startTLSWord)
		if told || j.OfferedTLS {
			return LossStartTLS, told && !j.OfferedTLS
		}
	}
	for _, k := range j.cfg.Require {
		if k != startTLSWord && j.misses(k) {
			return LossCapability, unknownBefore || !j.Offer.has(k)
		}
	}
	return "", false
}

// misses: the keyword is surely not offered. A handshake that was not made hides
// what shows only inside TLS.
func (j *judging) misses(keyword string) bool {
	now := j.offer()
	switch {
	case !j.complete() || now.has(keyword):
		return false
	case now.TLS != nil || j.look.Outcome == reputation.Absent:
		return true
	}
	return Offer{Plain: j.Offer.Plain}.has(keyword)
}

func (j *judging) offer() Offer { return Offer{Plain: j.look.Plain, TLS: j.look.TLS} }

// complete: the look holds a whole EHLO reply whose keywords can be compared.
func (j *judging) complete() bool { return j.look.Plain != nil }

// enterRun counts the look, and tells whether it contradicts a change that was
// waiting for its confirmation.
func (j *judging) enterRun() (refuted bool) {
	j.lastBefore = j.LastSure
	bad := j.loss != ""
	if j.Run.Looks > 0 && j.Run.Bad == bad {
		j.Run.Looks++
		j.Run.Elsewhere = j.Run.Elsewhere || j.look.Addr != j.Run.Addr
	} else {
		refuted = j.Standing != StandingNew && j.Suspects()
		j.prev, j.Turn = j.Run, Turn{}
		j.Run = Run{Bad: bad, Looks: 1, Since: j.now, Before: j.LastSure, Addr: j.look.Addr}
	}
	j.Run.Loss = j.loss
	j.History <<= 1
	if bad {
		j.History |= 1
	}
	j.Looks = min(j.Looks+1, historyLooks)
	if j.look.Outcome == reputation.Advertised {
		j.SeenTLS = j.now
	}
	return refuted
}

// confirmed: the run has what a change needs.
func (j *judging) confirmed() bool { return j.agree(j.needed()) }

func (j *judging) agree(needed int) bool {
	r := j.Run
	return r.Looks >= needed &&
		j.now.Sub(r.Since) >= j.cfg.confirmAfter() &&
		(r.Elsewhere || j.look.Addrs < 2 || r.Looks > needed)
}

func (j *judging) decide(refuted bool) *Transition {
	switch lost := j.Standing == StandingLost; {
	case !lost && j.loss != "" && (j.atOnce || j.confirmed()):
		return j.lose()
	case lost && j.loss == "" && j.confirmed():
		return j.comeBack()
	case refuted && !j.Mixed:
		return j.flap()
	case j.Mixed && j.Run.Bad == lost && j.agree(max(j.needed(), settleLooks)):
		j.Mixed = false
		return j.news(Steady)
	case j.Standing == StandingNew:
		j.learn()
		return nil
	case j.Suspects():
		return nil
	case lost && j.loss != j.Loss:
		return j.turn()
	}
	j.Turn = Turn{}
	return j.offerChange()
}
