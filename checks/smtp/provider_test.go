package smtp

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestProviderOf(t *testing.T) {
	tests := []struct{ hosts, want string }{
		{"contoso-com.mail.protection.outlook.com", "exchange-online"},
		{"Contoso-com.J-V1.MX.Microsoft.", "exchange-online"},
		{"outlook-com.olc.protection.outlook.com", "outlook-consumer"},
		{"aspmx.l.google.com alt1.aspmx.l.google.com aspmx2.googlemail.com", "google"},
		{"smtp.google.com", "google"},
		{"gmail-smtp-in.l.google.com", "google"},
		{"mx0a-00148501.pphosted.com", "proofpoint"},
		{"mx1-us1.ppe-hosted.com", "proofpoint-essentials"},
		{"eu-smtp-inbound-1.mimecast.com", "mimecast"},
		{"za-smtp-inbound-1.mimecast.co.za", "mimecast"},
		{"mx1.hc1234-12.iphmx.com", "cisco"},
		{"d1.ess.barracudanetworks.com", "barracuda"},
		{"contoso.in.tmes.trendmicro.eu", "trend-micro"},
		{"cluster1.eu.messagelabs.com", "broadcom"},
		{"mx-01-eu-central-1.prod.hydra.sophos.com", "sophos"},
		{"gw1.fortimail.com", "fortinet"},
		{"primary.us.email.fireeyecloud.com", "trellix"},
		{"cust1-s.in.mailcontrol.com", "forcepoint"},
		{"mx01.hornetsecurity.com", "hornetsecurity"},
		{"mx.zoho.eu", "zoho"},
		{"in1-smtp.messagingengine.com", "fastmail"},
		{"mta5.am0.yahoodns.net", "yahoo"},
		{"mx01.mail.icloud.com", "apple"},
		{"mx00.gmx.net", "gmx"},
		{"mx-ha02.web.de", "web-de"},
		{"mx00.ionos.de", "ionos"},
		{"mx00.t-online.de", "t-online"},
		{"smtp-in.orange.fr", "orange"},
		{"mx1.mail.ovh.net", "ovh"},
		{"spool.mail.gandi.net", "gandi"},
		{"mx1.emailsrvr.com", "rackspace"},
		{"inbound-smtp.eu-west-1.amazonaws.com", "amazon"},
		{"smtp.secureserver.net", "godaddy"},
		{"mx.yandex.net", "yandex"},
		{"mxs.mail.ru", "mail-ru"},
		{"mx3.qq.com", "tencent"},
		{"163mx01.mxmail.netease.com", "netease"},
		{"mailsec.protonmail.ch", "proton"},
		{"mail.tutanota.de", "tuta"},
		{"mx1.comcast.net", "comcast"},
		{"cxr.mx.a.cloudfilter.net", "cox"},
		{"al-ip4-mx-vip1.prodigy.net", "att"},
		{"mx.spamexperts.com", "spamexperts"},
		{"mx1.mailchannels.net", "mailchannels"},
		{"route1.mx.cloudflare.net", "cloudflare"},
		{"mx1.forwardemail.net", "forwardemail"},
		{"mx1.improvmx.com", "improvmx"},
		{"mxa.mailgun.org", "mailgun"},
		{"mx.sendgrid.net", "sendgrid"},
		// Somebody's machine, not the provider's exchanger.
		{"ec2-192-0-2-1.compute-1.amazonaws.com", ""},
		{"vps-1234.vps.ovh.net", ""},
		{"c-192-0-2-1.hsd1.ca.comcast.net", ""},
		{"ip-192-0-2-1.ip.secureserver.net", ""},
		// The pattern's own name is not below it, and a suffix is not a label.
		{"pphosted.com", ""},
		{"evilpphosted.com", ""},
		{"mail.example.com", ""},
		{"", ""},
		// Most hosts decide.
		{"aspmx.l.google.com mail.example.com mail2.example.com", ""},
		{"aspmx.l.google.com mail.example.com", "google"},
		{"mail.example.com aspmx.l.google.com alt1.aspmx.l.google.com", "google"},
		{"mx0a-1.pphosted.com eu-smtp-inbound-1.mimecast.com", "mimecast"},
		{"eu-smtp-inbound-1.mimecast.com mx0a-1.pphosted.com", "mimecast"},
		{"mx0a-1.pphosted.com mx0b-1.pphosted.com eu-smtp-inbound-1.mimecast.com", "proofpoint"},
	}
	for _, tt := range tests {
		p, ok := ProviderOf(strings.Fields(tt.hosts))
		if p.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: %q, %v; want %q", tt.hosts, p.ID, ok, tt.want)
		}
	}
}

func TestProviderTable(t *testing.T) {
	list := Providers()
	if len(list) < 60 {
		t.Fatalf("%d providers", len(list))
	}
	for _, p := range list {
		got, ok := ProviderByID(p.ID)
		if !ok || got.Name != p.Name {
			t.Errorf("%s is not found by its id", p.ID)
		}
		for _, pattern := range p.MX {
			host := strings.Replace(pattern, "*", "mx1", 1)
			if got, _ := ProviderOf([]string{host}); got.ID != p.ID {
				t.Errorf("%s: %s leads to %q", p.ID, pattern, got.ID)
			}
		}
	}
	list[0].ID = "changed"
	if Providers()[0].ID == "changed" {
		t.Error("the table can be changed from outside")
	}
	for _, id := range []string{"", "auto", "zzz"} {
		if _, ok := ProviderByID(id); ok {
			t.Errorf("there is a provider %q", id)
		}
	}
	for id, want := range map[string]bool{"exchange-online": true, "cisco": true, "google": false} {
		if p, _ := ProviderByID(id); (p.WithdrawsStartTLS != "") != want {
			t.Errorf("%s withdraws STARTTLS: %q", id, p.WithdrawsStartTLS)
		}
	}
}

func TestProvidersFileErrors(t *testing.T) {
	entry := func(id, mx, more string) string {
		return "  - {id: " + id + ", name: N, mx: [" + mx + "], source: s" + more + "}\n"
	}
	good := entry("a", `"*.a.example"`, "")
	tests := []struct{ name, file, want string }{
		{"unknown key", entry("a", `"*.a.example"`, ", withdraws: yes"), "withdraws"},
		{"twice", good + entry("a", `"*.b.example"`, ""), `provider "a" is there twice`},
		{"id", entry("A_b", `"*.a.example"`, ""), "the id must be"},
		{"auto", entry("auto", `"*.a.example"`, ""), "the id must be"},
		{"no pattern", entry("a", "", ""), "no mx pattern"},
		{"no name", "  - {id: a, mx: [mx.a.example], source: s}\n", "no name"},
		{"no source", "  - {id: a, name: N, mx: [mx.a.example]}\n", "no source"},
		{"upper case", entry("a", `"*.A.example"`, ""), "lower-case name"},
		{"one label", entry("a", `"*.com"`, ""), "two labels"},
		{"wildcard inside", entry("a", `"mx.*.example"`, ""), `pattern "mx.*.example"`},
		{"shared", good + entry("b", `"*.a.example"`, ""), `pattern "*.a.example" belongs to "a" and to "b"`},
		{"link", entry("a", `"*.a.example"`, `, delist: "http://a.example"`), "neither an https nor a mailto link"},
		{"connections", entry("a", `"*.a.example"`, ", connections: -1"), "must not be negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseProviders([]byte("providers:\n" + tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	if _, err := parseProviders([]byte("providers:\n" + good)); err != nil {
		t.Error(err)
	}
}

// The order in which hosts come does not matter: equals are shuffled.
func TestProviderOfOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.SliceOfN(rapid.SampledFrom([]string{"aspmx.l.google.com", "a.mimecast.com", "b.pphosted.com", "mail.example.com"}), 1, 6).Draw(t, "hosts")
		one, _ := ProviderOf(hosts)
		other, _ := ProviderOf(rapid.Permutation(hosts).Draw(t, "order"))
		if one.ID != other.ID {
			t.Fatalf("%q and %q", one.ID, other.ID)
		}
	})
}

func TestPoliteKey(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		target Target
		want   string
	}{
		{Target{MX: "mx1.mail.contoso.co.uk", Addr: addr, Provider: "google"}, "google"},
		{Target{MX: "mx1.mail.contoso.co.uk", Addr: addr}, "contoso.co.uk"},
		{Target{MX: "MX2.contoso.co.uk.", Addr: addr}, "contoso.co.uk"},
		{Target{MX: "192.0.2.1", Addr: addr}, "192.0.2.1"},
		{Target{Addr: addr}, "192.0.2.1"},
		{Target{MX: "mailhost", Addr: addr}, "mailhost"},
	} {
		if got := PoliteKey(tt.target); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.target, got, tt.want)
		}
	}
}
