package replies

// Class is what a reply is about, and so who has to act. The set is closed.
type Class string

const (
	// ClassTLSRequired: they want TLS and say that we did not use it. Often they did not offer it to us.
	ClassTLSRequired Class = "tls-required"
	// ClassTLSFailed: TLS was offered or begun and did not come about, or a certificate was not believed.
	ClassTLSFailed Class = "tls-failed"
	// ClassListed: a public list is named.
	ClassListed Class = "listed"
	// ClassReputation: the receiver's own judgement of our address, no public list named.
	ClassReputation Class = "reputation"
	// ClassThrottled: too much mail for what they think of us, or for anybody.
	ClassThrottled Class = "throttled"
	// ClassConnectionLimit: too many connections or commands at once. It may be our own probe.
	ClassConnectionLimit Class = "connection-limit"
	// ClassPolicy: a rule of this receiver or its customer, not public.
	ClassPolicy Class = "policy"
	// ClassAuthentication: SPF, DKIM, DMARC or ARC. About the message and its domain, not about the address.
	ClassAuthentication Class = "authentication"
	// ClassPTR: our address has no reverse name, or one that does not lead back.
	ClassPTR Class = "ptr"
	// ClassEHLOName: the name that we gave in EHLO or HELO.
	ClassEHLOName Class = "ehlo-name"
	// ClassGreylisting: newcomers are asked to try again. Nobody's fault.
	ClassGreylisting Class = "greylisting"
	// ClassAddress: no such recipient, or a sender address that they do not take.
	ClassAddress Class = "address"
	// ClassMailbox: the recipient exists and cannot take mail now: full, disabled.
	ClassMailbox Class = "mailbox"
	// ClassSize: the message is too large.
	ClassSize Class = "size"
	// ClassContent: what the message says or carries.
	ClassContent Class = "content"
	// ClassDNS: a name could not be looked up, by us or by them.
	ClassDNS Class = "dns"
	// ClassNetwork: no connection, or it broke.
	ClassNetwork Class = "network"
	// ClassTemporary: trouble on their side that passes.
	ClassTemporary Class = "temporary"
	// ClassProtocol: they did not understand us, or found us breaking SMTP.
	ClassProtocol Class = "protocol"
	// ClassAuth: a user name, password or token was wanted or refused.
	ClassAuth Class = "auth"
	// ClassRelay: they do not feel responsible for the recipient's domain.
	ClassRelay Class = "relay"
	// ClassExpired: the sender gave up after trying for long. The cause is in an earlier reply.
	ClassExpired Class = "expired"
	// ClassAccepted: no failure at all (2xx, 3xx).
	ClassAccepted Class = "accepted"
	// ClassUnknown: only the code is known, or nothing.
	ClassUnknown Class = "unknown"
)

// classWords says each class in words, in the order of the documentation.
var classWords = []struct {
	Class Class
	Words string
}{
	{ClassTLSRequired, "they want TLS and say that we did not use it; often they never offered it to us"},
	{ClassTLSFailed, "TLS was offered or begun and did not come about, or a certificate was not believed"},
	{ClassListed, "a public list is named"},
	{ClassReputation, "the receiver's own judgement of our address"},
	{ClassThrottled, "too much mail, for what they think of us or for anybody"},
	{ClassConnectionLimit, "too many connections or errors at once; it may be our own probe"},
	{ClassPolicy, "a rule of this receiver or its customer, not public"},
	{ClassAuthentication, "SPF, DKIM, DMARC or ARC: about the message and its domain, not about the address"},
	{ClassPTR, "our address has no reverse name, or one that does not lead back"},
	{ClassEHLOName, "the name we gave in EHLO or HELO"},
	{ClassGreylisting, "newcomers are asked to try again; nobody's fault"},
	{ClassAddress, "no such recipient, or a sender address they do not take"},
	{ClassMailbox, "the recipient exists and cannot take mail now"},
	{ClassSize, "the message is too large"},
	{ClassContent, "what the message says or carries"},
	{ClassDNS, "a name could not be looked up, by us or by them"},
	{ClassNetwork, "no connection, or it broke"},
	{ClassTemporary, "trouble on their side that passes"},
	{ClassProtocol, "they did not understand us, or found us breaking SMTP"},
	{ClassAuth, "a user name, password or token was wanted or refused"},
	{ClassRelay, "they do not feel responsible for the recipient's domain"},
	{ClassExpired, "the sender gave up; the cause is in an earlier reply"},
	{ClassAccepted, "no failure at all"},
	{ClassUnknown, "only the code is known, or nothing"},
}

// Classes lists the closed set.
func Classes() []Class {
	out := make([]Class, len(classWords))
	for i, c := range classWords {
		out[i] = c.Class
	}
	return out
}

// Words says what a class means, in half a sentence. Empty for a class outside the set.
func (c Class) Words() string {
	for _, w := range classWords {
		if w.Class == c {
			return w.Words
		}
	}
	return ""
}

// Evidence is what a reply tells about the question whether the sending
// address is listed or badly reputed.
type Evidence string

const (
	// Neutral says nothing about it. It is what the table assumes.
	Neutral Evidence = "neutral"
	// SupportsListing: a listing or a bad reputation of the address is said or is the usual cause.
	SupportsListing Evidence = "supports-listing"
	// AgainstListing: another cause is named that has nothing to do with the address.
	AgainstListing Evidence = "against-listing"
)
