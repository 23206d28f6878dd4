package store

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"repwatch/reputation"
)

// A year has tens of thousands of records about a few thousand subjects, and lists
// say the same of all they list. So each subject and each text is kept once and
// numbered: names -> number -> text. Numbers are never given twice.

// interned is a pair of buckets: by number, and back by what identifies the text.
type interned struct{ texts, by string }

var (
	subjectNames = interned{bucketNames, bucketNamesBy} // by the subject's key
	listingTexts = interned{bucketTexts, bucketTextsBy} // by the first 16 bytes of SHA-256 of the text
)

// number of a text, given now if it has none.
func (i interned) number(tx *Tx, id, text []byte) (uint64, error) {
	if raw := tx.get(i.by, id); raw != nil {
		return numberKeys.decode(raw)
	}
	n, err := tx.next(i.texts)
	if err != nil {
		return 0, err
	}
	if err := tx.put(i.texts, number(n), text); err != nil {
		return 0, err
	}
	return n, tx.put(i.by, id, number(n))
}

// known is the number of a text that has one.
func (i interned) known(tx *Tx, id []byte) (uint64, bool) {
	n, err := numberKeys.decode(tx.get(i.by, id))
	return n, err == nil
}

// remembered holds what was read of numbered texts. Only what is committed goes
// in: a number that is rolled back is given again.
type remembered struct {
	mu       sync.Mutex
	subjects map[uint64]reputation.Subject
	listings map[uint64]reputation.Listing
}

// maxRemembered bounds each map; a fleet's worth of subjects fits.
const maxRemembered = 1 << 14

func remember[V any](tx *Tx, in func(*remembered) *map[uint64]V, n uint64, read func() (V, error)) (V, error) {
	c := &tx.db.remembered
	c.mu.Lock()
	v, ok := (*in(c))[n]
	c.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := read()
	if err != nil || tx.bolt.Writable() {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := in(c)
	if *m == nil || len(*m) >= maxRemembered {
		*m = map[uint64]V{}
	}
	(*m)[n] = v
	return v, nil
}

// listName begins the name of a list itself, which is a subject of the journal (suspended, believed).
const listName = "list "

func subjectName(s reputation.Subject) (string, error) {
	if s.Kind == reputation.KindListing && s.Who() == "" && s.Target != "" && !strings.Contains(s.Target, sep) {
		return listName + s.Target, nil
	}
	return SubjectKey(s)
}

func parseSubjectName(name string) (reputation.Subject, error) {
	if id, ok := strings.CutPrefix(name, listName); ok {
		return reputation.Subject{Kind: reputation.KindListing, Target: id}, nil
	}
	return ParseSubjectKey(name)
}

// nameOf is the number of a subject; that of the zero subject is 0.
func (tx *Tx) nameOf(s reputation.Subject) (uint64, error) {
	if s == (reputation.Subject{}) {
		return 0, nil // acted: the record belongs to an incident
	}
	name, err := subjectName(s)
	if err != nil {
		return 0, err
	}
	return subjectNames.number(tx, []byte(name), []byte(name))
}

func (tx *Tx) named(n uint64) (reputation.Subject, error) {
	if n == 0 {
		return reputation.Subject{}, nil
	}
	return remember(tx, func(c *remembered) *map[uint64]reputation.Subject { return &c.subjects }, n, func() (reputation.Subject, error) {
		raw := tx.get(bucketNames, number(n))
		s, err := parseSubjectName(string(raw))
		if err != nil {
			return s, damage("%s: number %d: %w", bucketNames, n, err)
		}
		return s, nil
	})
}

// whoMark stands in a text for the IP or domain that is listed: links and reasons
// differ in nothing else.
const whoMark = "\x00"

// textOf is the number of what a list says of a subject; 0: it cannot be numbered.
func (tx *Tx) textOf(l reputation.Listing, who string) (uint64, error) {
	if who == "" || strings.Contains(l.Reason+l.DelistURL, whoMark) {
		return 0, nil
	}
	l.Reason = strings.ReplaceAll(l.Reason, who, whoMark)
	l.DelistURL = strings.ReplaceAll(l.DelistURL, who, whoMark)
	raw, err := json.Marshal(l)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(raw)
	return listingTexts.number(tx, sum[:16], raw)
}

func (tx *Tx) text(n uint64, who string) (*reputation.Listing, error) {
	l, err := remember(tx, func(c *remembered) *map[uint64]reputation.Listing { return &c.listings }, n, func() (l reputation.Listing, err error) {
		if err := json.Unmarshal(tx.get(bucketTexts, number(n)), &l); err != nil {
			return l, damage("%s: number %d: %w", bucketTexts, n, err)
		}
		return l, nil
	})
	if err != nil {
		return nil, err
	}
	l.Codes, l.Meaning = slices.Clone(l.Codes), slices.Clone(l.Meaning)
	l.Reason = strings.ReplaceAll(l.Reason, whoMark, who)
	l.DelistURL = strings.ReplaceAll(l.DelistURL, whoMark, who)
	return &l, nil
}
