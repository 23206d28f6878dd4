package oracle

import (
	"repwatch/correlate"
)

// ScoreForecasts judges the forecasts with P >= .5. Right: the partner did
// withdraw something from the IP because of that list while the listing was
// seen as in force. Recall counts the reactions to listings that were seen
// before the loss was, on edges that had reacted twice before.
func ScoreForecasts(events []correlate.Event, t Truth, said *Said) ForecastFigures {
	incidents := map[uint64]*Incident{}
	for i := range t.Incidents {
		incidents[t.Incidents[i].Seq] = &t.Incidents[i]
	}
	open := map[[2]string]uint64{} // (ip, list) -> seq of the listing in force
	due := map[uint64]map[string]bool{}
	for _, f := range said.Forecasts {
		if f.P >= .5 {
			if due[f.ListingSeq] == nil {
				due[f.ListingSeq] = map[string]bool{}
			}
			due[f.ListingSeq][f.Partner] = false
		}
	}
	before := map[[2]string]int{}
	all, foretold := 0, 0
	for i := range events {
		e := &events[i]
		switch {
		case e.Kind == correlate.KindListing && e.State == correlate.Listed:
			open[[2]string{e.Vantage, e.List}] = e.Seq
		case e.Kind == correlate.KindListing:
			delete(open, [2]string{e.Vantage, e.List})
		}
		k := incidents[e.Seq]
		if k == nil || k.Category != "listing" {
			continue
		}
		edge := [2]string{k.Partner, k.Trigger}
		before[edge]++
		seq, seen := open[[2]string{k.IP, k.Trigger}]
		if !seen {
			continue
		}
		_, told := due[seq][k.Partner]
		if told {
			due[seq][k.Partner] = true
		}
		if before[edge] > 2 {
			all++
			if told {
				foretold++
			}
		}
	}
	right, total := 0, 0
	for _, partners := range due {
		for _, hit := range partners {
			total++
			if hit {
				right++
			}
		}
	}
	return ForecastFigures{ratio(right, total), ratio(foretold, all)}
}
