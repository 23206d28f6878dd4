package resolve

import (
	"bytes"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

func pack(t testing.TB, name string, qtype uint16) question {
	t.Helper()
	q, err := packQuestion(name, qtype)
	if err != nil {
		t.Fatalf("%q: %v", name, err)
	}
	return q
}

// What we write by hand, the library must read as meant.
func TestQueryBytes(t *testing.T) {
	for _, edns := range []bool{true, false} {
		var m dns.Msg
		if err := m.Unpack(appendQuery(nil, 0xabcd, pack(t, "Name.Example", dns.TypeMX), edns)); err != nil {
			t.Fatal(err)
		}
		if m.Id != 0xabcd || !m.RecursionDesired || !m.AuthenticatedData || m.Response || len(m.Question) != 1 {
			t.Errorf("header %+v", m.MsgHdr)
		}
		if m.Question[0] != (dns.Question{Name: "name.example.", Qtype: dns.TypeMX, Qclass: dns.ClassINET}) {
			t.Errorf("question %+v", m.Question[0])
		}
		opt := m.IsEdns0()
		if (opt != nil) != edns || edns && opt.UDPSize() != 1232 {
			t.Errorf("EDNS %v: %v", edns, opt)
		}
	}
}

func TestPackQuestion(t *testing.T) {
	long := strings.Repeat("a", 63)
	for name, ok := range map[string]bool{
		"example.com": true, "example.com.": true, ".": true, "_dmarc.example.com": true, long + ".example": true,
		`a\.b.example`: true, "\xff\x00.example": true, "*.example": true,
		strings.Repeat("a.", 127): true,
		"":                        false, "..": false, ".example": false, "a..example": false, long + "a.example": false,
		strings.Repeat("a.", 127) + "b":                        false,
		long + "." + long + "." + long + "." + long:            false,
		long + "." + long + "." + long + "." + long[:61] + ".": true,
		long + "." + long + "." + long + "." + long[:62] + ".": false,
	} {
		if _, err := packQuestion(name, dns.TypeA); (err == nil) != ok {
			t.Errorf("%.40q: %v", name, err)
		}
	}
}

func TestMixedIsTheSameNameAndRandom(t *testing.T) {
	q := pack(t, "aaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbb.1-2", dns.TypeA)
	draws := []uint64{0, 1 << 1}
	m, any := q.mixed(func() uint64 { d := draws[0]; draws = draws[1:]; return d })
	if want := append(append(question{}, q[:1]...), append(question{'A'}, q[2:]...)...); !any || !bytes.Equal(m, want) {
		t.Errorf("all lower case was drawn, then one upper: %q", m)
	}
	m, any = q.mixed(func() uint64 { return 1<<64 - 1 })
	if name, _, _ := dns.UnpackDomainName(m, 0); !any || name != "AAAAAAAAAAAAAAAAAAAA.BBBBBBBBBBBB.1-2." {
		t.Errorf("all upper case was drawn: %s", name)
	}
	if !bytes.Equal(m[len(m)-4:], q[len(q)-4:]) {
		t.Error("type or class changed")
	}
	if _, any := pack(t, "1.2.3", dns.TypeA).mixed(func() uint64 { return 1<<64 - 1 }); any {
		t.Error("digits have no case")
	}
}

func TestKin(t *testing.T) {
	q, _ := pack(t, "name.example", dns.TypeA).mixed(func() uint64 { return 0x5a5a5a5a5a5a5a5a })
	reply := func(change func(b []byte) []byte) []byte {
		b := appendQuery(nil, 1, q, false)
		b[2] |= 0x80
		return change(b)
	}
	same := func(b []byte) []byte { return b }
	set := func(i int, v byte) func([]byte) []byte { return func(b []byte) []byte { b[i] = v; return b } }
	for name, c := range map[string]struct {
		msg  []byte
		want kinship
	}{
		"the answer":             {reply(same), sameExactly},
		"with trailing bytes":    {append(reply(same), 1, 2, 3), sameExactly},
		"a question":             {appendQuery(nil, 1, q, false), notAnswer},
		"another opcode":         {reply(func(b []byte) []byte { b[2] |= 0x28; return b }), notAnswer},
		"two questions":          {reply(set(5, 2)), notAnswer},
		"256 questions":          {reply(set(4, 1)), notAnswer},
		"no question, NOERROR":   {reply(func(b []byte) []byte { b[5] = 0; return b[:12] }), notAnswer},
		"no question, NXDOMAIN":  {reply(func(b []byte) []byte { b[5], b[3] = 0, 3; return b[:12] }), notAnswer},
		"no question, FORMERR":   {reply(func(b []byte) []byte { b[5], b[3] = 0, 1; return b[:12] }), nameless},
		"other case":             {reply(func(b []byte) []byte { copy(b[12:], pack(t, "name.example", dns.TypeA)); return b }), otherCase},
		"other name":             {reply(set(13, 'x')), stranger},
		"other length of labels": {reply(set(12, 5)), stranger},
		"other type":             {reply(func(b []byte) []byte { b[len(b)-3] = 28; return b }), stranger},
		"other class":            {reply(func(b []byte) []byte { b[len(b)-1] = 3; return b }), stranger},
		"cut in the question":    {reply(func(b []byte) []byte { return b[:len(b)-1] }), stranger},
		"cut in the header":      {reply(same)[:11], notAnswer},
		"nothing":                {nil, notAnswer},
	} {
		if got := kin(c.msg, q); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Of all names, only the asked one is taken for it, and only in the very case.
func TestKinProperty(t *testing.T) {
	label := rapid.StringMatching(`[a-z0-9]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(label, 1, 5)
		a, b := strings.Join(names.Draw(t, "asked"), "."), strings.Join(names.Draw(t, "answered"), ".")
		if rapid.Bool().Draw(t, "same") {
			b = a
		}
		qa, _ := packQuestion(a, dns.TypeA)
		qb, _ := packQuestion(b, dns.TypeA)
		asked, _ := qa.mixed(func() uint64 { return rapid.Uint64().Draw(t, "case asked") })
		answered, _ := qb.mixed(func() uint64 { return rapid.Uint64().Draw(t, "case answered") })
		msg := appendQuery(nil, 1, answered, true)
		msg[2] |= 0x80
		want := stranger
		if bytes.Equal(asked, answered) {
			want = sameExactly
		} else if a == b {
			want = otherCase
		}
		if got := kin(msg, asked); got != want {
			t.Fatalf("%q for %q: %d, want %d", answered, asked, got, want)
		}
	})
}
