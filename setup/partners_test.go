package setup

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadPartners(t *testing.T) {
	const text = "\ufeff# whose mail must get through\n" +
		"contoso.com\n\n  Fabrikam.NET.   # their shop\r\n" +
		"jane@litware.com\nJane Doe <jane@adatum.com>\n" +
		"[mx.example.net]\nmx.example.org:2525\n192.0.2.25\n" +
		"CONTOSO.com\njohn@contoso.com\nmünchen.example\n"
	got, again, err := ReadPartners("partners.txt", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Partner{{Domain: "contoso.com", Port: 25}, {Domain: "fabrikam.net", Port: 25}, {Domain: "litware.com", Port: 25}, {Domain: "adatum.com", Port: 25},
		{Host: "mx.example.net", Port: 25}, {Host: "mx.example.org", Port: 2525}, {Host: "192.0.2.25", Port: 25}, {Domain: "xn--mnchen-3ya.example", Port: 25}}
	for i := range want {
		want[i].From = "partners.txt"
	}
	if diff := cmp.Diff(want, got); diff != "" || again != 2 {
		t.Errorf("%d repeated (-want +got):\n%s", again, diff)
	}
}

// TestFaultyPartners: every line at fault, with its number, and a hint.
func TestFaultyPartners(t *testing.T) {
	_, _, err := ReadPartners("p", strings.NewReader("contoso.com\nlocalhost\n\ncontoso com\njane@\n-x-.example\nhttps://contoso.com/\nmx.example:99999\nname.42\n"))
	var faults *Faults
	if !errors.As(err, &faults) {
		t.Fatalf("%v", err)
	}
	var lines []int
	for _, l := range faults.Lines {
		lines = append(lines, l.Line)
	}
	if diff := cmp.Diff([]int{2, 4, 5, 6, 7, 8, 9}, lines); diff != "" {
		t.Errorf("(-want +got):\n%s\n%v", diff, err)
	}
	for _, says := range []string{"p:2: \"localhost\" has no dot", "p:4: \"contoso com\" is more than one word", "\n  hint: ", "nothing was written"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("does not say %q:\n%v", says, err)
		}
	}
	if _, _, err := ReadPartners("p", strings.NewReader("a.example\n"+strings.Repeat("x", maxPartnerLine+1))); err == nil || !strings.Contains(err.Error(), "p:2: ") {
		t.Errorf("an endless line: %v", err)
	}
}

// TestMerge: the first of equals stays, with what any requires.
func TestMerge(t *testing.T) {
	a, b := Partner{Domain: "contoso.com", Port: 25, From: "a"}, Partner{Domain: "contoso.com", Port: 25, From: "b", Require: []string{"STARTTLS"}}
	other := Partner{Domain: "contoso.com", Port: 26}
	want := []Partner{{Domain: "contoso.com", Port: 25, From: "a", Require: []string{"STARTTLS"}}, other}
	if diff := cmp.Diff(want, merge([]Partner{a}, []Partner{b, other})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
