package reputation

import (
	"encoding"
	"encoding/json"
	"net/netip"
	"testing"
)

// The zero value of everything claims least: a look that failed is no good news (rule of truth 1).
func TestZeroValuesClaimNothing(t *testing.T) {
	var v Verdict
	var o Outcome
	var i Impact
	if v != Unknown || o != OutcomeUnknown || o.Verdict() != Unknown || i != Info {
		t.Errorf("zero values: %s, %s, %s", v, o, i)
	}
}

func TestOutcomesThatAreSure(t *testing.T) {
	for o, want := range map[Outcome]Verdict{
		OutcomeUnknown: Unknown, Deferred: Unknown, Advertised: Clear, Absent: Bad, Masked: Bad, Rejected: Bad, Broken: Bad,
	} {
		if got := o.Verdict(); got != want {
			t.Errorf("%s is %s, want %s", o, got, want)
		}
	}
}

func TestImpactsAreOrdered(t *testing.T) {
	if !(Info < Low && Low < Medium && Medium < High && High < Critical) {
		t.Error("a greater impact must be a greater value")
	}
}

func TestWordsRoundTrip(t *testing.T) {
	check := func(v encoding.TextMarshaler, back encoding.TextUnmarshaler, same func() bool) {
		t.Helper()
		b, err := v.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := back.UnmarshalText(b); err != nil || !same() {
			t.Errorf("%s does not come back: %v", b, err)
		}
	}
	for i := range verdictWords {
		var back Verdict
		check(Verdict(i), &back, func() bool { return back == Verdict(i) })
	}
	for i := range classWords {
		var back Class
		check(Class(i), &back, func() bool { return back == Class(i) })
	}
	for i := range impactWords {
		var back Impact
		check(Impact(i), &back, func() bool { return back == Impact(i) })
	}
	for i := range outcomeWords {
		var back Outcome
		check(Outcome(i), &back, func() bool { return back == Outcome(i) })
	}
	var impact Impact
	if err := json.Unmarshal([]byte(`"severe"`), &impact); err == nil || err.Error() != `unknown impact "severe": one of info, low, medium, high, critical` {
		t.Errorf("a word nobody knows: %v", err)
	}
	if _, err := Impact(99).MarshalText(); err == nil {
		t.Error("a value without a word was written")
	}
}

func TestSubjectsAsPeopleWriteThem(t *testing.T) {
	ip := netip.MustParseAddr("203.0.113.7")
	for text, want := range map[string]Subject{
		"203.0.113.7@spamhaus-zen":        {Kind: KindListing, IP: ip, Target: "spamhaus-zen"},
		"::ffff:203.0.113.7@spamhaus-zen": {Kind: KindListing, IP: ip, Target: "spamhaus-zen"},
		"Example.COM.@dbl":                {Kind: KindListing, Domain: "example.com", Target: "dbl"},
		"203.0.113.7>Contoso.com":         {Kind: KindWire, IP: ip, Target: "contoso.com"},
	} {
		got, err := ParsePair(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
		if again, err := ParsePair(got.String()); err != nil || again != got {
			t.Errorf("%s does not come back: %+v, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "203.0.113.7", "@zen", "203.0.113.7@", "example.com>contoso.com"} {
		if s, err := ParsePair(text); err == nil {
			t.Errorf("%q became %+v, want an error", text, s)
		}
	}
}
