package incident

import "repwatch/correlate"

// Whose says on whose side a cause lies.
type Whose string

const (
	Ours    Whose = "ours"    // listings, abuse, a partner's own judgement of us, PTR and the like
	Theirs  Whose = "theirs"  // the partner changed it for everybody
	Path    Whose = "path"    // the way between
	Unclear Whose = "unclear" // no cause is sure enough
)

// Whose is the side that answers for the incident, by its verdict as it stands.
func (i *Incident) Whose() Whose {
	if i.Kind != Reputation {
		return Ours
	}
	switch i.Verdict {
	case correlate.ByListing, correlate.ByLists, correlate.ByAbuse, correlate.Private, JustListed:
		return Ours
	case correlate.ByPartner:
		return Theirs
	case correlate.ByPath:
		return Path
	default:
		return Unclear
	}
}
