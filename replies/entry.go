package replies

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Tier is how specific an entry is; lower wins.
type Tier int

// The tiers, in the order in which matches are returned.
const (
	TierProvider Tier = iota // what one provider says
	TierList                 // a public list is named
	TierText                 // wording of server software, or that anybody may use
	TierEnhanced             // the table of enhanced codes
	TierCode                 // the bare reply code
)

var tierWords = [...]string{"provider", "list", "text", "enhanced", "code"}

func (t Tier) String() string { return tierWords[t] }

// Entry is one wording and what it means, as written in replies.yaml. A
// reply fits when every condition that is given fits.
type Entry struct {
	ID    string `yaml:"id"`
	Class Class  `yaml:"class"`

	// Code: reply codes, or 4xx, 5xx. A text without any code is not refused for it when there is a Pattern.
	Code []string `yaml:"code,omitempty"`
	// Enhanced: status codes "5.7.1", ranges "5.7.606-649", any class "x.7.26", any detail "x.7.*".
	Enhanced []string `yaml:"enhanced,omitempty"`
	// Pattern: RE2, matched anywhere in the reply's text without regard to case.
	// The groups ip, zone and domain are captured.
	Pattern string `yaml:"pattern,omitempty"`

	Meaning  string   `yaml:"meaning"`
	Next     string   `yaml:"next"`
	Provider string   `yaml:"provider,omitempty"`
	List     string   `yaml:"list,omitempty"`
	Evidence Evidence `yaml:"evidence,omitempty"`
	Source   string   `yaml:"source"`
	Examples []string `yaml:"examples"` // replies that this entry must win

	Tier Tier `yaml:"-"`

	pattern *regexp.Regexp
	needle  needle
	codes   []codeRange
	status  []statusRange
	groups  map[string]int
}

type codeRange struct{ lo, hi int }

type statusRange struct{ class, subject, lo, hi int } // class 0: any

var (
	entryID     = regexp.MustCompile(`^[a-z0-9]+(?:-[a-z0-9]+)*$`)
	codeForm    = regexp.MustCompile(`^([2-5])(?:xx|(\d\d))$`)
	statusForm  = regexp.MustCompile(`^([245x])\.(\d{1,3})\.(?:(\*)|(\d{1,3})(?:-(\d{1,3}))?)$`)
	knownGroups = map[string]bool{"ip": true, "zone": true, "domain": true}
)

// prepare checks an entry and compiles it. Every mistake is reported to bad.
func (e *Entry) prepare(tier Tier, bad func(format string, args ...any)) {
	e.Tier = tier
	if !entryID.MatchString(e.ID) {
		bad("the id must be lower-case words joined by hyphens")
	}
	if e.Class.Words() == "" {
		bad("unknown class %q", e.Class)
	}
	switch e.Evidence {
	case "":
		e.Evidence = Neutral
	case Neutral, SupportsListing, AgainstListing:
	default:
		bad("unknown evidence %q: neutral, supports-listing or against-listing", e.Evidence)
	}
	for _, field := range [][2]string{{"meaning", e.Meaning}, {"next", e.Next}, {"source", e.Source}} {
		if strings.TrimSpace(field[1]) == "" {
			bad("%s is missing", field[0])
		}
	}
	if len(e.Examples) == 0 {
		bad("an entry without an example is not tested")
	}
	if tier == TierProvider && e.Provider == "" {
		bad("an entry under provider names its provider")
	}
	e.compileCodes(bad)
	if e.Pattern != "" {
		e.compilePattern(bad)
	} else if len(e.Code)+len(e.Enhanced) == 0 {
		bad("nothing to match: give pattern, enhanced or code")
	}
}

func (e *Entry) compileCodes(bad func(string, ...any)) {
	for _, c := range e.Code {
		m := codeForm.FindStringSubmatch(c)
		if m == nil {
			bad("code %q is no reply code: write 550 or 5xx", c)
			continue
		}
		lo, _ := strconv.Atoi(m[1] + strings.Repeat("0", 2))
		hi := lo + 99
		if m[2] != "" {
			lo, _ = strconv.Atoi(c)
			hi = lo
		}
		e.codes = append(e.codes, codeRange{lo, hi})
	}
	for _, s := range e.Enhanced {
		m := statusForm.FindStringSubmatch(s)
		if m == nil {
			bad("enhanced %q is no status code: write 5.7.1, 5.7.606-649, x.7.26 or x.7.*", s)
			continue
		}
		r := statusRange{hi: 999}
		r.class, _ = strconv.Atoi(strings.TrimPrefix(m[1], "x"))
		r.subject, _ = strconv.Atoi(m[2])
		if m[3] == "" {
			r.lo, _ = strconv.Atoi(m[4])
			if r.hi = r.lo; m[5] != "" {
				r.hi, _ = strconv.Atoi(m[5])
			}
		}
		if r.hi < r.lo {
			bad("enhanced %q is an empty range", s)
		}
		e.status = append(e.status, r)
	}
}

func (e *Entry) compilePattern(bad func(string, ...any)) {
	re, err := regexp.Compile(`(?i)` + e.Pattern)
	if err != nil {
		bad("pattern: %v", err)
		return
	}
	if re.MatchString("") {
		bad("the pattern matches everything")
	}
	e.pattern, e.needle, e.groups = re, needleOf(re), map[string]int{}
	for i, name := range re.SubexpNames() {
		if name == "" {
			continue
		}
		if !knownGroups[name] {
			bad("unknown group %q in the pattern: ip, zone, domain", name)
		}
		e.groups[name] = i
	}
}

// match reports where e fits r: nil if it does not, else the submatches of the
// pattern in r.Text (empty, not nil, without a pattern). low is folded(r.Text).
func (e *Entry) match(r Reply, low string) []int {
	if !e.fitsCode(r) || !e.fitsStatus(r) {
		return nil
	}
	if e.pattern == nil {
		return []int{}
	}
	if !e.needle.in(low) {
		return nil
	}
	return e.pattern.FindStringSubmatchIndex(r.Text)
}

func (e *Entry) fitsCode(r Reply) bool {
	if len(e.codes) == 0 {
		return true
	}
	digit := r.digit()
	for _, c := range e.codes {
		switch {
		case r.Code != 0 && r.Code >= c.lo && r.Code <= c.hi,
			r.Code == 0 && digit != 0 && e.pattern != nil && c.lo/100 == digit,
			digit == 0 && e.pattern != nil:
			return true
		}
	}
	return false
}

func (e *Entry) fitsStatus(r Reply) bool {
	if len(e.status) == 0 {
		return true
	}
	class, subject, detail, ok := splitStatus(r.Enhanced)
	if !ok {
		return false
	}
	for _, s := range e.status {
		if (s.class == 0 || s.class == class) && s.subject == subject && detail >= s.lo && detail <= s.hi {
			return true
		}
	}
	return false
}

func splitStatus(s string) (class, subject, detail int, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return 0, 0, 0, false
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.Atoi(p)
		if err != nil {
			return 0, 0, 0, false
		}
		n[i] = v
	}
	return n[0], n[1], n[2], true
}

// quoted is what a reply mentions, for matches whose pattern does not capture it.
type quoted struct {
	ip  netip.Addr
	url string
}

func quotedIn(r Reply) quoted {
	q := quoted{firstIP(r.Text, r.IP), firstURL(r.Text)}
	if u, err := url.Parse(q.url); err != nil || u.Host == "" {
		q.url = ""
	}
	return q
}

// describe makes the Match of an entry that fits r at the given submatches.
func (x Explainer) describe(e *Entry, r Reply, at []int, q quoted) Match {
	group := func(name string) string {
		if i, ok := e.groups[name]; ok && at[2*i] >= 0 {
			return r.Text[at[2*i]:at[2*i+1]]
		}
		return ""
	}
	m := Match{
		ID: e.ID, Class: e.Class, Meaning: e.Meaning, Next: e.Next,
		Provider: e.Provider, Evidence: e.Evidence, List: e.List,
		Zone:   strings.Trim(strings.ToLower(group("zone")), ".-"),
		Domain: strings.Trim(strings.ToLower(group("domain")), ".-"),
		IP:     parseIP(group("ip")),
		URL:    q.url,
	}
	if !m.IP.IsValid() {
		m.IP = q.ip
	}
	if m.List == "" && m.Zone != "" && x.ListByZone != nil {
		if id, ok := x.ListByZone(m.Zone); ok {
			m.List = id
		}
	}
	return m
}
