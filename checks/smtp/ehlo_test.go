package smtp

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCapabilities(t *testing.T) {
	for _, c := range []struct {
		name   string
		lines  []string
		want   Capabilities
		faults []string
	}{
		{"none", []string{"mx.example"}, Capabilities{}, nil},
		{"case and spaces", []string{"mx.example", "StartTLS", " size   1000 ", "AUTH LOGIN\tPLAIN"}, Capabilities{"STARTTLS": "", "SIZE": "1000", "AUTH": "LOGIN PLAIN"}, nil},
		{"keyword first", []string{"starttls", "SIZE"}, Capabilities{"SIZE": ""}, []string{FaultKeywordFirstLine}},
		{"a host that begins like a keyword", []string{"size.example", "DSN"}, Capabilities{"DSN": ""}, nil},
		{"masked", []string{"mx", "XXXXXXXA", "XXXX", "XXXXXXXXXXXXXXXXXX"}, Capabilities{}, []string{FaultMaskedCapability, FaultMaskedCapability, FaultMaskedCapability}},
		{"not masked", []string{"mx", "XXX", "XXXXAB", "XCLIENT NAME", "X-EXPS"}, Capabilities{"XXX": "", "XXXXAB": "", "XCLIENT": "NAME", "X-EXPS": ""}, nil},
		{"legacy AUTH beside AUTH", []string{"mx", "AUTH=LOGIN", "AUTH PLAIN"}, Capabilities{"AUTH": "PLAIN"}, []string{FaultLegacyAuth}},
		{"legacy AUTH alone", []string{"mx", "auth=LOGIN PLAIN"}, Capabilities{"AUTH": "LOGIN PLAIN"}, []string{FaultLegacyAuth}},
		{"no keyword", []string{"mx", "", "-X", "X_Y", "gr\xfc\xdf"}, Capabilities{}, []string{FaultMissingSpace, FaultBadKeyword, FaultBadKeyword, FaultBadKeyword}},
		{"STARTTLS with a parameter", []string{"mx", "STARTTLS now"}, Capabilities{"STARTTLS": "now"}, []string{FaultStartTLSParam}},
		{"twice the same", []string{"mx", "SIZE 1", "size 1"}, Capabilities{"SIZE": "1"}, nil},
		{"twice with a difference", []string{"mx", "SIZE 1", "SIZE 2"}, Capabilities{"SIZE": "1"}, []string{FaultTwice}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, faults := capabilities(Reply{Code: 250, Lines: c.lines}, "ehlo")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.faults, kinds(faults)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMaskedBanner(t *testing.T) {
	for _, c := range []struct {
		code int
		text string
		want bool
	}{
		{220, "****************************2******2***********0*", true},
		{220, "*", true},
		{220, "**** ESMTP", false},
		{220, "2020 2 0", false}, // nothing overwritten in it
		{220, "", false},
		{554, "********", false},
	} {
		if got := isMaskedBanner(Reply{Code: c.code, Lines: []string{c.text}}); got != c.want {
			t.Errorf("%d %q: %v", c.code, c.text, got)
		}
	}
}
