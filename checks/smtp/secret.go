package smtp

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"

	"github.com/emersion/go-sasl"
)

const hidden = "(credential, not shown)"

// Credential is a user name and password for AUTH. However it is printed, logged
// or marshalled, it shows neither (rule of truth 8).
type Credential struct {
	user, password, mechanism string
}

// NewCredential makes a credential. mechanism is PLAIN, LOGIN, or empty for the
// better one that the server offers.
func NewCredential(user, password, mechanism string) (*Credential, error) {
	if user == "" || password == "" {
		return nil, fmt.Errorf("a credential needs a user name and a password")
	}
	if mechanism != "" && mechanism != sasl.Plain && mechanism != sasl.Login {
		return nil, fmt.Errorf("AUTH mechanism %q is not known: PLAIN or LOGIN", mechanism)
	}
	return &Credential{user: user, password: password, mechanism: mechanism}, nil
}

func (*Credential) String() string               { return hidden }
func (*Credential) GoString() string             { return hidden }
func (*Credential) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (*Credential) LogValue() slog.Value         { return slog.StringValue(hidden) }

// Format hides the fields from every verb, %#v and %+v of an enclosing struct included.
func (*Credential) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// forms are the byte strings in which the credential crosses the wire: a server may quote them back at us.
func (c *Credential) forms() [][]byte {
	if c == nil {
		return nil
	}
	b64 := func(s string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(s))) }
	return [][]byte{b64("\x00" + c.user + "\x00" + c.password), b64(c.password), []byte(c.password), b64(c.user)}
}

// scrub blanks every form of the credential in b, whatever its case.
func scrub(b []byte, forms [][]byte) []byte {
	for _, form := range forms {
		var out []byte
		rest := b
		for {
			i := bytes.Index(lowerASCII(rest), lowerASCII(form))
			if i < 0 {
				break
			}
			out = append(append(out, rest[:i]...), "***"...)
			rest = rest[i+len(form):]
		}
		b = append(out, rest...)
	}
	return b
}

// lowerASCII keeps the length, unlike bytes.ToLower on what is no UTF-8.
func lowerASCII(b []byte) []byte {
	low := bytes.Clone(b)
	for i, c := range low {
		if 'A' <= c && c <= 'Z' {
			low[i] = c + 'a' - 'A'
		}
	}
	return low
}

// loginClient speaks AUTH LOGIN as servers do, whatever their prompts say: first
// the name, then the password. go-sasl's own insists on the word "Password:".
type loginClient struct {
	answers []string
}

func (*loginClient) Start() (string, []byte, error) { return sasl.Login, nil, nil }

func (l *loginClient) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}

func (c *Credential) client(mechanism string) sasl.Client {
	if mechanism == sasl.Login {
		return &loginClient{answers: []string{c.user, c.password}}
	}
	return sasl.NewPlainClient("", c.user, c.password)
}
