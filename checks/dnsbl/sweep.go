package dnsbl

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"repwatch/reputation"
	"repwatch/resolve"
)

// Result is one asked pair.
type Result struct {
	Subject reputation.Subject
	List    *List
	Reading Reading
	Reason  string // the list's own words (TXT), asked only after a hit
}

// Finding reports that the pair is bad news: listed with an accusing code.
// Allow, neutral, good and policy answers are none.
func (r Result) Finding() bool {
	return r.Reading.Verdict == Listed && r.Reading.Class == reputation.ClassBad
}

// DelistURL is where this listing is removed: the worst code's own page, else
// the list's removal page, else its lookup page; empty if none is known.
func (r Result) DelistURL() string {
	template := r.List.Delist.URL
	for _, m := range r.Reading.Meaning {
		if m.Delist != "" {
			template = m.Delist
			break
		}
	}
	if template == "" {
		template = r.List.Lookup
	}
	who := r.Subject.Who()
	return strings.NewReplacer("{ip}", who, "{domain}", who).Replace(template)
}

// Sweep is what one run over lists and subjects found. Every pair asked is in
// Results, by subject and then by list in the order given.
type Sweep struct {
	At         time.Time
	Results    []Result
	Conditions []Condition
	// LookAgain names lists that hit more than half of eight or more subjects at
	// once: their test points want a second look after SecondLook before
	// anyone acts (rule of truth 2).
	LookAgain []*List
}

// SecondLook is how long after a mass hit a list is tested once more.
const SecondLook = 5 * time.Minute

// Progress is told how many of how many pairs are done. It may be called from several goroutines.
type Progress func(done, total int)

// Sweep asks every list about every subject it takes. A list that cannot be
// believed gives an unknown for each of its pairs, with the reason.
func (e *Engine) Sweep(ctx context.Context, lists []*List, subjects []Point, progress Progress) *Sweep {
	subjects = distinct(subjects)
	jobs := make([]*job, 0, len(lists))
	total := 0
	for _, l := range lists {
		j := newJob(e, l, subjects)
		if len(j.subjects) == 0 {
			continue // v4-only list and v6 address, domain list and IP: not asked, no gap
		}
		total += len(j.subjects)
		jobs = append(jobs, j)
	}
	var done atomic.Int64
	tick := func(n int) {
		d := done.Add(int64(n))
		if progress != nil {
			progress(int(d), total)
		}
	}
	e.runJobs(ctx, jobs, tick)
	return collect(jobs, subjects)
}

// runJobs works on all lists at once. A list that was silent is tried again
// while other lists still work, which costs the run nothing; when most lists
// are silent the resolver is slow rather than the lists dead, and each gets one
// patient try.
func (e *Engine) runJobs(ctx context.Context, jobs []*job, tick func(int)) {
	busy, allDone := context.WithCancel(ctx)
	defer allDone()
	var working, waiting sync.WaitGroup
	var silent atomic.Int64
	working.Add(len(jobs))
	open := newOpening(e, jobs)
	for _, j := range jobs {
		waiting.Go(func() {
			if !open.pass(ctx, j) {
				if e.Condition(j.list).List == nil {
					c := resolverSilent(j.list)
					j.failed.Store(&c)
				}
				j.giveUp(tick)
				working.Done()
				return
			}
			if j.start(ctx) {
				j.ask(ctx, tick)
				working.Done()
				return
			}
			silent.Add(1)
			working.Done()
			j.tryAgainWhile(busy, ctx, tick)
			if j.asked {
				return
			}
			if silent.Load()*2 > int64(len(jobs)) {
				e.Test(ctx, j.list, 0)
			}
			j.ask(ctx, tick)
		})
	}
	working.Wait()
	allDone()
	waiting.Wait()
}

// job is one list's part of a sweep.
type job struct {
	e        *Engine
	list     *List
	subjects []Point
	results  []Result
	asked    bool
	again    bool

	failed atomic.Pointer[Condition] // set when the list lost belief on the way
}

func newJob(e *Engine, l *List, subjects []Point) *job {
	j := &job{e: e, list: l}
	for _, p := range subjects {
		if l.Takes(p) {
			j.subjects = append(j.subjects, p)
		}
	}
	return j
}

// start tests the list; it reports false when the list was silent and may deserve another try.
func (j *job) start(ctx context.Context) bool {
	return !j.e.Ready(ctx, j.list).Silent
}

func (j *job) tryAgainWhile(busy, ctx context.Context, tick func(int)) {
	for wait := 2 * time.Second; !j.asked; wait *= 2 {
		select {
		case <-busy.Done():
			return
		case <-time.After(wait):
		}
		if c := j.e.Test(busy, j.list, j.e.opt.TestBudget); c.Health != HealthSuspended && busy.Err() == nil {
			j.ask(ctx, tick)
		}
	}
}

// parallel is how many questions one list has under way at once; the resolver's
// own windows and the list's pace bound them further.
const parallel = 64

// ask asks all pairs, then believes hits only after the test points answered right once more.
func (j *job) ask(ctx context.Context, tick func(int)) {
	j.asked = true
	cond := j.e.Condition(j.list)
	if cond.Health == HealthSuspended || cond.Health == HealthRetired {
		j.giveUp(tick)
		return
	}
	j.results = make([]Result, len(j.subjects))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(parallel, len(j.subjects)) {
		wg.Go(func() {
			for i := range next {
				j.results[i] = j.one(ctx, j.subjects[i], cond)
				tick(1)
			}
		})
	}
	for i := range j.subjects {
		next <- i
	}
	close(next)
	wg.Wait()
	j.believe(ctx)
	j.reasons(ctx)
}

func (j *job) one(ctx context.Context, p Point, cond Condition) Result {
	r := j.blank(p)
	if c := j.failed.Load(); c != nil {
		r.Reading.Why = c.Why
		return r
	}
	name, err := j.list.QueryName(p)
	if err != nil {
		r.Reading.Why = err.Error()
		return r
	}
	_, r.Reading, err = j.e.askA(ctx, j.list, resolve.Query{Name: name})
	if err == nil && r.Reading.Broken {
		j.fail(CauseRefusal, r.Reading.Why)
	}
	if cond.Health == HealthUntested {
		r.Reading = r.Reading.untested(cond.Why)
	}
	return r
}

// believe re-asks the test points when there are hits; a list that fails takes
// all its answers of this sweep with it.
func (j *job) believe(ctx context.Context) {
	hits, findings := 0, 0
	for _, r := range j.results {
		if r.Reading.Verdict == Listed {
			hits++
		}
		if r.Finding() {
			findings++ // allowlists and scores answer for most of us by design
		}
	}
	if hits > 0 && j.failed.Load() == nil {
		if c := j.e.Test(ctx, j.list, 0); c.Health == HealthSuspended {
			j.failed.Store(&c)
		} else if ctx.Err() != nil {
			j.fail(CauseSilent, "interrupted before the list's test points could confirm the hits")
		}
	}
	if c := j.failed.Load(); c != nil {
		for i := range j.results {
			j.results[i].Reading = Reading{Why: suspendedWords(*c)}
		}
		return
	}
	j.again = len(j.subjects) >= 8 && findings*2 > len(j.subjects)
}

// fail suspends the list on the spot, with the answer that gave it away.
func (j *job) fail(cause Cause, why string) {
	c := Condition{List: j.list, Health: HealthSuspended, Cause: cause, Why: why, Tested: time.Now().UTC()}
	if j.failed.CompareAndSwap(nil, &c) {
		s := j.e.of(j.list)
		s.mu.Lock()
		s.cond, s.tries = c, s.tries+1
		s.mu.Unlock()
	}
}

// reasons asks the TXT record of each hit (RFC 5782 section 2.3). A failure
// leaves the reason empty: the listing stands without it.
func (j *job) reasons(ctx context.Context) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range j.results {
		r := &j.results[i]
		if r.Reading.Verdict != Listed {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			r.Reason = j.reason(ctx, j.subjects[i])
		})
	}
	wg.Wait()
}

func (j *job) reason(ctx context.Context, p Point) string {
	name, err := j.list.QueryName(p)
	if err != nil {
		return ""
	}
	a, err := j.e.ask(ctx, j.list, resolve.Query{Name: name, Type: dns.TypeTXT})
	if err != nil {
		return ""
	}
	var texts []string
	for _, t := range resolve.Texts(a) {
		texts = append(texts, strings.TrimSpace(t))
	}
	return shorten(j.e.opt.Redact(strings.Join(texts, " | ")), maxReason)
}

// maxReason bounds, in bytes, what is kept of a list's words.
const maxReason = 1024

func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

func (j *job) blank(p Point) Result {
	return Result{List: j.list, Subject: reputation.Subject{
		Kind: reputation.KindListing, IP: p.IP, Domain: p.Domain, Target: j.list.ID}}
}

// giveUp fills in an unknown per pair.
func (j *job) giveUp(tick func(int)) {
	j.asked = true
	why := suspendedWords(j.condition())
	j.results = make([]Result, len(j.subjects))
	for i, p := range j.subjects {
		j.results[i] = j.blank(p)
		j.results[i].Reading.Why = why
	}
	tick(len(j.subjects))
}

func suspendedWords(c Condition) string {
	if c.Health == HealthRetired {
		return c.Why
	}
	return fmt.Sprintf("list suspended: %s", c.Why)
}

// untested weakens a reading of a list without test points (rule of truth 2).
func (r Reading) untested(why string) Reading {
	switch {
	case r.Verdict == Listed && !r.Undocumented():
		r.Impact = reputation.Info
	case r.Verdict == Listed:
		r = Reading{Codes: r.Codes, TTL: r.TTL, Why: "an undocumented code from an untested list: " + why}
	case r.Verdict == NotListed:
		r = Reading{TTL: r.TTL, Why: "untested: " + why}
	}
	return r
}

func collect(jobs []*job, subjects []Point) *Sweep {
	s := &Sweep{At: time.Now().UTC()}
	at := map[Point][]Result{}
	for _, j := range jobs {
		s.Conditions = append(s.Conditions, j.condition())
		if j.again {
			s.LookAgain = append(s.LookAgain, j.list)
		}
		for i, p := range j.subjects {
			at[p] = append(at[p], j.results[i])
		}
	}
	for _, p := range subjects {
		s.Results = append(s.Results, at[p]...)
	}
	return s
}

// distinct drops repeats: a subject given twice is asked and told once.
func distinct(points []Point) []Point {
	seen := make(map[Point]bool, len(points))
	out := make([]Point, 0, len(points))
	for _, p := range points {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

func (j *job) condition() Condition {
	if c := j.failed.Load(); c != nil {
		return *c
	}
	return j.e.Condition(j.list)
}
