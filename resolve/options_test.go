package resolve

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFromResolvConf(t *testing.T) {
	local := []string{"127.0.0.1:53"}
	for _, c := range []struct {
		name, file string
		servers    []string
		timeout    time.Duration
		tries      int
	}{
		{name: "empty", servers: local},
		{name: "plain", file: "nameserver 192.0.2.1\nnameserver\t2001:db8::1\n", servers: []string{"192.0.2.1:53", "[2001:db8::1]:53"}},
		{name: "v6 with a zone, mapped v4", file: "nameserver fe80::1%eth0\nnameserver ::ffff:192.0.2.7", servers: []string{"[fe80::1%eth0]:53", "192.0.2.7:53"}},
		{name: "options", file: "options timeout:2 attempts:4 ndots:1\nnameserver 192.0.2.1", servers: []string{"192.0.2.1:53"}, timeout: 2 * time.Second, tries: 4},
		{name: "options over the limit", file: "options timeout:99 attempts:99", servers: local, timeout: 30 * time.Second, tries: 5},
		{name: "options that mean nothing", file: "options timeout:0 attempts:-1 timeout:x attempts rotate", servers: local},
		{name: "comments", file: "# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n#nameserver 192.0.2.4\nnameserver 192.0.2.3 # ours\n", servers: []string{"192.0.2.3:53"}},
		{name: "broken address", file: "nameserver 192.0.2\nnameserver\n", servers: local},
		{name: "DOS line ends", file: "nameserver 192.0.2.1\r\nsearch example\r\n", servers: []string{"192.0.2.1:53"}},
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := FromResolvConf(path)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var got []string
		for _, s := range o.Servers {
			got = append(got, s.String())
		}
		if diff := cmp.Diff(c.servers, got); diff != "" || o.Timeout != c.timeout || o.Tries != c.tries {
			t.Errorf("%s: %v %v %v", c.name, got, o.Timeout, o.Tries)
		}
	}
	if o, err := FromResolvConf(filepath.Join(t.TempDir(), "none")); err != nil || len(o.Servers) != 1 {
		t.Errorf("a missing file: %v, %v", o.Servers, err)
	}
	if _, err := FromResolvConf(t.TempDir()); err == nil {
		t.Error("a directory was read")
	}
}

func TestOptions(t *testing.T) {
	server := netip.AddrPortFrom(netip.MustParseAddr("::ffff:192.0.2.1"), 0)
	o, err := Options{Servers: []netip.AddrPort{server}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	got := []any{o.Servers[0].String(), o.Timeout, o.Tries, o.InFlight, o.MaxInFlight, o.ZoneInFlight, o.ZoneFailures, o.ZoneBackoff, o.ZoneBackoffMax}
	want := []any{"192.0.2.1:53", 3 * time.Second, 3, 64, 256, 8, 4, 10 * time.Second, 5 * time.Minute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if o, _ := (Options{Servers: []netip.AddrPort{server}, InFlight: 1000}).withDefaults(); o.MaxInFlight != 1000 {
		t.Errorf("the ceiling %d is below the start", o.MaxInFlight)
	}
	if o, _ := (Options{Servers: []netip.AddrPort{server}, MaxInFlight: 4}).withDefaults(); o.InFlight != 4 {
		t.Errorf("the start %d is above the ceiling", o.InFlight)
	}
	for name, o := range map[string]Options{
		"no server":  {},
		"no address": {Servers: []netip.AddrPort{{}}},
		"negative":   {Servers: []netip.AddrPort{server}, Tries: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
