package main

import (
	"context"
	"fmt"
	"regexp"
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
	from       config.IP
	control    bool
	transcript bool
	submission bool
	rcpt       string
	port       config.Port
	user, pass string
	sendTest   string
	timeout    config.Duration
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

Connections to one provider from one address are made one at a time, with a
pause.

With --submission a submission server (port 587, or 465) is read instead; --user
and --password try a login, --send-test sends a message to an address.`,
		Example: `  repwatch probe contoso.com --control
  repwatch probe mx.fabrikam.net:25 --from 203.0.113.7 --transcript
  repwatch probe smtp.example.com --submission --user me --password '${env:PW}'`,
		Args: cobra.ArbitraryArgs,
	}
	format := outputFlag(c, "table", "json", "nagios")
	c.Flags().Var(&scalarFlag{value: &f.from, kind: "IP"}, "from", "probe from this sending address only")
	c.Flags().BoolVar(&f.control, "control", false, "look from the control vantages too")
	c.Flags().BoolVar(&f.transcript, "transcript", false, "show the whole conversation")
	c.Flags().BoolVar(&f.submission, "submission", false, "read a submission server (587; 465 with TLS from the start)")
	c.Flags().StringVar(&f.rcpt, "rcpt", "", "also ask RCPT TO for this `ADDRESS`, whose owner consents; nothing is sent")
	c.Flags().Var(&scalarFlag{value: &f.port, kind: "port"}, "port", "port, where the argument names none (default 25, or 587 with --submission)")
	c.Flags().StringVar(&f.user, "user", "", "with --submission: log in as this `USER`")
	c.Flags().StringVar(&f.pass, "password", "", "the user's password: `SECRET` is ${file:PATH}, ${env:NAME} or ${credential:NAME}")
	c.Flags().StringVar(&f.sendTest, "send-test", "", "with --user: send a test message to this `ADDRESS`")
	c.Flags().Var(&scalarFlag{value: &f.timeout, kind: "duration"}, "timeout", "whole time for one address (default 5m; a slow greeting takes up to 1m)")
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
		prober:    &smtp.Prober{Timeouts: smtp.Timeouts{Total: f.timeout.D()}, Roots: a.roots},
		explainer: replies.Explainer{ListByZone: cfg.Catalogue.IDByZone},
	}
	bar := a.err.progress("probing", len(partners))
	defer bar.finish()
	results, err := s.run(ctx, partners, bar.update)
	if err != nil {
		return api.Probe{}, err
	}
	bar.finish()
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
		return ask, misused("add --submission", "--user belongs to --submission: mail exchangers on port 25 take no login")
	case (f.user == "") != (f.pass == ""):
		return ask, misused("name both, or neither", "--user and --password belong together")
	case f.sendTest != "" && f.user == "":
		return ask, misused("add them", "--send-test needs --user and --password")
	}
	for _, to := range []struct{ flag, address string }{{"rcpt", f.rcpt}, {"send-test", f.sendTest}} {
		if to.address != "" && !mailAddress.MatchString(to.address) {
			return ask, misused("a bare address such as postmaster@example.com", "--%s: %q is no mail address", to.flag, to.address)
		}
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

var mailAddress = regexp.MustCompile(`^[!-~]+@[!-~]+$`)

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
	if len(args) == 0 && f.submission {
		return nil, misused("repwatch probe --submission smtp.example.com:587", "--submission needs a server to read")
	}
	if len(args) == 0 {
		partners := cfg.Partners
		for _, d := range cfg.OwnMX {
			partners = append(partners[:len(partners):len(partners)], config.Partner{Domain: d, Port: smtp.DefaultPort, Provider: "auto", Own: true})
		}
		if len(partners) == 0 {
			return nil, misused("repwatch probe contoso.com", "nobody to probe: name a PARTNER or HOST[:PORT], or configure partners")
		}
		return partners, nil
	}
	var partners []config.Partner
	for _, arg := range args {
		if p, ok := cfg.PartnerNamed(arg); ok && !f.submission {
			if f.port != 0 {
				p.Port = f.port
			}
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
		p.Port = f.port
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
