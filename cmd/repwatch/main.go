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
	_ "time/tzdata" // schedule.timezone must work on hosts without zone files

	"repwatch/api"
	"repwatch/config"
)

func main() {
	os.Exit(mainWith(defaultConfig))
}

// mainWith is main with another place for the default configuration.
func mainWith(defaultFile string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	a := &app{stdin: os.Stdin, out: newTerm(os.Stdout), err: newTerm(os.Stderr), defaultFile: defaultFile}
	return a.run(ctx, os.Args[1:])
}

// run is the whole program: no globals, no os.Exit, so that tests embed it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, out: newTerm(stdout), err: newTerm(stderr), defaultFile: defaultConfig}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	var code exitCode
	var faults config.Problems
	switch {
	case a.out.failed != nil:
		a.err.printf("repwatch: cannot write the output: %v\n", a.out.failed)
		return api.ExitUsage
	case err == nil:
		return api.ExitOK
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, context.Canceled):
		a.err.printf("repwatch: interrupted\n")
		return interrupted
	case errors.As(err, &faults):
		a.err.printf("%v\nrepwatch: %s in the configuration; nothing was done\n", faults, plural(len(faults), "problem"))
		return api.ExitUsage
	default:
		a.err.printf("repwatch: %v\n", err)
		return api.ExitUsage
	}
}

// interrupted is what shells call a program that SIGINT ended.
const interrupted = 128 + int(syscall.SIGINT)

// exitCode ends a command that has said all it had to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func exitWith(code int) error {
	if code == api.ExitOK {
		return nil
	}
	return exitCode(code)
}
