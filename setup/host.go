package setup

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"repwatch/resolve"
)

// LookAround sees this host: its name, the addresses of its interfaces, its
// resolvers and its mail log. It asks 127.0.0.1 one DNS question and nobody else.
func LookAround(ctx context.Context) (Host, error) {
	var h Host
	name, err := os.Hostname()
	if err != nil {
		return h, err
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	h.Name = fullName(name, string(hosts))
	if h.Public, h.Private, err = addresses(); err != nil {
		return h, err
	}
	if h.Resolvers, err = lookAtResolvers(ctx); err != nil {
		return h, err
	}
	for _, file := range []string{"/var/log/mail.log", "/var/log/maillog"} {
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() {
			h.MailLog = file
			break
		}
	}
	return h, nil
}

// fullName is the host's name with its domain: its own, or the one that
// /etc/hosts gives first on a line that knows it (hosts(5)).
func fullName(name, hosts string) string {
	for line := range strings.Lines(hosts) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if !strings.Contains(name, ".") && len(fields) > 2 && slices.Contains(fields[2:], name) {
			name = fields[1]
		}
	}
	if name = strings.ToLower(name); hostName.MatchString(name) && isDomain(name) == nil && !strings.HasPrefix(name, "localhost") {
		return name
	}
	return ""
}

// hostName is what may stand in an EHLO and in YAML without quotes. PTR names are foreign text.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

// inside are interfaces to containers and virtual machines of this host: no mail leaves by their addresses.
var inside = regexp.MustCompile(`^(docker|br-|veth|virbr|cni|flannel|cali|lxc|lxd|podman|kube|vnet)`)

func addresses() (outer, private []netip.Addr, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, nil, err
	}
	passing := map[netip.Addr]bool{}
	if text, err := os.ReadFile("/proc/net/if_inet6"); err == nil { // Linux only; without it all addresses count as lasting
		passing = passingAddrs(string(text))
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, nil, err
		}
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			ip := prefix.Addr().Unmap()
			switch {
			case err != nil || !ip.IsGlobalUnicast() || passing[ip]:
			case public(ip):
				outer = append(outer, ip)
			case !inside.MatchString(i.Name):
				private = append(private, ip)
			}
		}
	}
	return outer, private, nil
}

// passingAddrs are IPv6 addresses that come and go: temporary (RFC 8981),
// deprecated or not usable yet. The text is /proc/net/if_inet6: address, index,
// length, scope, flags, name.
func passingAddrs(text string) map[netip.Addr]bool {
	const temporary, deprecated, tentative, failed = 0x01, 0x20, 0x40, 0x08 // linux/if_addr.h
	out := map[netip.Addr]bool{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 6 || len(f[0]) != 32 {
			continue
		}
		flags, err := strconv.ParseUint(f[4], 16, 32)
		if err != nil || flags&(temporary|deprecated|tentative|failed) == 0 {
			continue
		}
		var groups []string
		for group := range slices.Chunk([]byte(f[0]), 4) {
			groups = append(groups, string(group))
		}
		if ip, err := netip.ParseAddr(strings.Join(groups, ":")); err == nil {
			out[ip] = true
		}
	}
	return out
}

// stub is where systemd-resolved listens; its own file names whom it asks.
var stub = netip.MustParseAddr("127.0.0.53")

func lookAtResolvers(ctx context.Context) (Resolvers, error) {
	var r Resolvers
	system, err := resolve.FromResolvConf("/etc/resolv.conf")
	if err != nil {
		return r, err
	}
	r.System = system.Servers
	if slices.ContainsFunc(r.System, func(s netip.AddrPort) bool { return s.Addr() == stub }) {
		if _, err := os.Stat("/run/systemd/resolve/resolv.conf"); err == nil {
			upstream, err := resolve.FromResolvConf("/run/systemd/resolve/resolv.conf")
			if err != nil {
				return r, err
			}
			r.Upstream = upstream.Servers
		}
	}
	if local := netip.MustParseAddrPort("127.0.0.1:53"); Answers(ctx, local, time.Second, 1) == nil {
		r.Local = local
	}
	return r, nil
}

// Answers asks a resolver for the root's name servers, which every resolver knows.
// Any answer but a refusal or a failure will do.
func Answers(ctx context.Context, server netip.AddrPort, timeout time.Duration, tries int) error {
	client, err := resolve.New(resolve.Options{Servers: []netip.AddrPort{server}, Timeout: timeout, Tries: tries})
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Lookup(ctx, resolve.Query{Name: ".", Type: dns.TypeNS})
	return err
}

// NamesOf asks DNS what the addresses are called, at most 32 at a time.
func NamesOf(ctx context.Context, lookups resolve.Lookuper, addrs []netip.Addr) map[netip.Addr]Name {
	names := make([]Name, len(addrs))
	slots := make(chan struct{}, 32)
	var wg sync.WaitGroup
	for i, ip := range addrs {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			names[i] = nameOf(ctx, lookups, ip)
		})
	}
	wg.Wait()
	out := map[netip.Addr]Name{}
	for i, ip := range addrs {
		out[ip] = names[i]
	}
	return out
}

// nameOf takes the first PTR name that leads back, or else the first that could be one.
func nameOf(ctx context.Context, lookups resolve.Lookuper, ip netip.Addr) Name {
	found, err := resolve.PTR(ctx, lookups, ip, resolve.Query{})
	if err != nil {
		return Name{Unknown: true}
	}
	var out Name
	values := slices.DeleteFunc(slices.Clone(found.Values), func(name string) bool { return !hostName.MatchString(name) || isDomain(name) != nil })
	slices.Sort(values)
	for _, name := range values[:min(len(values), 10)] { // hosting machines with hundreds of names exist
		if out.Host == "" {
			out.Host = name
		}
		back, err := resolve.Addresses(ctx, lookups, resolve.Query{Name: name})
		if slices.Contains(back.Values, ip) {
			return Name{Host: name, Confirmed: true}
		}
		out.Unknown = out.Unknown || err != nil
	}
	return out
}
