package realserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

func TestTablesAnswerOverTheWire(t *testing.T) {
	s := newTables(t)
	s.set("discard", "127.0.5.7", "starttls,size")
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	ask := func(request string) string {
		t.Helper()
		fmt.Fprintf(conn, "%d:%s,", len(request), request)
		reply, err := readNetstring(in)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	for request, want := range map[string]string{
		"discard 127.0.5.7": "OK starttls,size",
		"discard 127.0.5.8": "NOTFOUND ",
		"access 127.0.5.7":  "NOTFOUND ",
		"nonsense":          "NOTFOUND ",
	} {
		if got := ask(request); got != want {
			t.Errorf("%q = %q, want %q", request, got, want)
		}
	}
	s.set("discard", "127.0.5.7", "")
	if got := ask("discard 127.0.5.7"); got != "NOTFOUND " {
		t.Errorf("after removing: %q", got)
	}
	fmt.Fprint(conn, "999999999:")
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("an absurd length is answered: %v", err)
	}
}

func FuzzReadNetstring(f *testing.F) {
	for _, seed := range []string{"0:,", "5:hello,", "-1:,", "99999999999999999999:x", "3:ab", ":", "x:y,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := readNetstring(bufio.NewReader(strings.NewReader(in)))
		if err == nil && !strings.Contains(in, ":"+got) {
			t.Errorf("%q gives %q, which is not in it", in, got)
		}
	})
}
