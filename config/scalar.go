package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Duration is a length of time written with ms, s, m, h or d: 90s, 1h30m, 400d. A day is 24 h.
type Duration time.Duration

// D is the duration as the standard library knows it.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is the shortest exact form, days included.
func (d Duration) String() string {
	t := time.Duration(d)
	if t != 0 && t%(24*time.Hour) == 0 {
		return strconv.FormatInt(int64(t/(24*time.Hour)), 10) + "d"
	}
	s := t.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	if s == "" {
		return "0s"
	}
	return s
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

var durationDays = regexp.MustCompile(`^(\d+(?:\.\d+)?)d(.*)$`)

// UnmarshalText reads 90s, 1h30m, 400d, 1d12h or a bare 0.
func (d *Duration) UnmarshalText(b []byte) error {
	text, total := string(b), time.Duration(0)
	if m := durationDays.FindStringSubmatch(text); m != nil {
		days, err := strconv.ParseFloat(m[1], 64)
		if err != nil || days > 36500 {
			return fmt.Errorf("%q is too long a time", text)
		}
		total = time.Duration(days * 24 * float64(time.Hour))
		if text = m[2]; text == "" {
			text = "0"
		}
	}
	rest, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no duration: write it like 500ms, 30s, 15m, 1h or 7d", b)
	}
	if rest < 0 {
		return fmt.Errorf("%q: a duration cannot be negative here", b)
	}
	*d = Duration(total + rest)
	return nil
}

// Percent is a share written as 10%.
type Percent float64

// String is the share with its sign: 10%.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// MarshalText is String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads 10% (0 to 100).
func (p *Percent) UnmarshalText(b []byte) error {
	v, err := strconv.ParseFloat(strings.TrimSuffix(string(b), "%"), 64)
	if err != nil || v < 0 || v > 100 || !strings.HasSuffix(string(b), "%") && v != 0 {
		return fmt.Errorf("%q is no share: write it like 10%%, from 0%% to 100%%", b)
	}
	*p = Percent(v)
	return nil
}

// Cron is a schedule: five fields, @hourly and the like, or @every DURATION.
type Cron struct {
	text     string
	schedule cron.Schedule
}

// Next is the first time after t; the zero time for a schedule that never fires.
func (c Cron) Next(t time.Time) time.Time {
	if c.schedule == nil {
		return time.Time{}
	}
	return c.schedule.Next(t)
}

// Every is the time between two firings in a row after t.
func (c Cron) Every(t time.Time) time.Duration {
	first := c.Next(t)
	return c.Next(first).Sub(first)
}

func (c Cron) String() string { return c.text }

// MarshalText is the schedule as written.
func (c Cron) MarshalText() ([]byte, error) { return []byte(c.text), nil }

// UnmarshalText reads a schedule; @every takes days too.
func (c *Cron) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	if every, ok := strings.CutPrefix(text, "@every "); ok {
		var d Duration
		if err := d.UnmarshalText([]byte(strings.TrimSpace(every))); err != nil {
			return fmt.Errorf("schedule %q: %w", text, err)
		}
		if d.D() < time.Second {
			return fmt.Errorf("schedule %q: at least 1s apart", text)
		}
		*c = Cron{text, cron.Every(d.D())}
		return nil
	}
	s, err := cron.ParseStandard(text)
	if err != nil {
		return fmt.Errorf("%q is no schedule: write @every 15m, @hourly, or five cron fields such as 0 9 * * MON", text)
	}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return fmt.Errorf("schedule %q never fires", text)
	}
	*c = Cron{text, s}
	return nil
}

// Zone is a time zone by its IANA name.
type Zone struct{ *time.Location }

// MarshalText is the zone's name.
func (z Zone) MarshalText() ([]byte, error) { return []byte(z.Loc().String()), nil }

// Loc is the location, the system's when none was given.
func (z Zone) Loc() *time.Location {
	if z.Location == nil {
		return time.Local
	}
	return z.Location
}

// UnmarshalText reads an IANA name such as Europe/Vienna.
func (z *Zone) UnmarshalText(b []byte) error {
	loc, err := time.LoadLocation(string(b))
	if err != nil {
		return fmt.Errorf("%q is no time zone: write an IANA name such as Europe/Vienna or UTC", b)
	}
	z.Location = loc
	return nil
}

// Time is a moment in RFC 3339.
type Time struct{ time.Time }

// UnmarshalText reads 2026-12-24T20:00:00Z.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return fmt.Errorf("%q is no time: write it like 2026-12-24T20:00:00Z or with an offset", b)
	}
	t.Time = v
	return nil
}

// Quiet is a daily span of hours; From == To means none. Minutes since midnight, in schedule.timezone.
type Quiet struct{ From, To int }

// String is HH:MM-HH:MM, empty when there is no quiet time.
func (q Quiet) String() string {
	if q.From == q.To {
		return ""
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", q.From/60, q.From%60, q.To/60, q.To%60)
}

// MarshalText is String.
func (q Quiet) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads 22:00-07:00; it may pass midnight.
func (q *Quiet) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*q = Quiet{}
		return nil
	}
	from, to, ok := strings.Cut(string(b), "-")
	f, err1 := time.Parse("15:04", strings.TrimSpace(from))
	t, err2 := time.Parse("15:04", strings.TrimSpace(to))
	if !ok || err1 != nil || err2 != nil {
		return fmt.Errorf("%q is no span of hours: write it like 22:00-07:00", b)
	}
	*q = Quiet{f.Hour()*60 + f.Minute(), t.Hour()*60 + t.Minute()}
	return nil
}

// Proxy is a SOCKS5 proxy, socks5://[user:password@]host:port.
type Proxy struct{ URL *url.URL }

// Set reports that there is a proxy.
func (p Proxy) Set() bool { return p.URL != nil }

// String hides the password.
func (p Proxy) String() string {
	if p.URL == nil {
		return ""
	}
	return p.URL.Redacted()
}

// MarshalText is String.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads socks5://host:port, or a bare host:port.
func (p *Proxy) UnmarshalText(b []byte) error {
	text := string(b)
	if text == "" {
		*p = Proxy{}
		return nil
	}
	if !strings.Contains(text, "://") {
		text = "socks5://" + text
	}
	u, err := url.Parse(text)
	if err == nil && (u.Scheme == "socks5" || u.Scheme == "socks5h") {
		if _, port, e := net.SplitHostPort(u.Host); e == nil && validPort(port) && (u.Path == "" || u.Path == "/") {
			p.URL = u
			return nil
		}
	}
	return fmt.Errorf("that is no SOCKS5 proxy: write it like socks5://10.0.0.9:1080") // never echo it: it may hold a password
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// Server is a DNS server: an address, with a port or port 53.
type Server struct{ netip.AddrPort }

// UnmarshalText reads 127.0.0.1, 127.0.0.1:5300, ::1 or [::1]:5300.
func (s *Server) UnmarshalText(b []byte) error {
	text := string(b)
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		s.AddrPort = netip.AddrPortFrom(ip.Unmap(), 53)
		return nil
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil || ap.Port() == 0 {
		return fmt.Errorf("%q is no resolver: write its address, or address:port, such as 127.0.0.1:53", b)
	}
	s.AddrPort = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	return nil
}

// Address is the proxy with its credential as smtp.Vantage wants it: [user:password@]host:port.
func (p Proxy) Address() string {
	if p.URL == nil {
		return ""
	}
	if p.URL.User != nil {
		return p.URL.User.String() + "@" + p.URL.Host
	}
	return p.URL.Host
}
