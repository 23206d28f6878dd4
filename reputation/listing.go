package reputation

import "time"

// Listing is what a list says of a subject that it lists: evidence, in the words
// people read. It is a value and marshals to JSON for the wire and the store.
type Listing struct {
	Codes     []string `json:"codes,omitempty"`
	Meaning   []string `json:"meaning,omitempty"` // worst first
	Class     Class    `json:"class"`
	Impact    Impact   `json:"impact"`
	Alert     string   `json:"alert,omitempty"`  // now, digest or never: when the list's entry wants people told
	Reason    string   `json:"reason,omitempty"` // the list's own words (TXT)
	Name      string   `json:"name,omitempty"`   // of the list, for people
	DelistURL string   `json:"delist_url,omitempty"`
	DelistHow string   `json:"delist_how,omitempty"` // in words, with the usual time where known
	// Untested: the list has no test point, so its ending proves nothing (rule of truth 2).
	Untested bool `json:"untested,omitempty"`
}

// Accuses reports that the listing is bad news: allow, neutral, good and policy answers are not.
func (l Listing) Accuses() bool { return l.Class == ClassBad }

// Bracket is when something happened: in (After, By]. A zero After means "before we looked".
type Bracket struct {
	After time.Time `json:"after,omitzero"`
	By    time.Time `json:"by,omitzero"`
}

// Known reports that the bracket has two ends.
func (b Bracket) Known() bool { return !b.After.IsZero() && !b.By.IsZero() }
