package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"repwatch/resolve"
	"repwatch/setup"
)

// initFlags are the flags of `repwatch init`.
type initFlags struct {
	output      string
	spf         string
	partners    string
	fromPostfix bool
}

func (a *app) initCmd() *cobra.Command {
	var f initFlags
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a first configuration from what this host shows",
		Long: `Write a commented configuration from what this host shows: the public addresses
of its interfaces with their EHLO names, and its resolver. All other keys stand
there as comments, with their defaults.

--from-spf adds the addresses that a domain's SPF record names itself: ip4, ip6,
a and mx. What it includes from others is not followed; comments say what was
left out and why. --from-postfix reads how Postfix sends: addresses it binds to,
its EHLO name, and the partners in transport_maps and smtp_tls_policy_maps.
--partners reads domains, mail addresses or next hops, one a line.

DNS is asked through the host's resolver; with -c FILE through dns.resolvers of
that file. Nothing is sent to partners or lists. A file that exists is not
overwritten.`,
		Example: `  repwatch init
  repwatch init -o /etc/repwatch/repwatch.yaml --from-spf example.com
  repwatch init --from-postfix --partners partners.txt -o repwatch.yaml`,
		Args: noArgs,
	}
	c.Flags().StringVarP(&f.output, "output", "o", "-", "write to `FILE`; - is standard output")
	c.Flags().StringVar(&f.spf, "from-spf", "", "take the sending addresses of this `DOMAIN`'s SPF record too")
	c.Flags().StringVar(&f.partners, "partners", "", "take partners from `FILE`, one a line; - is standard input")
	c.Flags().BoolVar(&f.fromPostfix, "from-postfix", false, "take what Postfix on this host is configured to do")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := absent(f.output); err != nil { // before any question is asked
			return err
		}
		draft, err := a.draft(cmd.Context(), f)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := draft.Write(&text); err != nil {
			return err
		}
		for _, w := range draft.Warnings() {
			a.err.warn("%s", w)
		}
		if f.output == "-" {
			_, err = a.out.Write(text.Bytes())
			return err
		}
		if err := create(f.output, text.Bytes()); err != nil {
			return err
		}
		a.err.printf("%s written\n  next: read it through, then repwatch doctor -c %s\n", f.output, f.output)
		return nil
	}
	return c
}

// draft gathers what the flags ask for.
func (a *app) draft(ctx context.Context, f initFlags) (setup.Draft, error) {
	var d setup.Draft
	var err error
	if f.partners != "" {
		if d.Partners, d.Again, err = a.partnersFrom(ctx, f.partners); err != nil {
			return d, err
		}
	}
	if d.Host, err = setup.LookAround(ctx); err != nil {
		return d, fmt.Errorf("this host cannot be looked at: %w", err)
	}
	if f.fromPostfix {
		p, err := setup.PostfixHere(ctx, d.Host.Name)
		if err != nil {
			return d, err
		}
		d.Postfix = &p
	}
	client, err := a.initResolver(&d.Host)
	if err != nil {
		return d, err
	}
	defer client.Close()
	if f.spf != "" {
		spf, err := setup.ReadSPF(ctx, client, f.spf)
		if err != nil {
			return d, err
		}
		d.SPF = &spf
	}
	d.Host.Names = setup.NamesOf(ctx, client, d.Local())
	return d, ctx.Err()
}

// initResolver asks the servers of -c, which then are written down too, or those found on this host.
func (a *app) initResolver(h *setup.Host) (*resolve.Client, error) {
	if a.file != "" {
		cfg, err := a.load()
		if err != nil {
			return nil, err
		}
		for _, s := range cfg.DNS.Resolvers {
			h.Resolvers.Named = append(h.Resolvers.Named, s.AddrPort)
		}
		client, err := a.resolver(cfg)
		if err != nil {
			return nil, err
		}
		return client.Client, nil
	}
	servers, _ := h.Resolvers.Choose()
	if len(servers) == 0 {
		servers = h.Resolvers.System
	}
	return resolve.New(resolve.Options{Servers: servers})
}

func (a *app) partnersFrom(ctx context.Context, file string) ([]setup.Partner, int, error) {
	if file == "-" {
		return setup.ReadPartners("standard input", a.input(ctx))
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, fmt.Errorf("--partners: %w", err)
	}
	defer f.Close()
	return setup.ReadPartners(file, f)
}

func absent(file string) error {
	if file == "-" {
		return nil
	}
	switch _, err := os.Lstat(file); {
	case err == nil:
		return misused("name another file with -o, or move that one away", "%s exists already and is not overwritten", file)
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(file)); err != nil {
			return misused("mkdir -p "+filepath.Dir(file), "%s cannot be written: %v", file, err)
		}
		return nil
	default:
		return err
	}
}

// create makes the file; one that came into being meanwhile stays. It holds no secret
// and the service's own user must read it.
func create(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return absent(file)
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, bytes.NewReader(text)); err != nil {
		_ = f.Close() // the first error counts
		return err
	}
	return f.Close()
}
