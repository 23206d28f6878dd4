package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type text interface {
	encoding.TextUnmarshaler
	fmt.Stringer
}

// TestScalars reads each text and shows it again; wrong ones say what is wrong with them and how to write it.
func TestScalars(t *testing.T) {
	for _, tt := range []struct {
		into  text
		given string
		want  string // as shown again, or the beginning of the error after "!"
	}{
		{new(Duration), "30s", "30s"},
		{new(Duration), "90s", "1m30s"},
		{new(Duration), "20m", "20m"},
		{new(Duration), "1h30m", "1h30m"},
		{new(Duration), "36h", "1d12h"},
		{new(Duration), "1.5d", "1d12h"},
		{new(Duration), "400d", "400d"},
		{new(Duration), "500ms", "500ms"},
		{new(Duration), "0.25ms", "0.25ms"},
		{new(Duration), "0", "0s"},
		{new(Duration), "0s", "0s"},
		{new(Duration), "36500d", "36500d"},
		{new(Duration), "36500d1ms", "!36500d1ms is too long"},
		{new(Duration), "99999999999999999999d", "!99999999999999999999d is too long"},
		{new(Duration), "-1h", "!-1h: a duration cannot be negative"},
		{new(Duration), "", `!"" is no duration`},
		{new(Duration), "5", "!5 is no duration"},
		{new(Duration), "5us", "!5us is no duration"},
		{new(Duration), "+5s", "!+5s is no duration"},
		{new(Duration), "1h 30m", `!"1h 30m" is no duration`},
		{new(Percent), "10%", "10%"},
		{new(Percent), "2.5%", "2.5%"},
		{new(Percent), "0", "0%"},
		{new(Percent), "100%", "100%"},
		{new(Percent), "100.1%", "!100.1% is no share"},
		{new(Percent), "NaN%", "!NaN% is no share"},
		{new(Percent), "-1%", "!-1% is no share"},
		{new(Percent), "1e1%", "!1e1% is no share"},
		{new(Percent), "10", "!10 is no share"},
		{new(Cron), "@every 15m", "@every 15m"},
		{new(Cron), "@every 1d", "@every 1d"},
		{new(Cron), "  0  9 * *   MON ", "0 9 * * MON"},
		{new(Cron), "@hourly", "@hourly"},
		{new(Cron), "@every 0", `!schedule "@every 0": at least 1s apart`},
		{new(Cron), "0 9 * *", `!"0 9 * *" is no schedule`},
		{new(Cron), "0 9 31 2 *", `!schedule "0 9 31 2 *" never fires`},
		{new(Cron), "TZ=0", "!schedule TZ=0: the time zone has a key"},
		{new(Zone), "Europe/Vienna", "Europe/Vienna"},
		{new(Zone), "UTC", "UTC"},
		{new(Zone), "", "Local"},
		{new(Zone), "../etc/passwd", "!../etc/passwd is no time zone"},
		{new(Quiet), "22:00-07:00", "22:00-07:00"},
		{new(Quiet), "7:00 - 9:30", "07:00-09:30"},
		{new(Quiet), "", ""},
		{new(Quiet), "22:00", "!22:00 is no span"},
		{new(Quiet), "22:00-25:00", "!22:00-25:00 is no span"},
		{new(Quiet), "07:00-07:00", "!07:00-07:00 begins when it ends"},
		{new(Proxy), "10.0.0.9:1080", "socks5://10.0.0.9:1080"},
		{new(Proxy), "socks5h://[2001:db8::9]:1080/", "socks5h://[2001:db8::9]:1080"},
		{new(Proxy), "socks5://me:secret@10.0.0.9:1080", "socks5://me:xxxxx@10.0.0.9:1080"},
		{new(Proxy), "", ""},
		{new(Proxy), "socks5://10.0.0.9:1080/x", "!that is no SOCKS5 proxy"},
		{new(Proxy), "socks5://10.0.0.9:1080?x", "!that is no SOCKS5 proxy"},
		{new(Proxy), "socks5://10.0.0.9:1080#x", "!that is no SOCKS5 proxy"},
		{new(Proxy), "socks5://:1080", "!that is no SOCKS5 proxy"},
		{new(Proxy), "socks4://10.0.0.9:1080", "!that is no SOCKS5 proxy"},
		{new(Proxy), "me:secret@10.0.0.9", "!that is no SOCKS5 proxy"},
		{new(Proxy), "10.0.0.9:99999", "!that is no SOCKS5 proxy"},
		{new(Server), "127.0.0.1", "127.0.0.1:53"},
		{new(Server), "127.0.0.1:5300", "127.0.0.1:5300"},
		{new(Server), "::1", "[::1]:53"},
		{new(Server), "[::1]", "[::1]:53"},
		{new(Server), "[::1]:5300", "[::1]:5300"},
		{new(Server), "::ffff:127.0.0.1", "127.0.0.1:53"},
		{new(Server), "localhost", "!localhost is no resolver"},
		{new(IP), "203.0.113.7", "203.0.113.7"},
		{new(IP), "::ffff:203.0.113.7", "203.0.113.7"},
		{new(IP), "2001:DB8:0::7", "2001:db8::7"},
		{new(IP), "203.0.113.300", "!203.0.113.300 is no IP address"},
		{new(IP), "203.0.113.0/24", "!203.0.113.0/24 is a range"},
		{new(IP), "fe80::1%eth0", "!fe80::1%eth0 names an interface"},
		{new(IP), strings.Repeat("9", 70), "!" + strings.Repeat("9", 60) + "… is no IP address"},
		{new(Prefix), "203.0.113.64/28", "203.0.113.64/28"},
		{new(Prefix), "203.0.113.64/33", "!203.0.113.64/33 is no range"},
	} {
		t.Run(fmt.Sprintf("%T %s", tt.into, tt.given), func(t *testing.T) {
			err := tt.into.UnmarshalText([]byte(tt.given))
			if wrong, ok := strings.CutPrefix(tt.want, "!"); ok {
				if err == nil {
					t.Fatalf("is read as %s, want %q", tt.into, wrong)
				}
				message, hint, _ := strings.Cut(err.Error(), "\n")
				if !strings.HasPrefix(message, wrong) || !strings.HasPrefix(hint, "hint: ") {
					t.Errorf("error %q, want %q and a hint", err, wrong)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the error shows a password: %v", err)
				}
				return
			}
			if err != nil || tt.into.String() != tt.want {
				t.Errorf("is read as %q (%v), want %q", tt.into, err, tt.want)
			}
		})
	}
}

// TestScalarsRoundTrip: what is shown reads as the same value, as JSON too.
func TestScalarsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := []any{
			Duration(rapid.Int64Range(0, int64(maxDuration)).Draw(t, "duration")),
			Percent(rapid.Float64Range(0, 100).Draw(t, "percent")),
			Quiet{rapid.IntRange(0, 719).Draw(t, "from"), rapid.IntRange(720, 1439).Draw(t, "to")},
			Server{netip.AddrPortFrom(address(t), uint16(rapid.IntRange(1, 65535).Draw(t, "port")))},
			IP{address(t)},
			Prefix{netip.PrefixFrom(address(t), rapid.IntRange(0, 32).Draw(t, "bits"))},
			Time{time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "time"), 0).UTC()},
		}
		for _, v := range values {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			back := reflect.New(reflect.TypeOf(v))
			if err := json.Unmarshal(b, back.Interface()); err != nil {
				t.Fatalf("%T %s: %v", v, b, err)
			}
			if got := back.Elem().Interface(); !reflect.DeepEqual(got, v) {
				t.Fatalf("%T: %v is shown as %s and read as %v", v, v, b, got)
			}
		}
	})
}

func address(t *rapid.T) netip.Addr {
	if rapid.Bool().Draw(t, "v4") {
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4 address")))
	}
	ip := netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6 address")))
	return ip.Unmap()
}

func TestCronEvery(t *testing.T) {
	monday := time.Date(2026, 11, 16, 8, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"@every 15m":        15 * time.Minute,
		"@every 90s":        90 * time.Second,
		"@hourly":           time.Hour,
		"0 9 * * MON":       7 * 24 * time.Hour,
		"0 9,10 * * *":      12 * time.Hour, // not 1 h, not 23 h
		"*/15 8-17 * * 1-5": 7 * 24 * time.Hour / (4 * 10 * 5),
		"0 0 1 * *":         31 * 24 * time.Hour,
		"* 9 * * *":         24 * time.Hour / 60,
	} {
		var c Cron
		if err := c.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := c.Every(monday); got < want*95/100 || got > want*105/100 {
			t.Errorf("%s fires every %s on average, want about %s", text, got, want)
		}
	}
	if (Cron{}).Next(monday) != (time.Time{}) {
		t.Error("a schedule that was never set fires")
	}
}

// TestCronNextIsInItsZone: fields are read in the zone of the time given.
func TestCronNextIsInItsZone(t *testing.T) {
	var c Cron
	var z Zone
	if err := c.UnmarshalText([]byte("0 9 * * MON")); err != nil {
		t.Fatal(err)
	}
	if err := z.UnmarshalText([]byte("Europe/Vienna")); err != nil {
		t.Fatal(err)
	}
	got := c.Next(time.Date(2026, 11, 16, 7, 59, 0, 0, time.UTC).In(z.Loc()))
	if want := time.Date(2026, 11, 16, 8, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("fires at %s, want %s", got.UTC(), want)
	}
}

func TestProxyAddressHoldsTheCredential(t *testing.T) {
	var p Proxy
	if err := p.UnmarshalText([]byte("socks5://me:p%40ss@10.0.0.9:1080")); err != nil {
		t.Fatal(err)
	}
	if got := p.Address(); got != "me:p%40ss@10.0.0.9:1080" {
		t.Errorf("address %q: the prober needs user and password", got)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, struct{ Via Proxy }{p}); strings.Contains(s, "p%40ss") || strings.Contains(s, "p@ss") {
			t.Errorf("%s shows the password: %s", verb, s)
		}
	}
	if (Proxy{}).Address() != "" || (Proxy{}).Set() {
		t.Error("no proxy is taken for one")
	}
}
