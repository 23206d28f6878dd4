package correlate

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// said is one line of replay's output.
type said struct {
	Seq        uint64  `json:"seq"`
	Stage      string  `json:"stage"`
	Verdict    Cause   `json:"verdict"`
	List       *string `json:"list"`
	Confidence float64 `json:"confidence"`
}

type edgeLine struct {
	Edge struct {
		Partner string  `json:"partner"`
		List    string  `json:"list"`
		PIP     float64 `json:"pip"`
	} `json:"edge"`
}

type forecastLine struct {
	Forecast struct {
		ListingSeq uint64  `json:"listing_seq"`
		Partner    string  `json:"partner"`
		P          float64 `json:"p"`
	} `json:"forecast"`
}

// OnlineAfter is how long after a loss was seen its online verdict is said.
const OnlineAfter = 65 * time.Minute

// ReadEvents reads all events of r; errors name the line.
func ReadEvents(r io.Reader) ([]Event, error) {
	d := NewDecoder(r)
	var out []Event
	for {
		e, err := d.Decode()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
}

// Universe is what a recording is about: every IP and partner that appears in it.
func Universe(events []Event) Options {
	var o Options
	var ips, partners names
	for i := range events {
		e := &events[i]
		switch {
		case e.Vantage == Control:
			o.Control = true
		case e.Vantage != "":
			ips.id(e.Vantage)
		}
		if e.Partner != "" {
			partners.id(e.Partner)
		}
	}
	o.IPs, o.Partners = ips.texts, partners.texts
	return o
}

// Replay feeds a recording and writes what would have been said: the verdict
// on each loss OnlineAfter it was seen, forecasts as each listing was seen,
// and at the end final verdicts and what was learned. One JSON object a line.
func Replay(events []Event, o Options, w io.Writer) error {
	out := bufio.NewWriter(w)
	r := &replayer{c: New(o), enc: json.NewEncoder(out)}
	for _, e := range events {
		r.sayUntil(e.T)
		if err := r.c.Observe(e); err != nil {
			return err
		}
		switch {
		case e.Kind == KindCap && e.State == Lost && e.Vantage != Control:
			r.due = append(r.due, e)
		case e.Kind == KindListing && e.State == Listed:
			r.forecast(e)
		}
	}
	if len(events) > 0 {
		last := events[len(events)-1].T
		r.sayUntil(last.Add(2 * OnlineAfter))
		r.finish(last)
	}
	return errors.Join(r.err, out.Flush())
}

const (
	leastForecast = 0.1 // forecasts below are not worth a line
	leastEdge     = 0.01
)

type replayer struct {
	c   *Correlator
	enc *json.Encoder
	due []Event // losses whose online verdict is not said yet
	err error   // the first write error
}

func (r *replayer) write(line any) {
	if r.err == nil {
		r.err = r.enc.Encode(line)
	}
}

// sayUntil says the online verdicts that were due before t.
func (r *replayer) sayUntil(t time.Time) {
	for len(r.due) > 0 && r.due[0].T.Add(OnlineAfter).Before(t) {
		v, _ := r.c.Verdict(r.due[0].Seq, r.due[0].T.Add(OnlineAfter))
		r.write(line(&v, "online"))
		r.due = r.due[1:]
	}
}

func (r *replayer) forecast(e Event) {
	for _, f := range r.c.Forecasts(e.Seq, e.T) {
		if f.P >= leastForecast {
			var l forecastLine
			l.Forecast.ListingSeq, l.Forecast.Partner, l.Forecast.P = f.ListingSeq, f.Partner, f.P
			r.write(l)
		}
	}
}

func (r *replayer) finish(now time.Time) {
	for _, v := range r.c.Verdicts(now) {
		r.write(line(&v, "final"))
	}
	for _, e := range r.c.Edges(now, leastEdge) {
		var l edgeLine
		l.Edge.Partner, l.Edge.List, l.Edge.PIP = e.Partner, e.List, e.PIP
		r.write(l)
	}
}

func line(v *Verdict, stage string) said {
	s := said{Seq: v.Seq, Stage: stage, Verdict: v.Likeliest.Cause, Confidence: v.Likeliest.P}
	if v.Likeliest.List != "" {
		s.List = &v.Likeliest.List
	}
	return s
}
