package dnsbl

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"repwatch/internal/strictyaml"
	"repwatch/reputation"
)

// builder turns one entry into a List, collecting what is wrong with it.
type builder struct {
	doc      *strictyaml.Document
	at       []any // path of the entry
	e        Entry
	l        *List
	problems strictyaml.Problems
}

func (b *builder) problem(hint, message string, at ...any) {
	b.problems = append(b.problems, b.doc.Problem(append(b.at[:len(b.at):len(b.at)], at...), hint, message))
}

func build(doc *strictyaml.Document, at []any, e Entry) (*List, strictyaml.Problems) {
	b := &builder{doc: doc, at: at, e: e, l: &List{ID: e.ID, Zone: strings.ToLower(strings.TrimSuffix(e.Zone, ".")), Name: e.Name, Operator: e.Operator,
		Kind: e.Kind, Lookup: e.Lookup, Delist: Delist(e.Delist), Access: Access(e.Access), Retired: e.Retired, Refuse: e.Refuse, Default: e.Default, Also: e.Also, Note: e.Note}}
	b.identity()
	b.families()
	b.impact()
	b.codes()
	b.bits()
	b.refusals()
	b.score()
	b.points()
	b.access()
	b.links()
	b.l.expand(nil)
	return b.l, b.problems
}

var idText = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

func (b *builder) identity() {
	switch {
	case b.e.ID == "":
		b.problem("a short name such as example-zen", "the list needs an id")
	case !idText.MatchString(b.e.ID):
		b.problem("lower-case letters, digits and hyphens, such as example-zen", fmt.Sprintf("%q is no id", b.e.ID), "id")
	case b.e.ID == "default" || b.e.ID == "all":
		b.problem("choose another", fmt.Sprintf("%q is the name of a set", b.e.ID), "id")
	}
	zone := strings.ReplaceAll(b.l.Zone, keyMark, "key")
	switch {
	case b.e.Zone == "":
		b.problem("the name behind the reversed address, such as zen.example.org", "the list needs a zone")
	case !validZone(zone) || !strings.Contains(zone, "."):
		b.problem("a domain such as zen.example.org", fmt.Sprintf("%q is no zone", b.e.Zone), "zone")
	case strings.Count(b.l.Zone, keyMark) > 1:
		b.problem("write it once", "{key} stands in the zone more than once", "zone")
	case strings.Contains(b.l.Zone, keyMark) && !slices.Contains(strings.Split(b.l.Zone, "."), keyMark):
		b.problem("write it like \"{key}.zen.example.org\"", "{key} is part of a label: a key is a label of its own", "zone")
	case strings.Contains(b.l.Zone, keyMark) && b.e.Access.Key == "":
		b.problem("name the key: access: {key: example}; its value goes into blocklists.keys", "{key} in the zone needs access.key", "zone")
	case b.e.Access.Key != "" && !strings.Contains(b.l.Zone, keyMark):
		b.problem("write the zone with the key's place, such as \"{key}.zen.example.org\"", "access.key is given, but the zone has no {key}", "access", "key")
	}
	if b.l.Name == "" {
		b.l.Name = b.e.ID
	}
}

func (b *builder) families() {
	if b.l.Kind == "" {
		b.l.Kind = KindIP
	}
	if !slices.Contains([]Kind{KindIP, KindDomain, KindAllow, KindScore}, b.l.Kind) {
		b.problem("one of ip, domain, allow, score", fmt.Sprintf("kind %q is not known", b.l.Kind), "kind")
		b.l.Kind = KindIP
	}
	if b.l.Kind == KindDomain || b.e.Domains {
		if len(b.e.Families) > 0 {
			b.problem("leave it out", "a list of domains has no address families", "families")
		}
		if b.e.Domains && b.l.Kind == KindIP {
			b.problem("write kind: domain", "an ip list takes no domains", "domains")
		}
		return
	}
	b.l.V4 = len(b.e.Families) == 0
	for i, f := range b.e.Families {
		switch f {
		case "v4":
			b.l.V4 = true
		case "v6":
			b.l.V6 = true
		default:
			b.problem("v4 or v6", fmt.Sprintf("address family %q is not known", f), "families", i)
		}
	}
}

func (b *builder) impact() {
	b.l.Impact = reputation.Medium
	if b.l.Kind == KindAllow || b.l.Kind == KindScore {
		b.l.Impact = reputation.Info
	}
	if b.e.Impact != nil {
		b.l.Impact = *b.e.Impact
	}
	switch b.e.Alert {
	case AlertNow, AlertDigest, AlertNever:
		b.l.Alert = b.e.Alert
	case "":
		switch {
		case b.l.Impact >= reputation.High:
			b.l.Alert = AlertNow
		case b.l.Impact >= reputation.Low:
			b.l.Alert = AlertDigest
		default:
			b.l.Alert = AlertNever
		}
	default:
		b.problem("one of now, digest, never", fmt.Sprintf("alert %q is not known", b.e.Alert), "alert")
	}
}

// meaning completes what was written with the list's own class and impact;
// what is no accusation has no impact unless it says so.
func (b *builder) meaning(m EntryMeaning, at ...any) Meaning {
	if m.Meaning == "" {
		b.problem("a few words such as \"exploited host\"", "a code needs a meaning", at...)
	}
	out := Meaning{Text: m.Meaning, Class: b.l.class(), Impact: b.l.Impact, Delist: m.Delist}
	if m.Class != nil {
		out.Class = *m.Class
	}
	if out.Class != reputation.ClassBad {
		out.Impact = reputation.Info
	}
	if m.Impact != nil {
		out.Impact = *m.Impact
	}
	if m.Delist == "…" { // an address left out, as in examples
		out.Delist = ""
		return out
	}
	b.link(m.Delist, append(at[:len(at):len(at)], "delist")...)
	return out
}

func (b *builder) codes() {
	for _, p := range b.e.Codes {
		o, ok := b.pattern(p.Key, "codes")
		if !ok {
			continue
		}
		if i := slices.IndexFunc(b.l.Codes, func(c Code) bool { return c.octets() == o }); i >= 0 {
			b.problem("keep one of them", fmt.Sprintf("%s says the same code as another key", p.Key), "codes", strictyaml.Key(p.Key))
		}
		if refusalNet.holds(o) {
			b.problem("move it to refusals", fmt.Sprintf("%s can be no listing: 127.255.255.0/24 is a refusal on every list", p.Key), "codes", strictyaml.Key(p.Key))
		}
		b.l.Codes = append(b.l.Codes, Code{Lo: o.lo, Hi: o.hi, Meaning: b.meaning(p.Value, "codes", p.Key)})
	}
}

func (b *builder) pattern(key, section string) (octets, bool) {
	o, err := parseOctets(key)
	switch {
	case err != nil:
		b.problem("each octet is a number, a range or *", err.Error(), section, strictyaml.Key(key))
	case o.lo[0] != 127 || o.hi[0] != 127:
		b.problem("answers outside it are never believed", fmt.Sprintf("%s is outside 127.0.0.0/8", key), section, strictyaml.Key(key))
	default:
		return o, true
	}
	return o, false
}

// bits reads {mask: meaning}; {meaning: mask} is understood too.
func (b *builder) bits() {
	for _, p := range b.e.Bits {
		mask, ok := parseMask(p.Key)
		value := p.Value
		if !ok && value.Scalar {
			if mask, ok = parseMask(value.Meaning); ok {
				value.Meaning = p.Key
			}
		}
		if !ok {
			b.problem("write {2: black, 0x10: grey}: a mask over the last three octets, with its meaning", fmt.Sprintf("%q is no bit mask", p.Key), "bits", strictyaml.Key(p.Key))
			continue
		}
		if i := slices.IndexFunc(b.l.Bits, func(x Bit) bool { return x.Mask == mask }); i >= 0 {
			b.problem("keep one of them", fmt.Sprintf("the mask %#x stands here twice", mask), "bits", strictyaml.Key(p.Key))
		}
		b.l.Bits = append(b.l.Bits, Bit{Mask: mask, Meaning: b.meaning(value, "bits", p.Key)})
	}
}

func (b *builder) refusals() {
	for _, p := range b.e.Refusals {
		o, ok := b.pattern(p.Key, "refusals")
		if !ok {
			continue
		}
		for _, c := range b.l.Codes {
			if c.octets().overlaps(o) && o.width() >= c.octets().width() {
				b.problem("a code either lists or refuses", fmt.Sprintf("%s is a refusal and a code (%s)", p.Key, c.Text), "refusals", strictyaml.Key(p.Key))
			}
		}
		for _, x := range b.l.Bits {
			if o.width() == 1 && low24(o.lo) == x.Mask {
				b.problem("a code either lists or refuses", fmt.Sprintf("%s is a refusal and a bit (%s)", p.Key, x.Text), "refusals", strictyaml.Key(p.Key))
			}
		}
		if p.Value == "" {
			b.problem("a few words such as \"asked through a public resolver\"", "a refusal needs a reason", "refusals", p.Key)
		}
		b.l.Refusals = append(b.l.Refusals, Refusal{Lo: o.lo, Hi: o.hi, Why: p.Value})
	}
}

func (b *builder) score() {
	if b.l.Kind != KindScore {
		if b.e.BadBelow != nil || b.e.BadAbove != nil || b.e.ScoreOctet != nil {
			b.problem("write kind: score", "bad_below, bad_above and score_octet belong to a score list")
		}
		return
	}
	for key, limit := range map[string]*int{"bad_below": b.e.BadBelow, "bad_above": b.e.BadAbove} {
		if limit != nil && (*limit < 0 || *limit > 255) {
			b.problem("an octet holds 0 to 255", fmt.Sprintf("%d is no score that an answer can carry", *limit), key)
		}
	}
	b.l.Score = &Score{Octet: 4, BadBelow: b.e.BadBelow, BadAbove: b.e.BadAbove}
	if (b.e.BadBelow == nil) == (b.e.BadAbove == nil) {
		b.problem("say which values are bad, such as bad_below: 70", "a score list needs exactly one of bad_below and bad_above")
	}
	if o := b.e.ScoreOctet; o != nil {
		if *o < 2 || *o > 4 {
			b.problem("2, 3 or 4", fmt.Sprintf("%d is no octet that can hold a score", *o), "score_octet")
			return
		}
		b.l.Score.Octet = *o
	}
}

func (b *builder) points() {
	t := b.e.Test
	if t == nil {
		return
	}
	b.l.Test = Test{None: t.None, Stated: len(t.Listed) > 0, NoClean: t.Clean != nil && len(t.Clean) == 0, NoRandom: t.NoRandom}
	switch {
	case t.None && len(t.Listed) > 0:
		b.problem("keep one of them", "none says that there is no test point, listed names one", "test", "none")
	case !t.None && len(t.Listed) == 0 && !t.NoRandom:
		b.problem("listed: [127.0.0.2], or none: true", "the test needs a point that must be listed", "test")
	}
	b.l.Test.Listed = b.pointList(t.Listed, "listed")
	b.l.Test.Clean = b.pointList(t.Clean, "clean")
}

func (b *builder) pointList(texts []string, key string) (out []Point) {
	for i, text := range texts {
		p := point(strings.TrimSuffix(text, "."))
		if !p.IP.IsValid() {
			p.Domain = strings.ToLower(p.Domain)
		}
		switch {
		case !b.l.Takes(p) && p.IP.IsValid() && b.l.takesDomains():
			b.problem("a domain such as test", fmt.Sprintf("%s is an address, but the list takes domains", text), "test", key, i)
		case !b.l.Takes(p) && p.IP.IsValid():
			b.problem("add the family to families, or leave the point out", fmt.Sprintf("%s is of an address family the list does not take", text), "test", key, i)
		case !b.l.Takes(p):
			b.problem("an address such as 127.0.0.2", fmt.Sprintf("%q is no address", text), "test", key, i)
		case !p.IP.IsValid() && !validZone(p.Domain):
			b.problem("a domain such as test", fmt.Sprintf("%q is no domain", text), "test", key, i)
		default:
			out = append(out, p)
		}
	}
	return out
}

func (b *builder) access() {
	if s := b.e.Access.PerSecond; s != nil && (*s < 0 || *s > 1e6) {
		b.problem("questions a second; 0 is no limit", fmt.Sprintf("%v is no pace", *s), "access", "per_second")
	}
	if d := b.e.Access.PerDay; d != nil && *d < 0 {
		b.problem("questions a day; 0 is no limit", fmt.Sprintf("%d is no budget", *d), "access", "per_day")
	}
	if b.e.Access.Key != "" && !idText.MatchString(b.e.Access.Key) {
		b.problem("the name the key has in blocklists.keys, not the key itself", "access.key is a name of lower-case letters, digits and hyphens", "access", "key")
	}
	if b.e.Resolver == "" {
		return
	}
	if ip, err := netip.ParseAddr(b.e.Resolver); err == nil {
		b.l.Resolver = netip.AddrPortFrom(ip.Unmap(), 53)
		return
	}
	ap, err := netip.ParseAddrPort(b.e.Resolver)
	if err != nil || ap.Port() == 0 {
		b.problem("address:port of the server with this list's data, such as 127.0.0.1:5300", fmt.Sprintf("%q is no server", b.e.Resolver), "resolver")
		return
	}
	b.l.Resolver = ap
}

func (b *builder) links() {
	b.link(b.e.Lookup, "lookup")
	b.link(b.e.Delist.URL, "delist", "url")
	if b.e.Retired != "" && b.e.Refuse != "" {
		b.problem("keep one of them", "a list is either retired or alive and refused", "refuse")
	}
	for i, z := range b.e.Also {
		if !validZone(strings.ReplaceAll(z, keyMark, "key")) {
			b.problem("another name of the same data", fmt.Sprintf("%q is no zone", z), "also", i)
		}
	}
}

func (b *builder) link(text string, at ...any) {
	if text == "" {
		return
	}
	filled := strings.NewReplacer("{ip}", "192.0.2.1", "{domain}", "example.com").Replace(text)
	u, err := url.Parse(filled)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "mailto" || strings.ContainsAny(filled, "{} ") {
		b.problem("a web address in which {ip} or {domain} stands for the subject", fmt.Sprintf("%q is no link", text), at...)
	}
}
