package oracle

import (
	"time"

	"repwatch/correlate"
)

// followed is how long after a listing was seen, in minutes, a reaction still counts as foretold.
const followed = 300

type pairList struct{ ip, partner, list string }

// ScoreForecasts judges the forecasts with P >= .5. One is right when the
// partner did react to that list on that IP, from the listing's earliest onset
// until five hours after it was seen. Recall is over reactions to listings that were seen
// before the loss was, on edges that had reacted twice before: what could have been foretold.
func ScoreForecasts(events []correlate.Event, t Truth, said *Said) ForecastFigures {
	told := toldBy(said)
	starts := map[pairList][]float64{}
	incidents := map[uint64]*Incident{}
	for i := range t.Incidents {
		if k := &t.Incidents[i]; k.Category == "listing" {
			key := pairList{k.IP, k.Partner, k.Trigger}
			starts[key] = append(starts[key], k.Start)
			incidents[k.Seq] = k
		}
	}
	open := map[[2]string]uint64{} // (IP, list) -> seq of the listing in force
	before := map[pairList]int{}
	right, total, foretold, reactions := 0, 0, 0, 0
	for i := range events {
		e := &events[i]
		switch {
		case e.Kind == correlate.KindListing && e.State == correlate.Listed:
			open[[2]string{e.Vantage, e.List}] = e.Seq
			for partner := range told[e.Seq] {
				total++
				if within(starts[pairList{e.Vantage, partner, e.List}], since(e.Lo), since(e.Hi)+followed) {
					right++
				}
			}
		case e.Kind == correlate.KindListing:
			delete(open, [2]string{e.Vantage, e.List})
		case incidents[e.Seq] != nil:
			k := incidents[e.Seq]
			seq, seen := open[[2]string{k.IP, k.Trigger}]
			edge := pairList{partner: k.Partner, list: k.Trigger}
			if seen && before[edge] >= 2 {
				reactions++
				if told[seq][k.Partner] {
					foretold++
				}
			}
			before[edge]++
		}
	}
	return ForecastFigures{ratio(right, total), ratio(foretold, reactions)}
}

func toldBy(said *Said) map[uint64]map[string]bool {
	told := map[uint64]map[string]bool{}
	for _, f := range said.Forecasts {
		if f.P < .5 {
			continue
		}
		if told[f.ListingSeq] == nil {
			told[f.ListingSeq] = map[string]bool{}
		}
		told[f.ListingSeq][f.Partner] = true
	}
	return told
}

func since(t time.Time) float64 { return t.Sub(epoch).Minutes() }

func within(starts []float64, from, to float64) bool {
	for _, s := range starts {
		if s >= from && s <= to {
			return true
		}
	}
	return false
}
