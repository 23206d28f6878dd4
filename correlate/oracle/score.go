package oracle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
)

// Stage holds the figures of the online or the final verdicts.
type Stage struct {
	Answered  int
	Precision float64 // of "listing" verdicts: the right list was named (NaN: none was said)
	Recall    float64 // of listing incidents: the right list was named (NaN: there are none)
	Category  float64 // of all incidents: listing, partner-wide, network-path or none of these
	ECE       float64 // expected calibration error over ten bins of confidence
}

// Figures are what a replay scored.
type Figures struct {
	Incidents, Forecasts int
	Online, Final        Stage
	Edges                EdgeFigures
	Forecast             ForecastFigures
}

// EdgeFigures judge what was learned at PIP >= .9.
type EdgeFigures struct {
	True, Learned, False int
	Precision, Recall3   float64 // recall among edges with three or more reactions
}

// ForecastFigures judge forecasts with P >= .5.
type ForecastFigures struct{ Precision, Recall float64 }

// Said is what a replay wrote, read back.
type Said struct {
	Verdicts  map[string]map[uint64]SaidVerdict // by stage and seq
	Edges     map[[2]string]float64
	Forecasts []SaidForecast
}

// SaidVerdict is one verdict line.
type SaidVerdict struct {
	Seq        uint64   `json:"seq"`
	Stage      string   `json:"stage"`
	Verdict    string   `json:"verdict"`
	List       string   `json:"list"`
	Confidence *float64 `json:"confidence"`
}

// SaidForecast is one forecast line.
type SaidForecast struct {
	ListingSeq uint64  `json:"listing_seq"`
	Partner    string  `json:"partner"`
	P          float64 `json:"p"`
}

// ReadSaid reads the output of a replay.
func ReadSaid(r io.Reader) (*Said, error) {
	s := &Said{Verdicts: map[string]map[uint64]SaidVerdict{"online": {}, "final": {}}, Edges: map[[2]string]float64{}}
	scan := bufio.NewScanner(r)
	for n := 1; scan.Scan(); n++ {
		var o struct {
			SaidVerdict
			Edge *struct {
				Partner, List string
				PIP           float64
			} `json:"edge"`
			Forecast *SaidForecast `json:"forecast"`
		}
		if err := json.Unmarshal(scan.Bytes(), &o); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		switch {
		case o.Edge != nil:
			s.Edges[[2]string{o.Edge.Partner, o.Edge.List}] = o.Edge.PIP
		case o.Forecast != nil:
			s.Forecasts = append(s.Forecasts, *o.Forecast)
		case s.Verdicts[o.Stage] == nil:
			return nil, fmt.Errorf("line %d: stage %q is neither online nor final", n, o.Stage)
		default:
			s.Verdicts[o.Stage][o.Seq] = o.SaidVerdict
		}
	}
	return s, scan.Err()
}

// Score compares what was said with what happened.
func Score(t Truth, s *Said) Figures {
	f := Figures{Incidents: len(t.Incidents), Forecasts: len(s.Forecasts)}
	f.Online = stage(t, s.Verdicts["online"])
	f.Final = stage(t, s.Verdicts["final"])
	f.Edges = edges(t, s.Edges)
	return f
}

func ratio(a, b int) float64 {
	if b == 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}

var wanted = map[string]string{"listing": "listing", "wide": "partner-wide", "path": "network-path", "random": "none", "internal": "none"}

func category(verdict string) string {
	switch {
	case strings.HasPrefix(verdict, "listing"):
		return "listing"
	case verdict == "partner-wide", verdict == "network-path":
		return verdict
	default:
		return "none"
	}
}

func (i *Incident) names(list string) bool {
	if list == i.Trigger {
		return true
	}
	for _, l := range i.Lists {
		if l == list {
			return true
		}
	}
	return false
}

func stage(t Truth, said map[uint64]SaidVerdict) Stage {
	var s Stage
	var tp, fp, fn, right, n int
	var sum, hits [10]float64
	for k := range t.Incidents {
		i := &t.Incidents[k]
		v, ok := said[i.Seq]
		if ok {
			s.Answered++
		} else {
			v.Verdict = "undetermined"
		}
		want, got := wanted[i.Category], category(v.Verdict)
		list := v.Verdict == "listing" && i.names(v.List)
		hit := want == "listing" && list
		switch {
		case hit:
			tp++
		case v.Verdict == "listing":
			fp++
		}
		if want == "listing" && !hit {
			fn++
		}
		if got == want {
			right++
		}
		if ok && v.Confidence != nil {
			b := min(9, int(*v.Confidence*10))
			n++
			sum[b] += *v.Confidence
			if got == want && (want != "listing" || list) {
				hits[b]++
			}
		}
	}
	s.Precision, s.Recall, s.Category = ratio(tp, tp+fp), ratio(tp, tp+fn), ratio(right, len(t.Incidents))
	for b := range sum {
		s.ECE += math.Abs(sum[b]-hits[b]) / math.Max(1, float64(n))
	}
	return s
}

func edges(t Truth, said map[[2]string]float64) EdgeFigures {
	f := EdgeFigures{True: len(t.Edges)}
	real := map[[2]string]bool{}
	often, found, good := 0, 0, 0
	for _, e := range t.Edges {
		key := [2]string{e.Partner, e.List}
		real[key] = true
		if e.Reactions >= 3 {
			often++
			if said[key] >= .9 {
				found++
			}
		}
	}
	for key, pip := range said {
		if pip < .9 {
			continue
		}
		f.Learned++
		if real[key] {
			good++
		}
	}
	f.False = f.Learned - good
	f.Precision, f.Recall3 = ratio(good, f.Learned), ratio(found, often)
	return f
}
