package main

import (
	"context"
	"io"
)

// input is standard input that stops when ctx does: a read that waits for a
// person cannot be interrupted otherwise.
func (a *app) input(ctx context.Context) io.Reader { return &input{ctx: ctx, from: a.stdin} }

type input struct {
	ctx  context.Context
	from io.Reader
}

type reading struct {
	data []byte
	err  error
}

// Read reads in a goroutine of its own. After an interruption that one stays
// behind in the system call, and ends with the program.
func (in *input) Read(p []byte) (int, error) {
	done := make(chan reading, 1)
	size := len(p)
	go func() {
		b := make([]byte, size) // not p: the caller may be gone
		n, err := in.from.Read(b)
		done <- reading{b[:n], err}
	}()
	select {
	case <-in.ctx.Done():
		return 0, in.ctx.Err()
	case r := <-done:
		return copy(p, r.data), r.err
	}
}
