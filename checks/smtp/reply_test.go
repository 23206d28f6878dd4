package smtp

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"repwatch/reputation"
)

func readAll(b []byte) (Reply, faultList, error) {
	r := &replyReader{src: bytes.NewReader(b)}
	return r.reply()
}

func kinds(faults []Fault) []string {
	var out []string
	for _, f := range faults {
		out = append(out, f.Fault)
	}
	return out
}

func TestReply(t *testing.T) {
	long := strings.Repeat("x", 506)
	for _, c := range []struct {
		name, wire string
		code       int
		enhanced   string
		lines      []string
		faults     []string
		err        error
	}{
		{"one line", "250 ok\r\n", 250, "", []string{"ok"}, nil, nil},
		{"several lines", "250-a\r\n250-b\r\n250 c\r\n", 250, "", []string{"a", "b", "c"}, nil, nil},
		{"code alone is legal", "250\r\n", 250, "", []string{""}, nil, nil},
		{"code and space", "250 \r\n", 250, "", []string{""}, nil, nil},
		{"missing space ends the reply", "250ok\r\n", 250, "", []string{"ok"}, []string{FaultMissingSpace}, nil},
		{"bare LF in the middle", "250-a\n250 b\r\n", 250, "", []string{"a", "b"}, []string{FaultBareLF}, nil},
		{"bare LF at the end", "250-a\r\n250 b\n", 250, "", []string{"a", "b"}, []string{FaultBareLF}, nil},
		{"bare CR as text", "250 a\rb\r\n", 250, "", []string{"a\rb"}, []string{FaultBareCR}, nil},
		{"bare CR as line end", "250-a\r250-STARTTLS\r250 b\r\n", 250, "", []string{"a", "STARTTLS", "b"}, []string{FaultBareCR, FaultBareCR}, nil},
		{"bare CR before another code", "250-a\r550 b\r\n250 c\r\n", 250, "", []string{"a\r550 b", "c"}, []string{FaultBareCR}, nil},
		{"CR CR LF", "250 a\r\r\n", 250, "", []string{"a"}, []string{FaultBareCR}, nil},
		{"512 octets are legal", "250 " + long + "\r\n", 250, "", []string{long}, nil, nil},
		{"513 are not", "250 " + long + "x\r\n", 250, "", []string{long + "x"}, []string{FaultLongLine}, nil},
		{"mixed codes: the last decides", "250-a\r\n550 no\r\n", 550, "", []string{"a", "no"}, []string{FaultMixedCodes}, nil},
		{"odd code", "571 5.7.1 no\r\n", 571, "5.7.1", []string{"5.7.1 no"}, []string{FaultOddCode}, nil},
		{"noise before the reply", "hello\r\n220 hi\r\n", 220, "", []string{"hi"}, []string{FaultNonReply}, nil},
		{"noise inside", "250-a\r\n b\r\n250 c\r\n", 250, "", []string{"a", "c"}, []string{FaultNonReply}, nil},
		{"empty line", "\r\n250 a\r\n", 250, "", []string{"a"}, []string{FaultNonReply}, nil},
		{"four digits are no code", "2500 a\r\n250 b\r\n", 250, "", []string{"b"}, []string{FaultNonReply}, nil},
		{"six is no class", "650 a\r\n250 b\r\n", 250, "", []string{"b"}, []string{FaultNonReply}, nil},
		{"NUL", "250 a\x00b\r\n", 250, "", []string{"a\x00b"}, []string{FaultNUL}, nil},
		{"8 bit", "250 gr\xfc\xdf\r\n", 250, "", []string{"gr\xfc\xdf"}, []string{Fault8Bit}, nil},
		{"control", "250 a\x1b[1m\r\n", 250, "", []string{"a\x1b[1m"}, []string{FaultControl}, nil},
		{"tab is legal", "250 a\tb\r\n", 250, "", []string{"a\tb"}, nil, nil},
		{"enhanced code", "550-5.7.606 a\r\n550 5.7.1 b\r\n", 550, "5.7.606", []string{"5.7.606 a", "5.7.1 b"}, nil, nil},
		{"enhanced code of another class", "421 5.7.1 a\r\n", 421, "5.7.1", []string{"5.7.1 a"}, []string{FaultEnhancedClass}, nil},
		{"an address is no enhanced code", "250 5.6.7.8 hi\r\n", 250, "", []string{"5.6.7.8 hi"}, nil, nil},
		{"nothing", "", 0, "", nil, nil, io.EOF},
		{"cut between lines", "250-a\r\n", 250, "", []string{"a"}, nil, io.EOF},
		{"cut before the line end of a 2xx", "250-a\r\n250 STAR", 250, "", []string{"a"}, nil, io.EOF},
		{"cut between CR and LF", "250 a\r", 0, "", nil, nil, io.EOF},
		{"cut before the line end of a refusal", "554 5.7.1 go away", 554, "5.7.1", []string{"5.7.1 go away"}, []string{FaultNoLineEnd}, nil},
		{"cut inside a refusal of several lines", "554-5.7.1 go aw", 0, "", nil, nil, io.EOF},
		{"bare CR is no end", "220 a\r250 b\r", 0, "", nil, []string{FaultBareCR}, io.EOF},
		{"line without end", strings.Repeat("x", maxLine+1), 0, "", nil, nil, errEndlessLine},
		{"line too long", "250 " + strings.Repeat("x", maxLine-5) + "\r\n", 0, "", nil, nil, errEndlessLine},
		{"line just short enough", "250 " + strings.Repeat("x", maxLine-6) + "\r\n", 250, "", []string{strings.Repeat("x", maxLine-6)}, []string{FaultLongLine}, nil},
		{"reply without end", strings.Repeat("250-x\r\n", maxReply/7+1), 250, "", nil, nil, errEndlessReply},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep, faults, err := readAll([]byte(c.wire))
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.faults, kinds(faults)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if err == errEndlessReply {
				if len(rep.Raw) > maxReply+maxLine {
					t.Errorf("kept %d bytes", len(rep.Raw))
				}
				return
			}
			if rep.Code != c.code || rep.Enhanced != c.enhanced {
				t.Errorf("code %d %q, want %d %q", rep.Code, rep.Enhanced, c.code, c.enhanced)
			}
			if diff := cmp.Diff(c.lines, rep.Lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if err == nil && c.faults == nil && string(rep.Raw) != c.wire {
				t.Errorf("raw %q, want %q", rep.Raw, c.wire)
			}
		})
	}
}

// A reply ends where it ends, however the stream is cut into reads, and what follows is left alone.
func TestReplyLeavesTheRest(t *testing.T) {
	r := &replyReader{src: iotest.OneByteReader(strings.NewReader("250-a\r\n250 b\r\n220 c\r\nrest"))}
	for _, want := range []int{250, 220} {
		rep, faults, err := r.reply()
		if err != nil || rep.Code != want || len(faults) > 0 {
			t.Fatalf("got %d, %v, %v, want %d", rep.Code, faults, err, want)
		}
	}
	r = &replyReader{src: strings.NewReader("220 go\r\n250 injected\r\n")}
	if _, _, err := r.reply(); err != nil {
		t.Fatal(err)
	}
	if got := string(r.early()); got != "250 injected\r\n" {
		t.Errorf("early bytes %q", got)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	_, faults, _ := readAll([]byte(strings.Repeat("250-x\n", 5000) + "250 x\n"))
	if len(faults) != maxFaultsAlike {
		t.Errorf("%d faults from 5001 bare LFs, want %d", len(faults), maxFaultsAlike)
	}
	var l faultList
	for _, kind := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		for range 10 {
			l.add(kind, "", bytes.Repeat([]byte("x"), 1000))
		}
	}
	if len(l) != maxFaultsInAll || len(l[0].Bytes) != maxFaultBytes {
		t.Errorf("%d faults of %d bytes", len(l), len(l[0].Bytes))
	}
}

func TestEveryFaultHasWords(t *testing.T) {
	for kind, words := range faultWords {
		if words == "" || strings.HasSuffix(words, ".") {
			t.Errorf("%s: %q", kind, words)
		}
	}
}

func TestFixtures(t *testing.T) {
	eop := Capabilities{
		"SIZE": "157286400", "PIPELINING": "", "DSN": "", "ENHANCEDSTATUSCODES": "", "STARTTLS": "",
		"AUTH": "", "8BITMIME": "", "BINARYMIME": "", "CHUNKING": "",
	}
	listed := Capabilities{}
	for k, v := range eop {
		if k != "STARTTLS" {
			listed[k] = v
		}
	}
	want := map[string]struct {
		caps    Capabilities
		faults  []string
		outcome reputation.Outcome
		seen    string
	}{
		"eop-clean.ehlo":          {eop, nil, reputation.Advertised, "203.0.113.7"},
		"eop-listed.ehlo":         {listed, nil, reputation.Absent, "203.0.113.7"},
		"ironport-low-score.ehlo": {Capabilities{"SIZE": "20971520"}, []string{FaultKeywordFirstLine}, reputation.Absent, "invalid IP"},
		"middlebox-masked.ehlo":   {Capabilities{"SIZE": "20480000", "8BITMIME": ""}, []string{FaultMaskedCapability}, reputation.Masked, "invalid IP"},
		"bare-lf.ehlo": {Capabilities{"SIZE": "33554432", "8BITMIME": "", "STARTTLS": "", "AUTH": "PLAIN", "MAIL": "", "HELP": ""},
			[]string{FaultBareLF, FaultBareLF}, reputation.Advertised, "invalid IP"},
	}
	files, err := filepath.Glob("testdata/*.ehlo")
	if err != nil || len(files) != len(want) {
		t.Fatalf("fixtures %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			w := want[filepath.Base(file)]
			wire, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rep, faults, err := readAll(wire)
			if err != nil {
				t.Fatal(err)
			}
			caps, more := capabilities(rep, "ehlo")
			if diff := cmp.Diff(w.caps, caps); diff != "" {
				t.Errorf("capabilities (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(w.faults, kinds(append(faults, more...))); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if got := judgeCapabilities(&rep, caps, more, false).outcome; got != w.outcome {
				t.Errorf("outcome %s, want %s", got, w.outcome)
			}
			if got := seenInHello(rep.Lines[0], ip("192.0.2.25"), "mail.example"); got.String() != w.seen {
				t.Errorf("seen %s, want %s", got, w.seen)
			}
		})
	}
}

// Whatever a well-formed reply holds and however it is cut into reads, it is read back without a fault.
func TestReplyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom([]string{"220", "250", "354", "421", "554"}).Draw(t, "code")
		lines := rapid.SliceOfN(rapid.StringMatching(`[ -~\t]{0,500}`), 1, 12).Draw(t, "lines")
		var wire strings.Builder
		for i, l := range lines {
			sep := "-"
			if i == len(lines)-1 {
				sep = " "
			}
			lines[i] = "x" + l // no enhanced code by chance
			wire.WriteString(code + sep + lines[i] + "\r\n")
		}
		r := &replyReader{src: iotest.HalfReader(strings.NewReader(wire.String()))}
		rep, faults, err := r.reply()
		if err != nil || len(faults) > 0 {
			t.Fatalf("%v, %v", err, faults)
		}
		if diff := cmp.Diff(lines, rep.Lines); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzReply(f *testing.F) {
	for _, file := range []string{"bare-lf", "eop-listed", "middlebox-masked", "ironport-low-score"} {
		if b, err := os.ReadFile("testdata/" + file + ".ehlo"); err == nil {
			f.Add(b)
		}
	}
	f.Add([]byte("250-a\r250 b\r\n\x00554 5.7.1 [192.0.2.1]"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		whole, faults, err := readAll(wire)
		single := &replyReader{src: iotest.OneByteReader(bytes.NewReader(wire))}
		again, _, err2 := single.reply()
		if (err == nil) != (err2 == nil) || err == nil && !cmp.Equal(whole, again) {
			t.Fatalf("the cut into reads matters: %+v, %v against %+v, %v", whole, err, again, err2)
		}
		if len(whole.Raw) > maxReply+maxLine || len(faults) > maxFaultsInAll {
			t.Fatalf("%d bytes, %d faults", len(whole.Raw), len(faults))
		}
		if err != nil {
			return
		}
		if whole.Code < 200 || whole.Code > 599 || len(whole.Lines) == 0 {
			t.Fatalf("a reply without sense: %+v", whole)
		}
		caps, _ := capabilities(whole, "")
		for k := range caps {
			if k != strings.ToUpper(k) || !keyword.MatchString(k) {
				t.Fatalf("keyword %q", k)
			}
		}
		seenInHello(whole.Text(), ip("192.0.2.1"), "x")
		seenInRefusal(whole.Text(), ip("192.0.2.1"), ip("192.0.2.2"))
		for _, c := range escape(wire) {
			if c < ' ' || c > '~' {
				t.Fatalf("escape let %q through", c)
			}
		}
	})
}
