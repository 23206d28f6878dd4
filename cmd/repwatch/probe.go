package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/replies"
)

// probeFlags are the flags of `repwatch probe`.
type probeFlags struct {
	from       string
	control    bool
	transcript bool
	submission bool
	rcpt       string
	port       uint16
	user, pass string
	sendTest   string
	timeout    time.Duration
}

func (a *app) probe() *cobra.Command {
	var f probeFlags
	c := &cobra.Command{
		Use:   "probe [PARTNER|HOST[:PORT]]...",
		Short: "Read what partners' mail servers offer you now",
		Long: `Read, on the wire and from your own sending address, what partners' mail servers
offer: greeting, EHLO capabilities, STARTTLS with its handshake and certificate,
and what they offer inside TLS. No message is sent.

A domain is routed by its MX; HOST:PORT, [HOST] and addresses are taken as they
are. Without arguments the configured partners are probed, and own_mx as others
see it. With --control the same look is taken from the control vantages, which
tells a loss of reputation from a change at the partner.

Connections to one provider from one address are made one at a time, with a pause.

With --submission a submission server (port 587, or 465) is read instead; --user
and --password try a login, --send-test sends a message to an address.`,
		Example: `  repwatch probe contoso.com --control
  repwatch probe mx.fabrikam.net:25 --from 203.0.113.7 --transcript
  repwatch probe smtp.example.com:587 --submission --user me@example.com --password '${file:/root/pw}'`,
		Args: cobra.ArbitraryArgs,
	}
	format := outputFlag(c, "table", "json", "nagios")
	c.Flags().StringVar(&f.from, "from", "", "probe from this sending address")
	c.Flags().BoolVar(&f.control, "control", false, "look from the control vantages too")
	c.Flags().BoolVar(&f.transcript, "transcript", false, "show the whole conversation")
	c.Flags().BoolVar(&f.submission, "submission", false, "read a submission server (587; 465 with TLS from the start)")
	c.Flags().StringVar(&f.rcpt, "rcpt", "", "also ask RCPT TO for this address, whose owner consents; nothing is sent")
	c.Flags().Uint16Var(&f.port, "port", 0, "port, where the argument names none (default 25, or 587 with --submission)")
	c.Flags().StringVar(&f.user, "user", "", "with --submission: try to log in as this user")
	c.Flags().StringVar(&f.pass, "password", "", "its password: ${file:PATH}, ${env:NAME} or ${credential:NAME}")
	c.Flags().StringVar(&f.sendTest, "send-test", "", "with --user: send a test message to this address")
	c.Flags().DurationVar(&f.timeout, "timeout", 0, "whole time for one address (default 5m; a slow greeting takes up to 1m)")
	c.MarkFlagsRequiredTogether("user", "password")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		doc, err := a.runProbe(cmd.Context(), cfg, f, args)
		if err != nil {
			return err
		}
		switch *format {
		case "json":
			err = a.out.json(doc)
		case "nagios":
			n := api.NagiosProbe(doc)
			a.out.printf("%s\n", n.Line)
			return exitWith(n.Code)
		default:
			a.printProbe(doc, f.transcript)
		}
		if err != nil {
			return err
		}
		return exitWith(doc.Exit())
	}
	return c
}

func (a *app) runProbe(ctx context.Context, cfg *config.Loaded, f probeFlags, args []string) (api.Probe, error) {
	ask, err := f.ask()
	if err != nil {
		return api.Probe{}, err
	}
	partners, err := partnersOf(cfg, f, args)
	if err != nil {
		return api.Probe{}, err
	}
	client, err := a.resolver(cfg)
	if err != nil {
		return api.Probe{}, err
	}
	defer client.Close()
	s := &survey{
		cfg: cfg, dns: client, flags: f, ask: ask,
		prober:    &smtp.Prober{Timeouts: smtp.Timeouts{Total: f.timeout}, Roots: a.roots},
		explainer: replies.Explainer{ListByZone: cfg.Catalogue.IDByZone},
	}
	bar := a.err.progress("probing")
	defer bar.done()
	results, err := s.run(ctx, partners, bar.update)
	if err != nil {
		return api.Probe{}, err
	}
	for _, note := range s.notes {
		a.err.warn("%s", note)
	}
	return api.ProbeOf(time.Now(), results, s.explainer.Explain), nil
}

// ask turns flags into what a probe asks beyond looking.
func (f probeFlags) ask() (smtp.Ask, error) {
	ask := smtp.Ask{Rcpt: f.rcpt}
	switch {
	case f.user != "" && !f.submission:
		return ask, errors.New("--user belongs to --submission: mail exchangers on port 25 take no login")
	case f.sendTest != "" && f.user == "":
		return ask, errors.New("--send-test needs --user and --password")
	}
	if f.user != "" {
		var secret config.Secret
		if err := secret.UnmarshalText([]byte(f.pass)); err != nil {
			return ask, fmt.Errorf("--password: %w", err)
		}
		pass, err := secret.Value()
		if err != nil {
			return ask, fmt.Errorf("--password: %w", err)
		}
		if ask.Auth, err = smtp.NewCredential(f.user, pass, ""); err != nil {
			return ask, err
		}
	}
	if f.sendTest != "" {
		ask.Message = testMessage(f.user, f.sendTest, time.Now())
	}
	return ask, nil
}

func testMessage(from, to string, now time.Time) *smtp.Message {
	body := fmt.Sprintf("From: <%s>\nTo: <%s>\nSubject: repwatch test message\nDate: %s\nMessage-ID: <%d.repwatch@%s>\n\n"+
		"This is a test of submission by \"repwatch probe --send-test\". Nothing is to be done.\n",
		from, to, now.Format(time.RFC1123Z), now.UnixNano(), domainOf(from))
	return &smtp.Message{From: from, To: to, Body: []byte(body)}
}

func domainOf(address string) string {
	if _, domain, ok := strings.Cut(address, "@"); ok {
		return domain
	}
	return "localhost"
}

// partnersOf reads the arguments, or takes what is configured.
func partnersOf(cfg *config.Loaded, f probeFlags, args []string) ([]config.Partner, error) {
	if len(args) == 0 {
		partners := cfg.Partners
		for _, d := range cfg.OwnMX {
			partners = append(partners[:len(partners):len(partners)], config.Partner{Domain: d, Port: smtp.DefaultPort, Provider: "auto", Own: true})
		}
		if len(partners) == 0 {
			return nil, errors.New("nobody to probe: name a PARTNER or HOST[:PORT], or configure partners\n  hint: repwatch probe contoso.com")
		}
		return partners, nil
	}
	var partners []config.Partner
	for _, arg := range args {
		if p, ok := cfg.PartnerNamed(arg); ok {
			partners = append(partners, p)
			continue
		}
		p, err := partnerOf(arg, f)
		if err != nil {
			return nil, err
		}
		partners = append(partners, p)
	}
	return partners, nil
}

func partnerOf(arg string, f probeFlags) (config.Partner, error) {
	hop, err := smtp.ParseNextHop(arg)
	if err != nil {
		return config.Partner{}, fmt.Errorf("%q is no partner to probe: %w\n  hint: write a domain (contoso.com), HOST:PORT, [HOST] or an address", arg, err)
	}
	p := config.Partner{Provider: "auto", Port: smtp.DefaultPort}
	if f.submission {
		p.Port = 587
		hop.Direct = true // submission servers are named, not found by MX (RFC 6409)
	}
	if f.port != 0 {
		p.Port = config.Port(f.port)
	}
	if hop.Port != 0 {
		p.Port = config.Port(hop.Port)
	}
	if hop.Direct {
		p.Host = hop.Name
	} else {
		p.Domain = hop.Name
	}
	return p, nil
}

// fromAddress is the sending address named by --from.
func fromAddress(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return ip, fmt.Errorf("--from %q is no address: write the sending IP to probe from", text)
	}
	return ip.Unmap(), nil
}
