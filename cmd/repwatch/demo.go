package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/internal/lab"
	"repwatch/notify"
	"repwatch/replies"
	"repwatch/store"
	"repwatch/watch"
	"repwatch/web"
)

func (a *app) demo() *cobra.Command {
	var fast, stay bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: two real cases, no network needed",
		Long: `Run the real daemon against a small internet inside this process: lists, a
resolver, partners' mail servers and a control vantage on loopback. Two cases
from the field are played, and alerts are printed as they come. No network and
no configuration are needed, and nothing stays behind.

  1. An address gets onto an exploit list, and a partner withdraws STARTTLS from
     it; after delisting it comes back.
  2. Only we cannot see STARTTLS; no list knows why.

With --stay the daemon goes on afterwards, and its page with it: the address is
printed at the start, so that the page can be seen following the stories.`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&fast, "fast", false, "without pauses for reading")
	c.Flags().BoolVar(&stay, "stay", false, "go on until Ctrl-C, with the page in the browser")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		world, err := lab.NewInternet(netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8"))
		if err != nil {
			return fmt.Errorf("the small internet cannot be started: %w", err)
		}
		defer world.Close()
		d := &demo{app: a, world: world, pause: 3 * time.Second, stay: stay, told: make(chan incident.Alert, 64)}
		if fast || !a.out.tty {
			d.pause = 0
		}
		return d.run(cmd.Context())
	}
	return c
}

// demo plays the stories to the real daemon, and is one of its notifiers. What it
// prints as found comes from the daemon alone; its own words tell only what was done to the world.
type demo struct {
	*app
	world *lab.Internet
	cfg   *config.Loaded
	db    *store.DB
	pause time.Duration
	stay  bool
	page  net.Listener // nil: nobody would have the time to look
	told  chan incident.Alert

	printing sync.Mutex
}

// demoPatience is how long the demo waits for what the daemon must notice within a second or two.
const demoPatience = 15 * time.Second

func (d *demo) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "repwatch-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if d.stay || d.pause > 0 {
		if d.page, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		defer d.page.Close()
	}
	if err := d.configure(dir); err != nil {
		return err
	}
	if d.db, err = store.Open(filepath.Join(dir, "repwatch.db"), store.Options{}); err != nil {
		return err
	}
	defer d.db.Close()
	daemon, err := watch.New(watch.Options{DB: d.db, Config: d.cfg, Log: slog.New(slog.DiscardHandler), Version: buildVersion().Version,
		Roots: d.world.Roots, Extra: []notify.Notifier{d}})
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- daemon.Run(watching) }()
	var sides sync.WaitGroup
	if d.page != nil {
		sides.Go(func() {
			servePageOn(watching, d.page, web.Options{DB: d.db, Config: daemon.Config, Daemon: daemon}, slog.New(slog.DiscardHandler))
		})
	}
	if err = d.play(ctx); err == nil {
		d.farewell()
		if d.stay {
			d.say("The daemon goes on, and its page at " + d.pageURL() + " with it, until you press Ctrl-C.")
			d.listen(ctx)
		}
	}
	stop()
	sides.Wait()
	if ended := <-done; err == nil {
		err = ended
	}
	return err
}

func (d *demo) pageURL() string { return "http://" + d.page.Addr().String() + "/" }

// listen takes alerts until the user has seen enough.
func (d *demo) listen(ctx context.Context) {
	for {
		select {
		case <-d.told:
		case <-ctx.Done():
			return
		}
	}
}

func (d *demo) play(ctx context.Context) error {
	d.say("A small internet is up: three lists, a resolver, the mail servers of contoso.example,\n" +
		"fabrikam.example and tailspin.example, and an office elsewhere with a clean address as control.\n" +
		"We send from 203.0.113.7 and 203.0.113.8. " +
		"The daemon looks every second here; in real life every 15 minutes at lists, every hour at partners.")
	if d.page != nil {
		d.say("Its page follows along at " + d.pageURL() + " (sign in with the token \"demo\" to try the buttons).")
	}
	for _, act := range []func(context.Context) error{d.before, d.listed, d.delisted, d.private} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// configure writes a configuration as a user would and reads it back.
func (d *demo) configure(dir string) error {
	w, page := d.world, ""
	if d.page != nil {
		page = d.page.Addr().String()
	}
	const points = "test: {listed: [127.0.0.2], clean: [127.0.0.1]}"
	text := fmt.Sprintf(`
sending_ips:
  - {ip: %[1]s, name: mx1.sender.example, bind: 127.0.0.1}
  - {ip: %[9]s, name: mx2.sender.example, bind: 127.0.0.1}
partners:
  - {domain: %[2]s, port: %[3]d, require: [STARTTLS], provider: exchange-online, from: [%[1]s]}
  - {domain: %[4]s, port: %[5]d, require: [STARTTLS], provider: cisco, from: [%[9]s]}
  - {domain: %[11]s, port: %[12]d, require: [STARTTLS], from: [%[9]s]}
control: [{name: office, socks5: "%[6]s", ehlo: office.sender.example}]
dns: {resolvers: ["%[7]s"]}
schedule: {blocklists: "@every 1s", partners: "@every 1s", confirm_after: 200ms, jitter: 0%%}
notify: {group_wait: 300ms}
web: {listen: %[10]q, token: demo}
blocklists:
  use: [xbl, traps, expired]
  add:
    - {id: xbl, zone: xbl.lists.example, codes: {127.0.0.4: exploited host}, impact: critical, %[8]s,
       delist: {how: self-service, url: "https://lists.example/remove/{ip}"}}
    - {id: traps, zone: traps.lists.example, %[8]s}
    - {id: expired, zone: expired.lists.example, %[8]s}
`, w.Sender, w.Contoso.Domain, w.Contoso.Port, w.Fabrikam.Domain, w.Fabrikam.Port, w.SOCKS.Addr(), w.DNS.Addr(), points, w.Other, page, w.Tailspin.Domain, w.Tailspin.Port)
	file := filepath.Join(dir, "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	var err error
	d.cfg, err = config.Load(file, nil)
	return err
}

func (d *demo) before(ctx context.Context) error {
	d.act("Before: all is well, but one of the lists lies",
		"The domain of the list \"expired\" has lapsed, and it lists the whole world now. Tools that believe any answer cry wolf here. The daemon asks each list its own test points first.")
	if err := d.until(ctx, "the first looks", d.settled); err != nil {
		return err
	}
	return d.sight(ctx)
}

// settled: every pair has its baseline, and every list has been asked.
func (d *demo) settled(tx *store.Tx) bool {
	good := 0
	for _, w := range tx.Wire().All() {
		if w.Standing == smtp.StandingGood {
			good++
		}
	}
	return good == 6 && tx.Lists().Len() == len(d.cfg.Lists)
}

// sight prints what the daemon knows of lists and partners.
func (d *demo) sight(ctx context.Context) error {
	return d.db.View(func(tx *store.Tx) error {
		for id, l := range tx.Lists().All() {
			label := d.out.paint(green, "believed ")
			if l.Health != "ok" {
				label = d.out.paint(yellow, l.Health+" ")
			}
			d.line(label, strings.TrimSuffix(id+": "+l.Why, ": "))
		}
		for s, w := range tx.Wire().All() {
			d.line(d.out.paint(green, string(w.Standing)+" "), fmt.Sprintf("%s offers %s: %s", s.Target, s.Who(), strings.Join(w.Offers, ", ")))
		}
		return tx.Err()
	})
}

func (d *demo) listed(ctx context.Context) error {
	d.act("First case: an infected host sends by our address, and XBL lists it", "Nobody has complained yet.")
	d.world.XBL.ListTXT(d.world.Sender.String(), "Pushdo bot seen at 02:51 UTC", "127.0.0.4")
	if err := d.hear(ctx, incident.AlertOpened, "xbl"); err != nil {
		return err
	}
	d.act("contoso.example reacts: it hides STARTTLS and DSN from us",
		"The queue now says: 451 5.7.3 Must issue a STARTTLS command first. As if our server had forgotten it.")
	d.printExplain(api.ExplainOf(replies.Explainer{ListByZone: d.cfg.Catalogue.IDByZone}.Explain("451 5.7.3 Must issue a STARTTLS command first.")))
	if err := d.world.Contoso.Withdraw("STARTTLS", "DSN"); err != nil {
		return err
	}
	return d.hear(ctx, incident.AlertNews, "contoso.example")
}

func (d *demo) delisted(ctx context.Context) error {
	d.act("The host is cleaned and delisted", "The daemon looks at once at what was lost, again and again, to say when the queue can be flushed.")
	d.world.XBL.Delist(d.world.Sender.String())
	if err := d.hear(ctx, incident.AlertNews, "no longer on xbl"); err != nil {
		return err
	}
	if err := d.world.Contoso.Restore(); err != nil {
		return err
	}
	return d.hear(ctx, incident.AlertResolved, "back")
}

func (d *demo) private(ctx context.Context) error {
	d.act("Second case: only we cannot see STARTTLS, and no list knows why",
		"fabrikam.example's gateway keeps a score of its own. Without a second look from a clean address this reads as their change for everyone.")
	if err := d.world.Fabrikam.Withdraw("STARTTLS"); err != nil {
		return err
	}
	return d.hear(ctx, incident.AlertOpened, "fabrikam.example")
}

// farewell is what the daemon remembers, as `repwatch incidents` shows it, and what to try next.
func (d *demo) farewell() {
	d.act("What is remembered", "As repwatch incidents shows it:")
	err := d.db.View(func(tx *store.Tx) error {
		now := time.Now().UTC()
		doc, err := api.IncidentsOf(tx, now, api.IncidentFilter{Since: now.Add(-api.Recently)})
		if err != nil {
			return err
		}
		view{d.out, now, d.cfg.Schedule.Timezone.Loc()}.incidents(doc, false)
		return nil
	})
	if err != nil {
		d.err.warn("the incidents cannot be shown: %v", err)
	}
	d.say("That was it. Now yours:\n" +
		"  repwatch check YOUR.IP.ADD.RESS        which lists name it\n" +
		"  repwatch probe A-PARTNER.COM           what they offer you\n" +
		"  repwatch explain 'A LINE OF YOUR LOG'  what it means\n" +
		"  repwatch init -o repwatch.yaml         a first configuration; then: repwatch run -c repwatch.yaml\n" +
		"README.md has the five minutes to a real set-up.")
}

// Name implements notify.Notifier.
func (d *demo) Name() string { return "demo" }

// Send implements notify.Notifier: it prints what people would be sent.
func (d *demo) Send(_ context.Context, s notify.Sending) (notify.Receipt, error) {
	d.printing.Lock()
	d.printAlert(s.Alert)
	d.printing.Unlock()
	d.told <- s.Alert
	return notify.Receipt{}, nil
}

func (d *demo) printAlert(a incident.Alert) {
	tone := map[incident.Tone]style{incident.ToneBad: red, incident.ToneWarn: yellow, incident.ToneGood: green, incident.ToneInfo: faint}[a.Message.Tone]
	switch a.Kind {
	case incident.AlertEdit:
		return
	case incident.AlertOpened, incident.AlertNotice:
		d.out.printf("\n%s\n", d.out.paint(tone, "  ┌ alert #"+a.Incident))
		d.boxed(tone, notify.Text(a.Message, "", d.out.width-6))
	case incident.AlertResolved:
		d.out.printf("\n%s\n", d.out.paint(tone, "  ┌ the end of #"+a.Incident))
		d.boxed(tone, notify.Text(incident.Message{Title: a.Message.Title}, a.News, d.out.width-6))
	default:
		d.out.printf("\n%s\n", d.out.paint(tone, "  ┌ news of #"+a.Incident))
		d.boxed(tone, notify.Text(incident.Message{Title: a.Message.Title}, a.News, d.out.width-6))
	}
}

func (d *demo) boxed(tone style, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		d.out.printf("%s\n", strings.TrimRight(d.out.paint(tone, "  │ ")+line, " "))
	}
}

// hear waits for an alert of a kind that says something, and gives people time to read it.
func (d *demo) hear(ctx context.Context, kind incident.AlertKind, says string) error {
	timeout := time.After(demoPatience)
	for {
		select {
		case a := <-d.told:
			if a.Kind == kind && strings.Contains(a.Message.Title+a.News, says) {
				return d.rest(ctx)
			}
		case <-timeout:
			return fmt.Errorf("the daemon sent no alert (%s) within %s; this machine is too slow, or something is broken", kind, demoPatience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// until waits for something to be known.
func (d *demo) until(ctx context.Context, what string, known func(*store.Tx) bool) error {
	timeout := time.After(demoPatience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok := false
		if err := d.db.View(func(tx *store.Tx) error { ok = known(tx); return tx.Err() }); err != nil {
			return err
		}
		if ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-timeout:
			return fmt.Errorf("%s did not come to an end within %s; this machine is too slow, or something is broken", what, demoPatience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *demo) act(title, words string) {
	d.printing.Lock()
	defer d.printing.Unlock()
	d.out.printf("\n%s\n", d.out.paint(bold, "== "+title+" "+strings.Repeat("=", max(0, 76-len(title)))))
	d.out.hang("", words)
}

func (d *demo) line(label, text string) {
	d.printing.Lock()
	defer d.printing.Unlock()
	d.out.hang("  "+label, text)
}

func (d *demo) say(words string) {
	d.printing.Lock()
	defer d.printing.Unlock()
	d.out.printf("\n%s\n", words)
}

// rest gives people time to read.
func (d *demo) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d.pause):
		return nil
	}
}
