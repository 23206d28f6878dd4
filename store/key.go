package store

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"repwatch/reputation"
)

// A subject's key is its kind, a space and its text as on the command line:
//
//	listing 203.0.113.7@xbl        listing example.com@dbl
//	wire 203.0.113.7>contoso.com   control office>contoso.com
//	own 203.0.113.7/ptr            health resolver/127.0.0.1:53
//
// so that all subjects of one kind and one IP or domain stand together.

// SubjectKey is the key of a subject. A subject that could not be read back
// from its key (no kind, no name, a NUL) is an error: it would be lost.
func SubjectKey(s reputation.Subject) (string, error) {
	k := string(s.Kind) + " " + s.String()
	back, err := ParseSubjectKey(k)
	if err != nil {
		return "", err
	}
	if back != s {
		return "", fmt.Errorf("subject %+v has no key of its own: %q is %+v", s, k, back)
	}
	return k, nil
}

// ParseSubjectKey is the inverse of SubjectKey.
func ParseSubjectKey(k string) (reputation.Subject, error) {
	kind, text, ok := strings.Cut(k, " ")
	s := reputation.Subject{Kind: reputation.Kind(kind)}
	if !ok || strings.ContainsRune(k, 0) {
		return reputation.Subject{}, fmt.Errorf("%q is no subject", k)
	}
	var who string
	switch s.Kind {
	case reputation.KindListing:
		who, s.Target, ok = cutLast(text, "@")
	case reputation.KindWire, reputation.KindControl:
		// People name their controls as they like; a partner's name has no ">".
		who, s.Target, ok = cutLast(text, ">")
	case reputation.KindOwn, reputation.KindHealth:
		var slash bool
		who, s.Target, slash = strings.Cut(text, "/")
		ok = slash == (s.Target != "")
	default:
		ok = false
	}
	if !ok || who == "" || s.Target == "" && s.Kind != reputation.KindOwn && s.Kind != reputation.KindHealth {
		return reputation.Subject{}, fmt.Errorf("%q is no subject", k)
	}
	if ip, err := netip.ParseAddr(who); err == nil && ip.String() == who {
		s.IP = ip
	} else {
		s.Domain = who
	}
	return s, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// sep stands between the parts of a key. No part contains it.
const sep = "\x00"

// codec turns a table's keys into bytes and back. Bytes sort as people expect.
type codec[K comparable] struct {
	encode func(K) ([]byte, error)
	decode func([]byte) (K, error)
}

var textKeys = codec[string]{
	encode: func(k string) ([]byte, error) {
		if k == "" || strings.Contains(k, sep) {
			return nil, fmt.Errorf("%q cannot be a key", k)
		}
		return []byte(k), nil
	},
	decode: func(b []byte) (string, error) { return string(b), nil },
}

var subjectKeys = codec[reputation.Subject]{
	encode: func(s reputation.Subject) ([]byte, error) {
		k, err := SubjectKey(s)
		return []byte(k), err
	},
	decode: func(b []byte) (reputation.Subject, error) { return ParseSubjectKey(string(b)) },
}

var numberKeys = codec[uint64]{
	encode: func(n uint64) ([]byte, error) { return number(n), nil },
	decode: func(b []byte) (uint64, error) {
		if len(b) != 8 {
			return 0, fmt.Errorf("key %x is no number", b)
		}
		return binary.BigEndian.Uint64(b), nil
	},
}

// incidentKeys put the length before the id, so that "10" comes after "9".
var incidentKeys = codec[string]{
	encode: func(id string) ([]byte, error) {
		if id == "" || len(id) > 255 || strings.Contains(id, sep) {
			return nil, fmt.Errorf("%q cannot be an incident's id", id)
		}
		return append([]byte{byte(len(id))}, id...), nil
	},
	decode: func(b []byte) (string, error) {
		if len(b) < 2 || int(b[0]) != len(b)-1 {
			return "", fmt.Errorf("key %x is no incident's id", b)
		}
		return string(b[1:]), nil
	},
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// numberAfter reads the number at the end of a composite key.
func numberAfter(k []byte) (prefix []byte, n uint64, err error) {
	if len(k) < 8 {
		return nil, 0, fmt.Errorf("key %x ends in no number", k)
	}
	return k[:len(k)-8], binary.BigEndian.Uint64(k[len(k)-8:]), nil
}
