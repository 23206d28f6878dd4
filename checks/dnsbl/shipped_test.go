package dnsbl

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"repwatch/reputation"
)

// shipped is the catalogue that comes with the program.
func shipped(t *testing.T) *Catalogue {
	t.Helper()
	src, err := os.ReadFile("../../blocklists.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := LoadCatalogue("blocklists.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestShippedCatalogue(t *testing.T) {
	c := shipped(t)
	var living, refused, retired int
	for _, l := range c.Lists {
		switch {
		case l.Retired != "":
			retired++
		case l.Refuse != "":
			refused++
		default:
			living++
			checkLiving(t, l)
		}
		if l.Refused() != "" && l.Default {
			t.Errorf("%s is in the default set, but must not be asked", l.ID)
		}
		if m := useInstead.FindStringSubmatch(l.Retired + " " + l.Refuse); m != nil && m[1] != "the" && m[1] != "its" {
			if next, ok := c.Get(m[1]); !ok || next.Refused() != "" {
				t.Errorf("%s sends people to %s, which cannot be asked", l.ID, m[1])
			}
		}
	}
	if living < 100 || refused < 10 || retired < 40 {
		t.Errorf("%d living, %d refused, %d retired lists: the catalogue has shrunk", living, refused, retired)
	}
	if d := cmp.Diff([]string{"abusix", "spamhaus", "trendmicro"}, c.KeyNames()); d != "" {
		t.Error("names of keys:", d)
	}
}

func checkLiving(t *testing.T, l *List) {
	t.Helper()
	if l.Impact >= reputation.High && l.Lookup == "" && l.Delist.URL == "" {
		t.Errorf("%s hurts (%s), but people are not told where to look it up or get off it", l.ID, l.Impact)
	}
	if l.Note == "" || l.Operator == "" || l.Name == l.ID {
		t.Errorf("%s: name %q, operator %q, note %q", l.ID, l.Name, l.Operator, l.Note)
	}
	if l.Alert == AlertNow && l.Impact < reputation.High {
		t.Errorf("%s interrupts people for impact %s", l.ID, l.Impact)
	}
	if l.Kind == KindAllow && l.Read(addrs("127.0.5.1"), 0).Class == reputation.ClassBad {
		t.Errorf("%s is an allow list that accuses", l.ID)
	}
	for _, how := range []string{l.Delist.How, l.Note} {
		if strings.Contains(how, "paid removal") || strings.Contains(how, "express") {
			t.Errorf("%s advises to pay: %q", l.ID, how)
		}
	}
}

// testAnswers are what test points answer where that is not 127.0.0.2.
var testAnswers = map[string]string{
	"spamhaus-dbl": "127.0.1.2", "spamhaus-dqs-dbl": "127.0.1.2", "surbl-multi": "127.0.0.254", "uribl-multi": "127.0.0.14",
	"abusix-policy": "127.0.0.11", "suomispam-bl": "127.0.0.99", "scientificspam-rhsbl": "127.0.1.2",
}

// TestShippedTestPoints: a list whose stated point answers as documented is believed.
func TestShippedTestPoints(t *testing.T) {
	c := shipped(t)
	c.Expand(map[string]string{"abusix": "k", "spamhaus": "k", "trendmicro": "k"})
	stated := 0
	for _, l := range c.Askable() {
		listed, clean, ok := l.TestPoints()
		for _, p := range slices.Concat(listed, clean) {
			if _, err := l.QueryName(p); err != nil {
				t.Errorf("%s cannot be asked its test point %s: %v", l.ID, p, err)
			}
		}
		if !ok {
			continue
		}
		stated++
		answer := testAnswers[l.ID]
		if answer == "" {
			answer = "127.0.0.2"
		}
		if r := l.Read(addrs(answer), 0); r.Verdict != Listed || r.Undocumented() {
			t.Errorf("%s: its test answer %s reads as %+v", l.ID, answer, r)
		}
	}
	if stated < 35 {
		t.Errorf("only %d lists state test points", stated)
	}
}

func TestShippedDefaultSet(t *testing.T) {
	c := shipped(t)
	free := c.DefaultSet()
	if len(free) < 35 {
		t.Errorf("the default set has %d lists without keys", len(free))
	}
	c.Expand(map[string]string{"abusix": "k", "spamhaus": "k"})
	if with := c.DefaultSet(); len(with) <= len(free) {
		t.Errorf("keys add nothing to the default set: %d, before %d", len(with), len(free))
	}
	for _, l := range c.DefaultSet() {
		if l.Access.Register {
			t.Errorf("%s needs a registered resolver and cannot be a default", l.ID)
		}
	}
	for _, id := range []string{"spamhaus-zen", "spamhaus-dbl", "spamcop", "psbl", "mailspike-bl", "surbl-multi", "uribl-multi", "dnswl", "sem-ipv6"} {
		if l, ok := c.Get(id); !ok || !l.Default {
			t.Errorf("%s is not in the default set", id)
		}
	}
	for _, id := range []string{"uceprotect-2", "uceprotect-3", "backscatterer", "sem-backscatter", "woody-smtp"} {
		if l, _ := c.Get(id); l.Alert != AlertNever {
			t.Errorf("%s alerts %s", id, l.Alert)
		}
	}
}

// TestShippedMeanings pins the answers that tools get wrong.
func TestShippedMeanings(t *testing.T) {
	c := shipped(t)
	const bad, policy, neutral, good = reputation.ClassBad, reputation.ClassPolicy, reputation.ClassNeutral, reputation.ClassGood
	for _, tt := range []struct {
		list, answer string
		verdict      Verdict
		class        reputation.Class
		impact       reputation.Impact
	}{
		{"spamhaus-zen", "127.0.0.4", Listed, bad, reputation.Critical},
		{"spamhaus-zen", "127.0.0.10", Listed, policy, reputation.Info},
		{"spamhaus-zen", "127.0.0.11 127.0.0.3", Listed, bad, reputation.Critical},
		{"spamhaus-zen", "127.255.255.254", Unknown, 0, 0},
		{"spamhaus-dbl", "127.0.1.255", Unknown, 0, 0},
		{"hostkarma", "127.0.0.1", Listed, good, reputation.Info},
		{"hostkarma", "127.0.0.2", Listed, bad, reputation.Low},
		{"hostkarma", "127.0.0.3", Listed, neutral, reputation.Info},
		{"hostkarma", "127.0.0.5", Listed, good, reputation.Info},
		{"hostkarma", "127.0.1.2", Listed, neutral, reputation.Info},
		{"hostkarma", "127.0.2.3", Listed, neutral, reputation.Info},
		{"dronebl", "127.0.0.1", Listed, neutral, reputation.Info},
		{"dronebl", "127.0.0.2", Listed, neutral, reputation.Info},
		{"dronebl", "127.0.0.15", Listed, bad, reputation.Low},
		{"surbl-multi", "127.0.0.1", Unknown, 0, 0},
		{"surbl-multi", "127.0.0.4", Listed, neutral, reputation.Info},
		{"surbl-multi", "127.0.0.72", Listed, bad, reputation.High},
		{"uribl-multi", "127.0.0.1", Unknown, 0, 0},
		{"uribl-multi", "127.0.0.255", Unknown, 0, 0},
		{"uribl-multi", "127.0.0.4", Listed, bad, reputation.Low},
		{"validity-rpbl", "127.0.0.1", Listed, bad, reputation.Medium},
		{"validity-rpbl", "127.255.255.255", Unknown, 0, 0},
		{"validity-score", "127.0.4.55", Listed, bad, reputation.Medium},
		{"validity-score", "127.0.4.98", Listed, neutral, reputation.Info},
		{"validity-score", "127.255.255.255", Unknown, 0, 0},
		{"efnet", "127.0.0.1", Listed, bad, reputation.Low},
		{"tornevall", "127.0.0.1", Listed, neutral, reputation.Info},
		{"dnswl", "127.0.9.0", Listed, good, reputation.Info},
		{"dnswl", "127.0.9.3", Listed, good, reputation.Info},
		{"dnswl", "127.0.0.255", Unknown, 0, 0},
		{"dnswl", "127.0.10.255", Unknown, 0, 0},
		{"suomispam-bl", "127.0.0.99", Listed, bad, reputation.Low},
		{"swinog-dnsrbl", "127.0.0.2", Listed, neutral, reputation.Info},
		{"swinog-dnsrbl", "127.0.0.3", Listed, bad, reputation.Low},
		{"mailspike-rep", "127.0.0.10", Listed, bad, reputation.Low},
		{"mailspike-rep", "127.0.0.15", Listed, neutral, reputation.Info},
		{"mailspike-rep", "127.0.0.20", Listed, good, reputation.Info},
		{"spamrats-all", "127.0.0.36", Listed, policy, reputation.Low},
		{"spfbl", "127.0.0.4", Listed, policy, reputation.Info},
		{"spfbl", "54.233.253.229", Unknown, 0, 0},
		{"psbl", "127.0.0.1", Unknown, 0, 0},
	} {
		l, ok := c.Get(tt.list)
		if !ok {
			t.Errorf("there is no %s", tt.list)
			continue
		}
		r := l.Read(addrs(strings.Fields(tt.answer)...), 0)
		if r.Verdict != tt.verdict || r.Verdict == Listed && (r.Class != tt.class || r.Impact != tt.impact || r.Undocumented()) {
			t.Errorf("%s %s: %v %v %v (odd %v), want %v %v %v", tt.list, tt.answer, r.Verdict, r.Class, r.Impact, r.Undocumented(), tt.verdict, tt.class, tt.impact)
		}
	}
}

// TestShippedRefusals: names of dead lists that old collections still carry are
// answered with a date or a reason, never asked.
func TestShippedRefusals(t *testing.T) {
	c := shipped(t)
	for name, says := range map[string]string{
		"cbl.abuseat.org": "spamhaus-xbl, whose code for the same data is 127.0.0.4", "dnsbl.sorbs.net": "2024-06-05", "spam.dnsbl.sorbs.net": "2024-06-05",
		"ix.dnsbl.manitu.net": "2025-01-16", "db.wpbl.info": "2024", "dnsbl.ahbl.org": "2015-01-01", "dnsbl.njabl.org": "2013", "relays.ordb.org": "2006",
		"bl.spamcannibal.org": "2018-05-30", "rbl.megarbl.net": "2019-11-25", "dnsbl.inps.de": "2020-05-25", "list.dsbl.org": "2008-05",
		"bl.emailbasura.org": "2019", "dnsbl.cyberlogic.net": "2018-05", "ubl.unsubscore.com": "2024", "combined.abuse.ch": "2021-04",
		"dsn.rfc-ignorant.org": "2012-09-15", "fulldom.rfc-clueless.org": "2023-09-23", "spamrbl.imp.ch": "swinog-spamrbl", "l2.apews.org": "2021-04",
		"virbl.bit.nl": "2017-01", "cidr.bl.mcafee.com": "2024-11-13", "dul.ru": "2016-09-24", "opm.tornevall.org": "2013-06-30", "swl.spamhaus.org": "2018",
		"rbl.spamhaus.org": "spamhaus-zen", "csi.cloudmark.com": "never", "query.senderbase.org": "never", "free.v4bl.org": "terms", "bl.nszones.com": "5782",
		"ebl.msbl.org": "hashes", "uribl.rspamd.com": "hashed", "sip.invaluement.com": "subscribers", "score.spfbl.net": "scale",
	} {
		l, err := c.Find(name)
		if err == nil {
			t.Errorf("%s can be asked as %s", name, l.ID)
		} else if !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want it to say %q", name, err, says)
		}
	}
}
