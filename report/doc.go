// Package report is the weekly report: one JSON document that is built from a
// view of the store, and its renderings for a terminal, Markdown, HTML, Slack and
// e-mail. Each number of it is defined in docs/report.md.
//
// Building is pure: the same store, week and moment give the same document.
package report

import (
	"time"

	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
)

// Schema of the document. Fields are only ever added within a version.
const Schema = "repwatch/report/v1"

// Light is the week in one colour.
type Light string

const (
	Green  Light = "green"  // nothing was listed, nothing lost
	Yellow Light = "yellow" // listings without loss, or losses of less than an hour in all
	Red    Light = "red"    // losses of an hour or more
	Grey   Light = "grey"   // less than half could be told, and what was told was good
)

// Whose says on whose side a cause lies.
type Whose = incident.Whose

const (
	Ours    = incident.Ours
	Theirs  = incident.Theirs
	Path    = incident.Path
	Unclear = incident.Unclear
)

// Report is the document. Times are UTC; absent ones, and numbers that cannot be
// known, are null; arrays never are.
type Report struct {
	Schema string     `json:"schema"`
	At     *time.Time `json:"at"` // when it was built; what is open is open then
	Week   Period     `json:"week"`

	Light Light  `json:"light"`
	Words string `json:"words"` // the week in one sentence
	Than  string `json:"than"`  // ... against last week and the four-week median

	Sum       Sum        `json:"sum"`
	Picture   Picture    `json:"picture"`
	Open      []Open     `json:"open"` // the worst first
	Listings  Listings   `json:"listings"`
	Partners  []Partner  `json:"partners"` // the longest trouble first
	Providers []Partner  `json:"providers"`
	Incidents []Incident `json:"incidents"` // the latest first
	Blind     Blind      `json:"blind"`
	Due       []Due      `json:"due"` // the soonest first
	Learned   Learned    `json:"learned"`
	Pools     []Pool     `json:"pools"`
	Appendix  Appendix   `json:"appendix"`
}

// Period is the time that the report is about.
type Period struct {
	ID       string     `json:"id"` // 2026-W46; empty: no calendar week
	From     *time.Time `json:"from"`
	To       *time.Time `json:"to"`
	Timezone string     `json:"timezone"`
	Hours    float64    `json:"hours"`         // 167 or 169 where the clock changes
	Watched  float64    `json:"watched_hours"` // of these, since the first look and until now
}

// Hours is a length of time: as it was seen, and the least and the most that it
// may have been, because looks lie apart.
type Hours struct {
	Low  float64 `json:"low"`
	Seen float64 `json:"seen"`
	High float64 `json:"high"`
}

// Sum is the week in numbers, for who decides.
type Sum struct {
	Numbers
	MessagesDelayed *int   `json:"messages_delayed"`     // by the mail log; null: none is read
	MessagesWhy     string `json:"messages_delayed_why"` // why it is null

	PartnersWatched int      `json:"partners_watched"`
	Whose           []Fault  `json:"whose"` // the longest first
	LastWeek        *Numbers `json:"last_week"`
	Median          *Numbers `json:"median"`       // of the four weeks before, as far as they were watched
	MedianWeeks     int      `json:"median_weeks"` // how many these are
}

// Numbers are what weeks are compared by.
type Numbers struct {
	PartnersAffected int   `json:"partners_affected"`
	LossHours        Hours `json:"loss_hours"`    // partner-hours: the union of a partner's losses, summed over partners
	Listings         int   `json:"listings"`      // accusing ones that lasted at any moment of it
	ListingHours     Hours `json:"listing_hours"` // the union over subjects and lists
}

// Fault is what one side answers for.
type Fault struct {
	Whose     Whose `json:"whose"`
	Incidents int   `json:"incidents"`
	Partners  int   `json:"partners"`
	Hours     Hours `json:"hours"` // partner-hours; what has two causes at once counts for both
}

// Picture is what is drawn: lists above, partners below.
type Picture struct {
	Rows []Row  `json:"rows"`
	More int    `json:"more"` // rows that were left out
	Alt  string `json:"alt"`  // the picture in words
}

// Row is one list or partner in time.
type Row struct {
	Kind    string `json:"kind"` // list or partner
	Name    string `json:"name"`
	Bars    []Bar  `json:"bars"`
	Unknown []Gap  `json:"unknown"`
}

// Bar is a bad state of at least one address. It is sure from From to To (never,
// where these are the same); it may have begun at Early and ended at Late. Bars of
// one cause do not overlap.
type Bar struct {
	Early *time.Time `json:"early"`
	From  *time.Time `json:"from"`
	To    *time.Time `json:"to"`
	Late  *time.Time `json:"late"`
	// Cause is a Whose, or "harmless" for a listing that broke nothing.
	Cause     string   `json:"cause"`
	Incidents []string `json:"incidents"`
}

// Gap is time in which nothing could be told.
type Gap struct {
	From *time.Time `json:"from"`
	To   *time.Time `json:"to"`
	Why  string     `json:"why"`
}

// Open is an incident that is open when the report is built.
type Open struct {
	ID     string            `json:"id"`
	Kind   incident.Kind     `json:"kind"`
	Impact reputation.Impact `json:"impact"`
	Words  string            `json:"words"`
	Opened *time.Time        `json:"opened"`
	Age    float64           `json:"age_hours"`
	InHand bool              `json:"in_hand"` // acknowledged or snoozed
	Next   string            `json:"next"`    // the first thing to do
}

// Listings are those that lasted in the week, by list.
type Listings struct {
	Hurt     []Listing `json:"hurt"`     // a loss is blamed on them
	Harmless []Listing `json:"harmless"` // nothing is
}

// Listing is what one list said in the week.
type Listing struct {
	List      string            `json:"list"`
	Name      string            `json:"name"`
	Impact    reputation.Impact `json:"impact"` // the worst
	Subjects  []string          `json:"subjects"`
	Listings  int               `json:"listings"`
	Open      int               `json:"open"` // of these, when the report was built
	Sum       Hours             `json:"sum_hours"`
	Union     Hours             `json:"union_hours"`
	Partners  []string          `json:"partners"` // lost because of it
	Incidents []string          `json:"incidents"`
}

// Partner is how mail to one partner, or to all partners of one provider, fared.
type Partner struct {
	Name     string   `json:"name"`
	Provider string   `json:"provider"`
	Pairs    int      `json:"pairs"` // sending addresses that it is watched from; a provider's over its partners
	Losses   int      `json:"losses"`
	Lost     Hours    `json:"lost_hours"`     // the union of its losses; a provider's is the sum over partners
	Rejected Hours    `json:"rejected_hours"` // of these, refused
	Deferred Hours    `json:"deferred_hours"` // of these, put off
	TLS      *Share   `json:"tls"`            // share of watched time in which STARTTLS worked; null: nothing was watched
	Looks    *Looks   `json:"looks"`          // null: the ledger of that time is gone
	Why      []Whose  `json:"why"`
	Members  []string `json:"members"` // partners of a provider
}

// Share is a part of 1, with the least and the most that it may be.
type Share struct {
	Low  float64 `json:"low"`
	Seen float64 `json:"seen"`
	High float64 `json:"high"`
}

// Looks counts our own sessions by what they met.
type Looks struct {
	All      int `json:"all"`
	Good     int `json:"good"`     // STARTTLS worked
	Rejected int `json:"rejected"` // 5xx at greeting or EHLO
	Deferred int `json:"deferred"` // 4xx there, or 454 to STARTTLS
	NoTLS    int `json:"no_tls"`   // absent, masked or broken
	Unknown  int `json:"unknown"`  // nothing could be told
}

// Incident is one that was open in the week.
type Incident struct {
	ID          string            `json:"id"`
	Kind        incident.Kind     `json:"kind"`
	Status      incident.Status   `json:"status"`
	Impact      reputation.Impact `json:"impact"`
	Words       string            `json:"words"`
	Whose       Whose             `json:"whose"`
	Verdict     correlate.Cause   `json:"verdict"` // empty for kinds own and health
	Word        string            `json:"word"`    // confirmed, likely, possible
	Confidence  *float64          `json:"confidence"`
	Provisional bool              `json:"provisional"`
	Opened      *time.Time        `json:"opened"`
	Resolved    *time.Time        `json:"resolved"`
	Hours       Hours             `json:"hours"` // partner-hours of its losses in the week
	Partners    []string          `json:"partners"`
	Evidence    []string          `json:"evidence"`
}

// Blind is what could not be told.
type Blind struct {
	Lists    float64      `json:"lists_unknown"`    // share of list-hours
	Partners float64      `json:"partners_unknown"` // share of the watched time
	Told     float64      `json:"told"`             // share of the week in which the worse of both could be told
	Spans    []Suspension `json:"spans"`            // the longest first
	Keys     []KeyUse     `json:"keys"`
	Looking  []string     `json:"looking"` // in words: what else was not seen
}

// Suspension is a list that was not believed, or a part of our seeing that failed.
type Suspension struct {
	List  string     `json:"list"` // empty: it concerns everything
	Part  string     `json:"part"` // list, resolver, coverage, port25, looking
	From  *time.Time `json:"from"`
	To    *time.Time `json:"to"` // null: it lasts
	Hours float64    `json:"hours"`
	Why   string     `json:"why"`
}

// KeyUse is a list that is near its daily limit of questions.
type KeyUse struct {
	List   string  `json:"list"`
	Day    string  `json:"day"` // UTC
	Spent  int     `json:"spent"`
	PerDay int     `json:"per_day"`
	Share  float64 `json:"share"`
}

// Due is what must be done soon.
type Due struct {
	What string     `json:"what"` // certificate, ptr, ...
	Who  string     `json:"who"`
	When *time.Time `json:"when"` // null: it is so already
	Ours bool       `json:"ours"`
	Text string     `json:"text"`
}

// Learned is what the week taught.
type Learned struct {
	Edges     []Edge     `json:"edges"` // those whose standing changed
	Known     int        `json:"known"` // learned edges in all, at the end of the week
	Forecasts []Forecast `json:"forecasts"`
	Score     Score      `json:"score"` // of what was judged in the week
	Ever      Score      `json:"ever"`  // ... since the beginning of what is kept
}

// Edge is a partner that reacts to a list.
type Edge struct {
	Partner string             `json:"partner"`
	List    string             `json:"list"`
	Was     correlate.Standing `json:"was"` // empty: nothing was believed of it
	Is      correlate.Standing `json:"is"`
	Words   string             `json:"words"`
}

// Forecast is a reaction that was foretold, and judged in the week.
type Forecast struct {
	IP      string     `json:"ip"`
	List    string     `json:"list"`
	Partner string     `json:"partner"`
	P       float64    `json:"p"`
	At      *time.Time `json:"at"`
	Outcome string     `json:"outcome"` // hit or miss
}

// Score says how good forecasts were.
type Score struct {
	Hits     int      `json:"hits"`
	Misses   int      `json:"misses"`
	Expected float64  `json:"expected"` // hits to be expected by their probabilities
	Brier    *float64 `json:"brier"`    // mean square of probability less outcome: 0 is perfect, 0.25 a coin; null: none was judged
}

// Pool is a week of one pool of addresses.
type Pool struct {
	Pool      string `json:"pool"`
	Addresses int    `json:"addresses"`
	Light     Light  `json:"light"`
	Numbers
}

// Appendix holds what few will ask for.
type Appendix struct {
	Delisting []Delisting `json:"delisting"`
	Sum       Hours       `json:"listing_hours_sum"`   // over subjects and lists
	Union     Hours       `json:"listing_hours_union"` // of all of them
}

// Delisting is how long listings by one list last, from all the history that is
// kept (Kaplan-Meier: those that last are counted as lasting at least so long).
type Delisting struct {
	List     string `json:"list"`
	Name     string `json:"name"`
	Listings int    `json:"listings"`
	Ended    int    `json:"ended"`
	LeftOut  int    `json:"left_out"`     // began before we looked, so their length is not known
	Median   *Hours `json:"median_hours"` // until half are gone; null: fewer than half are
}

// Sent says that a report is on its way.
type Sent struct {
	Schema    string     `json:"schema"` // repwatch/report-sent/v1
	At        *time.Time `json:"at"`
	Week      string     `json:"week"`
	Notifiers []string   `json:"notifiers"`
}

// SentTo builds the document.
func SentTo(now time.Time, week string, notifiers []string) Sent {
	return Sent{Schema: "repwatch/report-sent/v1", At: utc(now), Week: week, Notifiers: orEmpty(notifiers)}
}

// enough is the share of a week that must have been told of.
const enough = .5

// Told reports that at least half of the week could be told of.
func (r *Report) Told() bool { return r.Blind.Told >= enough }
