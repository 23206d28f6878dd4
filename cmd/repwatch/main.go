// Old Exchange servers still sign their key exchange with SHA-1 (TLS 1.2). Real
// senders take it, so a probe that calls such a server broken would be wrong.
//
//go:debug tlssha1=1

// Command repwatch tells the people who run outbound mail why their mail is
// stuck, before their users do. See README.md and docs/design.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"repwatch/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program: no globals, no os.Exit, so that tests embed it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, out: newTerm(stdout), err: newTerm(stderr)}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
		return api.ExitOK
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "repwatch: interrupted")
		return 130
	default:
		fmt.Fprintf(stderr, "repwatch: %v\n", err)
		return api.ExitUsage
	}
}

// exitCode ends a command that has said all it had to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func exitWith(code int) error {
	if code == api.ExitOK {
		return nil
	}
	return exitCode(code)
}
