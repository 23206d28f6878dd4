package dnsbl

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const keyMark = "{key}"

var (
	label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	// zoneName takes underscores too: some lists use them (_vouch.dwl.example).
	zoneName = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)
)

func validZone(name string) bool { return len(name) <= 253 && zoneName.MatchString(name) }

// CheckKey says what keeps a key from being a DNS label. It never repeats the key.
func CheckKey(key string) error {
	switch {
	case key == "":
		return errors.New("is empty")
	case len(key) > 63:
		return fmt.Errorf("has %d characters; a DNS label has at most 63", len(key))
	case !label.MatchString(key):
		return errors.New("has characters that a DNS label cannot have")
	}
	return nil
}

// Expand fills keys, by the names that access.key gives, into the zones. A list
// whose key is missing stays unusable and says so.
func (c *Catalogue) Expand(keys map[string]string) {
	for _, l := range c.Lists {
		l.expand(keys)
	}
}

func (l *List) expand(keys map[string]string) {
	switch {
	case !strings.Contains(l.Zone, keyMark):
		l.Expanded = strings.ToLower(l.Zone)
	case CheckKey(keys[l.Access.Key]) == nil:
		l.Expanded = strings.ToLower(strings.ReplaceAll(l.Zone, keyMark, keys[l.Access.Key]))
	default:
		l.Expanded, l.keyTrouble = "", ""
		if key := keys[l.Access.Key]; key != "" {
			l.keyTrouble = CheckKey(key).Error()
		}
	}
}

// Unusable says in words why the list cannot be asked now although it may be; empty if it can.
func (l *List) Unusable() string {
	if l.Expanded == "" && l.keyTrouble != "" {
		return fmt.Sprintf("its access key (blocklists.keys.%s) %s", l.Access.Key, l.keyTrouble)
	}
	if l.Expanded == "" {
		return fmt.Sprintf("needs an access key: set blocklists.keys.%s", l.Access.Key)
	}
	return ""
}

// Refused says in words why the list must not be asked at all; empty if it may be.
func (l *List) Refused() string {
	switch {
	case l.Retired != "":
		return "retired: " + l.Retired
	case l.Refuse != "":
		return "not asked: " + l.Refuse
	}
	return ""
}

// Redactor takes keys out of text, whatever their case: resolvers and 0x20 change it.
func Redactor(keys map[string]string) func(string) string {
	var words []string
	for _, k := range keys {
		if k != "" {
			words = append(words, regexp.QuoteMeta(k))
		}
	}
	if len(words) == 0 {
		return func(s string) string { return s }
	}
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) }) // a key inside another goes last
	re := regexp.MustCompile("(?i)" + strings.Join(words, "|"))
	return func(s string) string { return re.ReplaceAllLiteralString(s, keyMark) }
}
