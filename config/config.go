// Package config reads repwatch's configuration: strict YAML in which an unknown
// key is an error with a suggestion, all problems are told at once with their
// place, and every key has a default that works.
//
// The types below are the schema: `config schema` and docs/configuration.md are
// generated from them and their doc tags.
package config

import (
	"net/netip"

	"repwatch/checks/dnsbl"
	"repwatch/internal/strictyaml"
)

// Config is the whole file. Load fills what the file leaves out from the default
// tags; what it says, zero included, stands.
type Config struct {
	SendingIPs  []SendingIP   `yaml:"sending_ips" doc:"The addresses your mail leaves from. Everything repwatch says is about one of them."`
	Domains     []string      `yaml:"domains" doc:"Your sender domains, asked at domain lists."`
	OwnMX       []string      `yaml:"own_mx" doc:"Domains whose MX is yours: read on the wire, byte by byte, as other senders see it."`
	Partners    []Partner     `yaml:"partners" doc:"The domains or hosts whose mail must get through."`
	Control     []Control     `yaml:"control" doc:"Vantages with a clean reputation. A loss seen by them too is the partner's change, not your reputation."`
	Blocklists  Blocklists    `yaml:"blocklists" doc:"Which lists are asked, and how."`
	DNS         DNS           `yaml:"dns" doc:"How DNS is asked."`
	Probes      Probes        `yaml:"probes" doc:"How politely partners are probed."`
	MailLog     MailLog       `yaml:"mail_log" doc:"Where your mail server writes what partners answered to real mail."`
	Schedule    Schedule      `yaml:"schedule" doc:"When to look."`
	Maintenance []Maintenance `yaml:"maintenance" doc:"Planned windows in which a loss is recorded but nobody is told."`
	Store       Store         `yaml:"store" doc:"The one file that remembers."`
	Notify      Notify        `yaml:"notify" doc:"Who is told, and how."`
	Web         Web           `yaml:"web" doc:"The page."`
	Socket      string        `yaml:"socket" doc:"Unix socket of the running daemon." default:"/run/repwatch/repwatch.sock"`
	Fleet       Fleet         `yaml:"fleet" doc:"Several hosts through NATS JetStream."`
}

// SendingIP is one address, or a range of them.
type SendingIP struct {
	IP    IP       `yaml:"ip" doc:"The public address. Either this or range."`
	Range Prefix   `yaml:"range" doc:"A prefix, all of whose addresses send. Either this or ip."`
	Name  string   `yaml:"name" doc:"The EHLO name mail leaves with. In a range {n} counts its addresses from 1. Default: the address's PTR, else an address literal."`
	Bind  IP       `yaml:"bind" doc:"Local source address, where NAT makes it differ from ip. Default: ip itself when this host has it, else the system's choice."`
	Via   Proxy    `yaml:"via" doc:"SOCKS5 proxy on the sending host to leave through: socks5://host:port."`
	Pool  string   `yaml:"pool" doc:"Name of the pool the address belongs to." default:"main"`
	Owner string   `yaml:"owner" doc:"Who is mentioned when this address is in trouble."`
	Tags  []string `yaml:"tags" doc:"Free words to filter by."`
	State State    `yaml:"state" doc:"While warming, listings count but alerts are quiet; standby is asked at lists, never probed from." default:"active"`
}

// Partner is a domain whose MX matters, or a host used as next hop without MX lookup.
type Partner struct {
	Domain   string   `yaml:"domain" doc:"A domain; its MX are looked up. Either this or host."`
	Host     string   `yaml:"host" doc:"A next hop without MX lookup: a name or an address. Either this or domain."`
	Port     Port     `yaml:"port" doc:"Port to connect to." default:"25"`
	Require  []string `yaml:"require" doc:"Capabilities that must be there, such as STARTTLS: missing at first sight is a loss at once."`
	Provider string   `yaml:"provider" doc:"Who runs the MX: auto recognises it from the names, or an id from the provider table." default:"auto"`
	RCPT     string   `yaml:"rcpt" doc:"An address that consents to being asked with RCPT TO. Nothing is ever sent to it."`
	From     []IP     `yaml:"from" doc:"Only probe from these sending addresses. Default: all, or canaries where they are many."`

	Own bool `yaml:"-"` // our own MX, from own_mx

	shown string // with its port, where several ports of one name are watched
}

// Sources are the sending addresses it is probed from; none means all.
func (p Partner) Sources() []netip.Addr {
	out := make([]netip.Addr, len(p.From))
	for i, ip := range p.From {
		out[i] = ip.Addr
	}
	return out
}

// Name is the partner as people call it: domain or host, with the port where
// several ports of one name are watched. It is unique in a configuration.
func (p Partner) Name() string {
	if p.shown != "" {
		return p.shown
	}
	if p.Domain != "" {
		return p.Domain
	}
	return p.Host
}

// Control is a vantage with a clean reputation.
type Control struct {
	Name   string `yaml:"name" doc:"What to call it."`
	Bind   IP     `yaml:"bind" doc:"Local source address with a clean reputation. Either this or socks5."`
	SOCKS5 Proxy  `yaml:"socks5" doc:"host:port of a SOCKS5 proxy elsewhere. Either this or bind."`
	EHLO   string `yaml:"ehlo" doc:"The EHLO name to use there. Default: an address literal."`
}

// Blocklists says which lists are asked.
type Blocklists struct {
	File       string            `yaml:"file" doc:"A catalogue to use instead of the built-in one. Relative to the configuration file."`
	Use        []string          `yaml:"use" doc:"Ids of lists; default stands for the default set, all for every list that may be asked." default:"[default]"`
	Skip       []string          `yaml:"skip" doc:"Ids of lists to leave out."`
	Keys       map[string]Secret `yaml:"keys" doc:"Access keys by the name a list's access.key gives, for example spamhaus. They are secrets."`
	Add        []dnsbl.Entry     `yaml:"add" doc:"Lists of your own; an entry with the id of a built-in list replaces it. See docs/lists.md."`
	Commercial bool              `yaml:"commercial" doc:"Your use is commercial: lists that are free for non-commercial use only are then left out."`
}

// DNS says who is asked, and how patiently.
type DNS struct {
	Resolvers []Server `yaml:"resolvers" doc:"Recursive resolvers, address or address:port. Best is your own; public ones are refused by many lists. Default: those of /etc/resolv.conf."`
	Timeout   Duration `yaml:"timeout" doc:"How long one try may take." default:"3s"`
	Tries     int      `yaml:"tries" doc:"Tries per question." default:"3"`
	InFlight  int      `yaml:"in_flight" doc:"Questions under way per resolver to begin with; it adapts between 8 and 256." default:"64"`
}

// Probes bounds what partners see of us. Zero is no limit.
type Probes struct {
	Spacing        Duration `yaml:"spacing" doc:"Pause between two connections from one address to one provider; 0: none." default:"30s"`
	PerProviderDay int      `yaml:"per_provider_day" doc:"Sessions a day from one address to one provider; 0: no limit." default:"48"`
	Canaries       int      `yaml:"canaries" doc:"Where a pool has many addresses, so many of them probe each provider in rotation; 0: all do." default:"2"`
}

// MailLog names the logs of the mail server.
type MailLog struct {
	Postfix  PostfixLog  `yaml:"postfix" doc:"Postfix: the journal or a file."`
	Exim     EximLog     `yaml:"exim" doc:"Exim: its main log."`
	Exchange ExchangeLog `yaml:"exchange" doc:"Exchange: its protocol logs."`
}

// PostfixLog says where Postfix logs.
type PostfixLog struct {
	Journal bool   `yaml:"journal" doc:"Read the systemd journal."`
	File    string `yaml:"file" doc:"Read this file, following rotation."`
}

// EximLog says where Exim logs.
type EximLog struct {
	File string `yaml:"file" doc:"The file, following rotation."`
}

// ExchangeLog says where Exchange logs.
type ExchangeLog struct {
	SMTPSend string `yaml:"smtp_send" doc:"Folder of the SmtpSend protocol logs."`
}

// Schedule says when to look.
type Schedule struct {
	Blocklists   Cron     `yaml:"blocklists" doc:"When lists are asked: @every DURATION or five cron fields." default:"@every 15m"`
	Partners     Cron     `yaml:"partners" doc:"When partners are probed." default:"@every 1h"`
	Report       Cron     `yaml:"report" doc:"When the weekly report is sent." default:"0 9 * * MON"`
	Timezone     Zone     `yaml:"timezone" doc:"Zone of cron fields, quiet hours and report weeks. Default: the system's."`
	ConfirmAfter Duration `yaml:"confirm_after" doc:"How long after a suspected loss the second look is taken." default:"2m"`
	Jitter       Percent  `yaml:"jitter" doc:"Random spread of scheduled looks, in percent of their interval." default:"10%"`
}

// Maintenance is a planned window.
type Maintenance struct {
	From     Time     `yaml:"from" doc:"Begin, RFC 3339."`
	To       Time     `yaml:"to" doc:"End, RFC 3339."`
	Partners []string `yaml:"partners" doc:"Partners concerned. Default: all."`
	IPs      []IP     `yaml:"ips" doc:"Sending addresses concerned. Default: all."`
	Reason   string   `yaml:"reason" doc:"Said in the incident."`
}

// Store is the file that remembers.
type Store struct {
	Path string   `yaml:"path" doc:"The bbolt file." default:"/var/lib/repwatch/repwatch.db"`
	Keep Duration `yaml:"keep" doc:"How long history is kept." default:"400d"`
}

// Notify says who is told.
type Notify struct {
	GroupWait  Duration  `yaml:"group_wait" doc:"Wait before the first message of an incident, to group what belongs together." default:"60s"`
	DigestOver int       `yaml:"digest_over" doc:"More addresses than this hit within 10 minutes become one digest." default:"5"`
	Reopen     Duration  `yaml:"reopen" doc:"An incident that comes back within this time is the same one." default:"30m"`
	Remind     Duration  `yaml:"remind" doc:"Say again that an incident is open; 0: never." default:"24h"`
	Heartbeat  Secret    `yaml:"heartbeat" doc:"Address that is called every five minutes while looking works: a dead man's switch elsewhere tells you when it stays silent. It may hold a token, so it is treated as a secret."`
	Quiet      Quiet     `yaml:"quiet" doc:"HH:MM-HH:MM without interruptions below critical, in schedule.timezone."`
	Log        *LogOut   `yaml:"log" doc:"Write each message to the log."`
	Slack      *Slack    `yaml:"slack" doc:"Slack, by bot token or incoming webhook."`
	Email      *Email    `yaml:"email" doc:"E-mail by submission."`
	Webhook    []Webhook `yaml:"webhook" doc:"POST each message as JSON."`
}

// LogOut has no settings: its presence turns the log notifier on.
type LogOut struct{}

// UnmarshalNode implements strictyaml.Unmarshaler.
func (*LogOut) UnmarshalNode(n strictyaml.Node) {
	keys := 0
	if n.Section() {
		n.Each(func(string, strictyaml.Node) { keys++ })
	}
	if !n.Section() || keys > 0 {
		n.Failf("write log: {} to turn it on, leave it out to turn it off", "log has no settings")
	}
}

// Slack is one workspace's channel.
type Slack struct {
	Token      Secret `yaml:"token" doc:"Bot token (xoxb-), with the scopes of docs' app manifest."`
	AppToken   Secret `yaml:"app_token" doc:"App token (xapp-) for the buttons (Socket Mode)."`
	Channel    string `yaml:"channel" doc:"Channel id or #name."`
	Fallback   string `yaml:"fallback" doc:"Channel used when channel is gone."`
	Mention    string `yaml:"mention" doc:"Who is mentioned once when an incident is critical: @user, @group or here."`
	WebhookURL Secret `yaml:"webhook_url" doc:"Incoming webhook instead of a token: it can neither edit nor thread."`
	APIURL     string `yaml:"api_url" doc:"Base address of the Slack API, for tests and proxies."`
}

// Email is one submission account.
type Email struct {
	Host     string   `yaml:"host" doc:"Submission server."`
	Port     Port     `yaml:"port" doc:"587 with STARTTLS, or 465." default:"587"`
	User     string   `yaml:"user" doc:"Account to log in with; empty: no login."`
	Password Secret   `yaml:"password" doc:"The account's password."`
	From     string   `yaml:"from" doc:"Sender address."`
	To       []string `yaml:"to" doc:"Recipients."`
}

// Webhook is one HTTP endpoint.
type Webhook struct {
	URL    Secret            `yaml:"url" doc:"Where to POST. It may hold a token, so it is treated as a secret."`
	Header map[string]Secret `yaml:"header" doc:"Extra headers."`
}

// Web is the page.
type Web struct {
	Listen string `yaml:"listen" doc:"Address to listen on; empty turns the page off." default:"127.0.0.1:8025"`
	Prefix string `yaml:"prefix" doc:"Path prefix behind a reverse proxy."`
	Token  Secret `yaml:"token" doc:"Allows acting from the page; without it the page is read-only."`
}

// Fleet connects several hosts.
type Fleet struct {
	NATS  string `yaml:"nats" doc:"Servers, comma-separated."`
	Name  string `yaml:"name" doc:"This host's name in the fleet."`
	Creds Secret `yaml:"creds" doc:"Credentials file content or reference."`
}

// State of a sending address.
type State string

const (
	Active  State = "active"
	Warming State = "warming"
	Standby State = "standby"
)
