package smtp

import (
	"time"

	"repwatch/reputation"
)

// wants are the looks asked for after a sure look with the transition t, if any.
func (j *judging) wants(t *Transition) []Want {
	var out []Want
	lost := t != nil && t.Kind == Lost
	switch {
	case j.Suspects():
		out = append(out, j.secondLook())
	case lost && j.Run.Looks < confirmLooks:
		out = append(out, j.self(confirmWait(j.cfg, 0), "first sight: a second look makes sure"))
	case j.Standing == StandingNew && len(j.Learned) > 0:
		out = append(out, j.self(confirmWait(j.cfg, len(j.Learned)-1), "two looks that agree make the baseline"))
	case j.Turn.Looks > 0:
		out = append(out, j.self(confirmWait(j.cfg, j.Turn.Looks-1), "the loss looks different now"))
	case j.Pending.Looks > 0:
		w := j.self(confirmWait(j.cfg, j.Pending.Looks-1), "capabilities differ from those known")
		w.AvoidAddr = j.Pending.Addr
		out = append(out, w)
	}
	if lost || j.Run.Bad && j.Suspects() || j.look.Control == reputation.OutcomeUnknown && j.unproven() { // what it saw before our loss says nothing of it
		out = append(out, Want{Who: WantControl, At: j.now, Why: "is it so for everybody, or for us alone"})
	}
	if lost {
		out = append(out, Want{Who: WantPeers, At: j.now, Why: "have our other addresses lost it too"})
	}
	return out
}

// unproven: no STARTTLS at first sight, and only the control can say whether that is normal.
func (j *judging) unproven() bool {
	return j.look.Outcome == reputation.Absent && j.Standing == StandingNew
}

// secondLook is due ConfirmAfter after the first; when that has passed and more
// looks are needed, each waits twice as long as the one before.
func (j *judging) secondLook() Want {
	w := j.self(confirmWait(j.cfg, j.Run.Looks-1), "to confirm what the last look saw")
	if due := j.Run.Since.Add(j.cfg.confirmAfter()); due.After(j.now) {
		w.At = due
	}
	w.AvoidAddr = j.Run.Addr
	return w
}

func (j *judging) self(wait time.Duration, why string) Want {
	return Want{Who: WantSelf, At: j.now.Add(wait), Why: why}
}

// wantAgain asks for the confirmation once more after a look that could not
// tell. After two such looks the other address is given up on: it may be dead.
func (s State) wantAgain(now time.Time, cfg JudgeConfig) []Want {
	if !s.Suspects() {
		return nil
	}
	w := Want{Who: WantSelf, At: now.Add(confirmWait(cfg, s.Failed-1)), Why: "the look that was to confirm could not tell"}
	if s.Failed < 2 {
		w.AvoidAddr = s.Run.Addr
	}
	return []Want{w}
}

// confirmWait doubles with every look, up to maxWait (or ConfirmAfter, if that is more).
func confirmWait(cfg JudgeConfig, doublings int) time.Duration {
	wait := cfg.confirmAfter()
	for range min(max(doublings, 0), 16) {
		if wait >= maxWait {
			break
		}
		wait = min(2*wait, maxWait)
	}
	return wait
}
