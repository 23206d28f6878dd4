package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/config"
	"repwatch/internal/lab"
	"repwatch/replies"
)

func (a *app) demo() *cobra.Command {
	var fast bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: two real cases, no network needed",
		Long: `Play two cases from the field on a small internet inside this process: lists, a
resolver, partners' mail servers and a control vantage on loopback. What looks
at them is the real thing. No network and no configuration are needed.

  1. An address gets onto an exploit list, and a partner withdraws STARTTLS from
     it; after delisting it comes back.
  2. Only we cannot see STARTTLS; no list knows why.`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&fast, "fast", false, "without pauses for reading")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		world, err := lab.NewInternet(netip.MustParseAddr("203.0.113.7"))
		if err != nil {
			return fmt.Errorf("the small internet cannot be started: %w", err)
		}
		defer world.Close()
		d := &demo{app: a, world: world, pause: 3 * time.Second}
		if fast || !a.out.tty {
			d.pause = 0
		}
		return d.play(cmd.Context())
	}
	return c
}

// demo plays the stories. Every finding printed comes from the same code that the commands run.
type demo struct {
	*app
	world *lab.Internet
	cfg   *config.Loaded
	pause time.Duration
	ctx   context.Context
}

func (d *demo) play(ctx context.Context) error {
	d.ctx = ctx
	if err := d.configure(); err != nil {
		return err
	}
	d.roots = d.world.Roots
	d.say("A small internet is up: three lists, a resolver, the mail servers of contoso.example and\n" +
		"fabrikam.example, and an office elsewhere with a clean address as control. We send from 203.0.113.7.")
	for _, act := range []func() error{d.before, d.listed, d.delisted, d.private} {
		if err := act(); err != nil {
			return err
		}
	}
	d.say("That was it. Now yours:\n" +
		"  repwatch check YOUR.IP.ADD.RESS        which lists name it\n" +
		"  repwatch probe A-PARTNER.COM           what they offer you\n" +
		"  repwatch explain 'A LINE OF YOUR LOG'  what it means\n" +
		"README.md has the five minutes to a real set-up.")
	return nil
}

// configure writes a configuration as a user would and reads it back.
func (d *demo) configure() error {
	dir, err := os.MkdirTemp("", "repwatch-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w := d.world
	const points = "test: {listed: [127.0.0.2], clean: [127.0.0.1]}"
	text := fmt.Sprintf(`
sending_ips: [{ip: %s, name: mx1.sender.example, bind: 127.0.0.1}]
partners:
  - {domain: %s, port: %d, require: [STARTTLS], provider: exchange-online}
  - {domain: %s, port: %d, require: [STARTTLS], provider: cisco}
control: [{name: office, socks5: "%s", ehlo: office.sender.example}]
dns: {resolvers: ["%s"]}
blocklists:
  use: [xbl, traps, expired]
  add:
    - {id: xbl, zone: xbl.lists.example, codes: {127.0.0.4: exploited host}, impact: critical, %s,
       delist: {url: "https://lists.example/remove/{ip}"}}
    - {id: traps, zone: traps.lists.example, %[8]s}
    - {id: expired, zone: expired.lists.example, %[8]s}
`, w.Sender, w.Contoso.Domain, w.Contoso.Port, w.Fabrikam.Domain, w.Fabrikam.Port, w.SOCKS.Addr(), w.DNS.Addr(), points)
	file := filepath.Join(dir, "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	d.cfg, err = config.Load(file, nil)
	return err
}

func (d *demo) before() error {
	d.act("Before: all is well, but one of the lists lies",
		"The domain of the list \"expired\" has lapsed and lists the world now. Tools that believe any answer cry wolf here.")
	if err := d.checkLists(); err != nil {
		return err
	}
	return d.probePartners(d.world.Contoso.Domain)
}

func (d *demo) listed() error {
	d.world.XBL.ListTXT(d.world.Sender.String(), "Pushdo bot seen at 02:51 UTC", "127.0.0.4")
	if err := d.world.Contoso.Withdraw("STARTTLS", "DSN"); err != nil {
		return err
	}
	d.act("03:12: the queue to contoso.example grows",
		"It says: 451 5.7.3 Must issue a STARTTLS command first. As if our server had forgotten it.")
	d.printExplain(api.ExplainOf(replies.Explainer{ListByZone: d.cfg.Catalogue.IDByZone}.Explain("451 5.7.3 Must issue a STARTTLS command first.")))
	d.rest()
	if err := d.probePartners(d.world.Contoso.Domain); err != nil {
		return err
	}
	return d.checkLists()
}

func (d *demo) delisted() error {
	d.world.XBL.Delist(d.world.Sender.String())
	if err := d.world.Contoso.Restore(); err != nil {
		return err
	}
	d.act("04:03: the host is cleaned and delisted", "STARTTLS is back; the queue can be flushed.")
	if err := d.checkLists(); err != nil {
		return err
	}
	return d.probePartners(d.world.Contoso.Domain)
}

func (d *demo) private() error {
	if err := d.world.Fabrikam.Withdraw("STARTTLS"); err != nil {
		return err
	}
	d.act("The other kind: only we cannot see STARTTLS, and no list knows why",
		"fabrikam.example's gateway keeps a score of its own. Without a second look from a clean address this reads as their change.")
	if err := d.checkLists(); err != nil {
		return err
	}
	return d.probePartners(d.world.Fabrikam.Domain)
}

func (d *demo) checkLists() error {
	d.command("repwatch check 203.0.113.7")
	doc, err := d.runCheck(d.ctx, d.cfg, d.cfg.Lists, d.cfg.Points(), false)
	if err != nil {
		return err
	}
	d.printCheck(doc, false)
	d.rest()
	return nil
}

func (d *demo) probePartners(domain string) error {
	d.command("repwatch probe " + domain + " --control")
	doc, err := d.runProbe(d.ctx, d.cfg, probeFlags{control: true}, []string{domain})
	if err != nil {
		return err
	}
	d.printProbe(doc, false)
	d.rest()
	return nil
}

func (d *demo) act(title, words string) {
	d.out.printf("\n%s\n", d.out.paint(bold, "== "+title+" "+strings.Repeat("=", max(0, 76-len(title)))))
	d.out.hang("", words)
}

func (d *demo) say(words string) { d.out.printf("\n%s\n", words) }

func (d *demo) command(line string) {
	d.out.printf("\n%s %s\n", d.out.paint(faint, "$"), d.out.paint(bold, line))
}

// rest gives people time to read.
func (d *demo) rest() {
	select {
	case <-d.ctx.Done():
	case <-time.After(d.pause):
	}
}
