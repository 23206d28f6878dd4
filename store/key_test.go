package store

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"repwatch/reputation"
)

func TestSubjectKeys(t *testing.T) {
	ip := netip.MustParseAddr("203.0.113.7")
	for key, s := range map[string]reputation.Subject{
		"listing 203.0.113.7@xbl":       {Kind: reputation.KindListing, IP: ip, Target: "xbl"},
		"listing 2001:db8::7@xbl":       {Kind: reputation.KindListing, IP: netip.MustParseAddr("2001:db8::7"), Target: "xbl"},
		"listing example.com@dbl":       {Kind: reputation.KindListing, Domain: "example.com", Target: "dbl"},
		"wire 203.0.113.7>contoso.com":  {Kind: reputation.KindWire, IP: ip, Target: "contoso.com"},
		"control office>contoso.com":    {Kind: reputation.KindControl, Domain: "office", Target: "contoso.com"},
		"control a > b>contoso.com":     {Kind: reputation.KindControl, Domain: "a > b", Target: "contoso.com"},
		"own 203.0.113.7/ptr":           {Kind: reputation.KindOwn, IP: ip, Target: "ptr"},
		"own 203.0.113.7":               {Kind: reputation.KindOwn, IP: ip},
		"health resolver/127.0.0.1:53":  {Kind: reputation.KindHealth, Domain: "resolver", Target: "127.0.0.1:53"},
		"health coverage":               {Kind: reputation.KindHealth, Domain: "coverage"},
		"health looking/socks5://h/:80": {Kind: reputation.KindHealth, Domain: "looking", Target: "socks5://h/:80"},
	} {
		got, err := SubjectKey(s)
		if err != nil || got != key {
			t.Errorf("%+v has key %q (%v), want %q", s, got, err, key)
		}
		back, err := ParseSubjectKey(key)
		if err != nil || back != s {
			t.Errorf("%q is %+v (%v), want %+v", key, back, err, s)
		}
	}
}

// What could not be read back is refused: it would be lost, or be somebody else.
func TestSubjectsWithoutKeys(t *testing.T) {
	ip := netip.MustParseAddr("203.0.113.7")
	for _, s := range []reputation.Subject{
		{},
		{Kind: "whim", IP: ip, Target: "xbl"},
		{Kind: reputation.KindListing, IP: ip},
		{Kind: reputation.KindListing, Target: "xbl"},
		{Kind: reputation.KindListing, IP: ip, Domain: "example.com", Target: "xbl"},
		{Kind: reputation.KindListing, Domain: "203.0.113.7", Target: "xbl"},
		{Kind: reputation.KindListing, IP: ip, Target: "x@y"},
		{Kind: reputation.KindWire, IP: ip, Target: "a>b"},
		{Kind: reputation.KindControl, Domain: "of\x00fice", Target: "contoso.com"},
		{Kind: reputation.KindOwn, Domain: "a/b", Target: "ptr"},
	} {
		if k, err := SubjectKey(s); err == nil {
			t.Errorf("%+v has key %q", s, k)
		}
	}
}

func TestIncidentsSortByNumber(t *testing.T) {
	ids := []string{"1", "2", "9", "10", "11", "99", "100"}
	var keys [][]byte
	for _, id := range ids {
		k, err := incidentKeys.encode(id)
		if err != nil {
			t.Fatal(err)
		}
		back, err := incidentKeys.decode(k)
		if err != nil || back != id {
			t.Errorf("%s came back as %s, %v", id, back, err)
		}
		keys = append(keys, k)
	}
	if !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Error("the keys are not in the order of the numbers")
	}
}

func FuzzSubjectKey(f *testing.F) {
	for _, k := range []string{"listing 203.0.113.7@xbl", "control a > b>contoso.com", "own 203.0.113.7", "health x/", "wire >a", "listing ::ffff:1.2.3.4@x"} {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, k string) {
		s, err := ParseSubjectKey(k)
		if err != nil {
			return
		}
		again, err := SubjectKey(s)
		if err != nil || again != k {
			t.Errorf("%q is %+v, whose key is %q (%v)", k, s, again, err)
		}
	})
}
