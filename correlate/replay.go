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
	enc := json.NewEncoder(out)
	c := New(o)
	var due []Event
	say := func(until time.Time) error {
		for len(due) > 0 && due[0].T.Add(OnlineAfter).Before(until) {
			if err := enc.Encode(c.say(due[0].Seq, "online", due[0].T.Add(OnlineAfter))); err != nil {
				return err
			}
			due = due[1:]
		}
		return nil
	}
	for _, e := range events {
		if err := say(e.T); err != nil {
			return err
		}
		if err := c.Observe(e); err != nil {
			return err
		}
		switch {
		case e.Kind == KindCap && e.State == Lost && e.Vantage != Control:
			due = append(due, e)
		case e.Kind == KindListing && e.State == Listed:
			for _, f := range c.Forecasts(e.Seq, e.T) {
				if f.P < .1 {
					continue
				}
				var l forecastLine
				l.Forecast.ListingSeq, l.Forecast.Partner, l.Forecast.P = f.ListingSeq, f.Partner, f.P
				if err := enc.Encode(l); err != nil {
					return err
				}
			}
		}
	}
	if len(events) == 0 {
		return out.Flush()
	}
	end := events[len(events)-1].T
	if err := say(end.Add(2 * OnlineAfter)); err != nil {
		return err
	}
	end = fromMinutes(c.h.now)
	for _, v := range c.Verdicts(end) {
		if err := enc.Encode(line(v, "final")); err != nil {
			return err
		}
	}
	for _, e := range c.Edges(end, .01) {
		var l edgeLine
		l.Edge.Partner, l.Edge.List, l.Edge.PIP = e.Partner, e.List, e.PIP
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (c *Correlator) say(seq uint64, stage string, at time.Time) said {
	v, _ := c.Verdict(seq, at)
	return line(v, stage)
}

func line(v Verdict, stage string) said {
	s := said{Seq: v.Seq, Stage: stage, Verdict: v.Likeliest.Cause, Confidence: v.Likeliest.P}
	if v.Likeliest.List != "" {
		s.List = &v.Likeliest.List
	}
	return s
}
