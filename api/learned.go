package api

import (
	"cmp"
	"slices"
	"time"

	"repwatch/cause"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/store"
)

// Learned is what the correlator believes of partners and lists, and how its
// forecasts turned out.
type Learned struct {
	Schema    string     `json:"schema"`
	At        *time.Time `json:"at"`
	Edges     []Edge     `json:"edges"`     // the surest first
	Priors    []Prior    `json:"priors"`    // believed before anything was seen here
	Forecasts []Forecast `json:"forecasts"` // the latest first
	Score     Score      `json:"score"`
}

// Edge is what is believed of one partner and one list.
type Edge struct {
	Partner  string             `json:"partner"`
	Provider string             `json:"provider"`
	List     string             `json:"list"`
	Standing correlate.Standing `json:"standing"`
	PIP      float64            `json:"pip"`
	Fired    int                `json:"fired"`    // listings that had their time
	Followed int                `json:"followed"` // ... and were answered with a loss
	Low      float64            `json:"low"`      // 95 % Jeffreys interval of followed of fired
	High     float64            `json:"high"`
	Ended    int                `json:"ended"`
	Restored int                `json:"restored"` // ... of these, how often it came back with the delisting
	Lag      Span               `json:"lag"`
	Recovery Span               `json:"recovery"`
	Words    string             `json:"words"`
}

// Span is a delay: 10 % and 90 % points in minutes. Where the looks were too far
// apart to tell, fine is false and high is the most it can be.
type Span struct {
	Low   float64 `json:"low_min"`
	High  float64 `json:"high_min"`
	Fine  bool    `json:"fine"`
	Words string  `json:"words"`
}

// Prior is a belief with a source.
type Prior struct {
	Partner  string  `json:"partner"`
	Provider string  `json:"provider"`
	List     string  `json:"list"`
	P        float64 `json:"p"`
	Source   string  `json:"source"`
}

// Forecast is a reaction that was foretold, and what became of it.
type Forecast struct {
	IP      string     `json:"ip"`
	List    string     `json:"list"`
	Partner string     `json:"partner"`
	P       float64    `json:"p"`
	At      *time.Time `json:"at"`
	From    *time.Time `json:"from"`
	To      *time.Time `json:"to"`
	Outcome string     `json:"outcome"` // hit, miss, or empty while it is open
	Judged  *time.Time `json:"judged"`
}

// Score counts forecasts. Expected is the sum of their probabilities: hits close
// to it mean that the probabilities can be taken at their word.
type Score struct {
	Hits     int     `json:"hits"`
	Misses   int     `json:"misses"`
	Open     int     `json:"open"`
	Expected float64 `json:"expected"` // hits to be expected of those judged
}

// leastPIP is the weakest belief that is shown.
const leastPIP = 0.05

// LearnedOf builds the document. It rebuilds the correlator from the journal.
func LearnedOf(tx *store.Tx, cfg *config.Loaded, now time.Time) (Learned, error) {
	doc := Learned{Schema: Schema("learned"), At: utc(now), Edges: []Edge{}, Priors: []Prior{}, Forecasts: []Forecast{}}
	options := cause.Options(tx, cfg)
	c, err := cause.Rebuild(tx, cfg)
	if err != nil {
		return doc, err
	}
	for _, e := range c.Edges(now, leastPIP) {
		if e.Fired == 0 && e.Standing == correlate.Weak {
			continue // nothing was seen of it: that is the prior's to say
		}
		doc.Edges = append(doc.Edges, edgeOf(e, options.Provider[e.Partner]))
	}
	slices.SortStableFunc(doc.Edges, func(a, b Edge) int { return cmp.Compare(b.PIP, a.PIP) })
	for _, p := range options.Priors {
		doc.Priors = append(doc.Priors, Prior{Partner: p.Partner, Provider: providerName(p.Provider), List: p.List, P: p.P, Source: p.Source})
	}
	for _, f := range tx.Forecasts().All() {
		doc.foretold(f)
	}
	slices.SortStableFunc(doc.Forecasts, func(a, b Forecast) int { return b.At.Compare(*a.At) })
	return doc, tx.Err()
}

func (doc *Learned) foretold(f store.Forecast) {
	doc.Forecasts = append(doc.Forecasts, Forecast{IP: f.IP, List: f.List, Partner: f.Partner, P: f.P, At: utc(f.At), From: utc(f.From), To: utc(f.To),
		Outcome: f.Outcome, Judged: utc(f.Judged)})
	switch f.Outcome {
	case "hit":
		doc.Score.Hits++
	case "miss":
		doc.Score.Misses++
	default:
		doc.Score.Open++
		return
	}
	doc.Score.Expected += f.P
}

func edgeOf(e correlate.Edge, provider string) Edge {
	return Edge{Partner: e.Partner, Provider: providerName(provider), List: e.List, Standing: e.Standing, PIP: e.PIP, Fired: e.Fired, Followed: e.Followed,
		Low: e.Low, High: e.High, Ended: e.Ended, Restored: e.Restored, Lag: spanOf(e.Lag), Recovery: spanOf(e.Recovery), Words: e.String()}
}

func spanOf(r correlate.Range) Span {
	return Span{Low: r.Low, High: r.High, Fine: r.Fine, Words: r.String()}
}

// providerName is how people know a provider; what nobody recognised has none.
func providerName(id string) string {
	if p, ok := smtp.ProviderByID(id); ok {
		return p.Name
	}
	return id
}
