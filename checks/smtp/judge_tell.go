package smtp

import (
	"net/netip"
	"slices"
	"time"

	"repwatch/reputation"
)

// news is a transition with the bracket and evidence of the current run.
func (j *judging) news(kind TransitionKind) *Transition {
	t := &Transition{Kind: kind, Loss: j.Loss, After: j.Run.Before, By: j.Run.Since, Looks: j.Run.Looks, Why: j.look.Why}
	t.Addrs = addrList(j.Run.Addr, j.look.Addr)
	return t
}

func (j *judging) lose() *Transition {
	t := j.news(Lost)
	t.Loss = j.loss
	if j.atOnce {
		t.After, t.FirstSight = j.firstSight()
	} else {
		t.FirstSight = t.After.IsZero()
	}
	if j.complete() {
		j.lostOffer().into(t)
		j.Offer = j.Offer.with(j.offer())
	}
	j.Standing, j.Loss = StandingLost, j.loss
	j.OfferedTLS = j.OfferedTLS || j.loss == LossStartTLS
	j.Mixed, j.Learned, j.Turn = false, nil, Turn{}
	j.settlePending()
	return t
}

// firstSight is the onset of a loss that needed no confirmation: after the last
// look that still showed what is gone, or before we looked.
func (j *judging) firstSight() (after time.Time, before bool) {
	switch j.loss {
	case LossStartTLS:
		if after = j.SeenTLS; !after.Before(j.Run.Since) { // another loss came first
			after = j.Run.Before
		}
	case LossCapability:
		if slices.ContainsFunc(j.Learned, func(o Offer) bool { return !j.missing(o) }) {
			after = j.Run.Before
		}
	default:
		after = j.Run.Before
	}
	return after, after.IsZero()
}

// missing: the offer lacks a required keyword.
func (j *judging) missing(o Offer) bool {
	return slices.ContainsFunc(j.cfg.Require, func(k string) bool { return !o.has(k) })
}

// lostOffer compares with the baseline; without one with what the control is
// offered, and what the loss itself says is gone is always among it.
func (j *judging) lostOffer() offerDiff {
	d := j.Offer.diff(j.offer())
	if j.Offer.Plain == nil {
		d = offerDiff{went: diffCaps(j.look.ControlPlain, j.look.Plain).went}
	}
	gone := func(k string) {
		if !slices.Contains(d.went, k) && !slices.Contains(d.went, k+insideTLSMark) {
			d.went = append(d.went, k)
			slices.Sort(d.went)
		}
	}
	if j.loss == LossStartTLS {
		gone(startTLSWord)
	}
	for _, k := range j.cfg.Require {
		if k != startTLSWord && j.misses(k) {
			gone(k)
		}
	}
	return d
}

func (j *judging) comeBack() *Transition {
	t := j.news(Back)
	t.Why = ""
	j.Offer.diff(j.offer()).into(t)
	j.Offer = j.Offer.with(j.offer())
	j.Standing, j.Loss = StandingGood, ""
	j.OfferedTLS = j.look.Outcome == reputation.Advertised
	j.Mixed, j.Turn = false, Turn{}
	j.settlePending()
	return t
}

func (j *judging) flap() *Transition {
	j.Mixed = true
	t := j.news(Flapping)
	if j.Standing == StandingGood {
		t.Loss = j.prev.Loss
	}
	t.After, t.By = j.prev.Before, j.now
	t.Addrs = addrList(j.prev.Addr, j.look.Addr)
	return t
}

// learn waits for two looks that agree on the keywords (rule of truth 4).
func (j *judging) learn() {
	if !j.complete() || j.loss != "" {
		return
	}
	now := j.offer()
	if slices.ContainsFunc(j.Learned, now.sameWords) {
		j.Standing, j.Offer, j.Learned = StandingGood, now, nil
		j.OfferedTLS = j.look.Outcome == reputation.Advertised
		return
	}
	kept := slices.Clone(j.Learned) // the old state keeps its own
	if len(kept) == learnSets {
		kept = kept[1:]
	}
	j.Learned = append(kept, now)
}

// turn tells that a loss is of another kind now, once two looks agree.
func (j *judging) turn() *Transition {
	if j.Turn.Loss != j.loss {
		j.Turn = Turn{Loss: j.loss, Since: j.now, Before: j.lastBefore}
	}
	j.Turn.Looks++
	if j.Turn.Looks < confirmLooks || j.now.Sub(j.Turn.Since) < j.cfg.confirmAfter() {
		return nil
	}
	t := j.news(Changed)
	t.Loss, t.After, t.By, t.Looks = j.loss, j.Turn.Before, j.Turn.Since, j.Turn.Looks
	if j.complete() {
		j.Offer.diff(j.offer()).into(t)
		j.Offer = j.Offer.with(j.offer())
		j.settlePending()
	}
	j.Loss, j.Turn = j.loss, Turn{}
	return t
}

// offerChange tells which capabilities went, came and changed while good stays
// good and lost stays lost, once looks agree on it.
func (j *judging) offerChange() *Transition {
	if !j.complete() {
		return nil
	}
	now, p := j.offer(), &j.Pending
	d := j.Offer.diff(now)
	if d.empty() {
		if j.Offer.TLS == nil {
			j.Offer = j.Offer.with(now)
		}
		return j.offerRefuted()
	}
	p.Calm = 0
	if p.Looks == 0 || !p.Offer.diff(now).empty() {
		if p.Looks > 0 {
			p.Refuted = min(p.Refuted+1, maxNeeded-confirmLooks)
		}
		p.Offer, p.Looks, p.Since, p.Before, p.Addr = now, 0, j.now, j.lastBefore, j.look.Addr
	}
	p.Looks++
	if p.Looks < confirmLooks+p.Refuted || j.now.Sub(p.Since) < j.cfg.confirmAfter() {
		return nil
	}
	t := j.news(Changed)
	t.After, t.By, t.Looks, t.Addrs = p.Before, p.Since, p.Looks, addrList(p.Addr, j.look.Addr)
	d.into(t)
	j.Offer = j.Offer.with(now)
	j.OfferedTLS = j.OfferedTLS || j.look.Outcome == reputation.Advertised
	j.settlePending()
	return t
}

// offerRefuted drops a differing set that did not last. The first time it is
// told, as mixed; with enough looks alike it is forgotten.
func (j *judging) offerRefuted() *Transition {
	p := &j.Pending
	if p.Looks == 0 {
		if p.Calm++; p.Calm >= settleLooks {
			*p = Pending{}
		}
		return nil
	}
	was := *p
	*p = Pending{Refuted: min(was.Refuted+1, maxNeeded-confirmLooks), Mixed: true}
	if was.Mixed {
		return nil
	}
	t := j.news(Changed)
	t.Mixed, t.After, t.By, t.Addrs = true, was.Before, j.now, addrList(was.Addr, j.look.Addr)
	j.Offer.diff(was.Offer).into(t)
	return t
}

// settlePending forgets the waiting set, and keeps how often such sets did not last.
func (j *judging) settlePending() {
	j.Pending = Pending{Refuted: j.Pending.Refuted, Mixed: j.Pending.Mixed}
}

func addrList(addrs ...netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, a := range addrs {
		if a.IsValid() && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
