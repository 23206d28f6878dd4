package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// tlsConfig offers what a modern sender offers. The certificate is judged after
// the handshake, fact by fact, so that a bad one does not pass for a broken handshake.
func tlsConfig(host string, conservative bool) *tls.Config {
	c := &tls.Config{ServerName: strings.TrimSuffix(host, "."), InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if !conservative {
		return c
	}
	// No hybrid post-quantum share, so that the ClientHello fits one packet, and
	// everything old that Go still speaks: RSA key exchange, CBC, RC4, 3DES.
	c.MinVersion = tls.VersionTLS10
	c.CurvePreferences = []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.X25519}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		c.CipherSuites = append(c.CipherSuites, suite.ID)
	}
	return c
}

// tlsFacts turns a finished handshake into facts that stand apart.
func tlsFacts(state tls.ConnectionState, host string, roots *x509.CertPool, now time.Time) *TLS {
	facts := &TLS{
		Version:   tls.VersionName(state.Version),
		Cipher:    tls.CipherSuiteName(state.CipherSuite),
		Handshake: "ok",
	}
	if len(state.PeerCertificates) == 0 {
		facts.Chain, facts.Name, facts.Expiry = "no certificate", "no certificate", "no certificate"
		return facts
	}
	leaf := state.PeerCertificates[0]
	facts.NotAfter = leaf.NotAfter
	facts.Chain = chainWords(state.PeerCertificates, roots, now)
	facts.Name = nameWords(leaf, strings.TrimSuffix(host, "."))
	facts.Expiry = expiryWords(leaf, now)
	return facts
}

// chainWords judges trust alone, as of now: the leaf's own expiry is another fact,
// so a copy that is valid now stands in for it (signatures cover the raw bytes).
func chainWords(certs []*x509.Certificate, roots *x509.CertPool, now time.Time) string {
	leaf := *certs[0]
	leaf.NotBefore, leaf.NotAfter = now.Add(-time.Second), now.Add(time.Second)
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, c := range certs[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(opts)
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var noRoots x509.SystemRootsError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &noRoots):
		return "not judged: this host has no root certificates"
	case errors.As(err, &unknown):
		return untrustedWords(certs)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil && !invalid.Cert.Equal(certs[0]):
		return fmt.Sprintf("the certificate %q above it is expired or not yet valid", short(invalid.Cert.Subject.CommonName))
	}
	return short(strings.TrimPrefix(err.Error(), "x509: "))
}

// untrustedWords says which link is missing between the leaf and a root we trust.
func untrustedWords(certs []*x509.Certificate) string {
	top := certs[0]
	for range certs {
		next := issuerAmong(certs, top)
		if next == nil || next == top {
			break
		}
		top = next
	}
	issuer := short(top.Issuer.CommonName)
	if issuer == "" {
		issuer = short(top.Issuer.String())
	}
	selfSigned := string(top.RawIssuer) == string(top.RawSubject)
	switch {
	case selfSigned && top == certs[0]:
		return "self-signed"
	case selfSigned:
		return fmt.Sprintf("it ends at %q, which is no root we trust", issuer)
	}
	return fmt.Sprintf("the certificate of its issuer %q is missing: the server sends an incomplete chain, or we do not trust that issuer", issuer)
}

func issuerAmong(certs []*x509.Certificate, of *x509.Certificate) *x509.Certificate {
	for _, c := range certs {
		if string(c.RawSubject) == string(of.RawIssuer) {
			return c
		}
	}
	return nil
}

// nameWords compares host with the subject alternative names only (RFC 9525 §6.3: the CN does not count).
func nameWords(leaf *x509.Certificate, host string) string {
	if host == "" {
		return "not judged: there is no host name to compare with"
	}
	if leaf.VerifyHostname(host) == nil {
		return "ok"
	}
	names := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return fmt.Sprintf("the certificate names no host (its CN %q does not count), wanted %s", short(leaf.Subject.CommonName), host)
	}
	more := ""
	if len(names) > 5 {
		names, more = names[:5], fmt.Sprintf(" and %d more", len(names)-5)
	}
	return fmt.Sprintf("the certificate is for %s%s, not for %s", short(strings.Join(names, ", ")), more, host)
}

func expiryWords(leaf *x509.Certificate, now time.Time) string {
	const day = "2006-01-02 15:04 UTC"
	switch {
	case now.After(leaf.NotAfter):
		return "expired on " + leaf.NotAfter.UTC().Format(day)
	case now.Before(leaf.NotBefore):
		return "not valid before " + leaf.NotBefore.UTC().Format(day)
	}
	return "ok"
}

// short keeps a foreign text printable and within bounds.
func short(s string) string {
	const most = 200
	if s = escape([]byte(s)); len(s) > most {
		s = s[:most] + "…"
	}
	return s
}

// handshakeError is a handshake that failed. Sure: the server answered with an
// alert, garbage or a close, so it is no trouble of ours or of the network.
type handshakeError struct {
	sure    bool
	failure Failure
	words   string
}

// judgeHandshake says what an error of the handshake shows about the server.
func judgeHandshake(err error, patience string) *handshakeError {
	sure := func(words string) *handshakeError { return &handshakeError{true, FailTLS, words} }
	var record tls.RecordHeaderError
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.As(err, &record):
		return sure("garbage instead of TLS")
	case errors.As(err, &op) && op.Op == "remote error":
		words := "alert: " + strings.TrimPrefix(op.Err.Error(), "tls: ")
		if strings.Contains(words, "handshake failure") {
			words += " (no cipher in common; one that speaks only DHE is beyond us)"
		}
		return sure(words)
	case errors.As(err, &timeout) && timeout.Timeout():
		return &handshakeError{false, FailTimeout, "no end of the handshake within " + patience}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return sure("connection closed")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return sure("connection reset")
	case errors.As(err, &op):
		return &handshakeError{false, FailNetwork, "trouble on the network: " + op.Err.Error()}
	case strings.Contains(err.Error(), "key larger than"), strings.Contains(err.Error(), "key size"):
		return &handshakeError{false, FailTLS, "we cannot judge its certificate: " + short(err.Error())}
	}
	return sure("not as TLS wants it: " + short(strings.TrimPrefix(err.Error(), "tls: ")))
}
