package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// CA is a certificate authority of the lab: a root, an intermediate that signs,
// and whatever certificates servers ask it for. It is safe for concurrent use.
type CA struct {
	root, middle *x509.Certificate
	middleKey    crypto.Signer

	mu     sync.Mutex
	serial int64
	rsaKey *rsa.PrivateKey // made once: slow
}

// Cert says what a certificate should be like.
type Cert struct {
	Hosts  []string // DNS names and addresses
	CN     string
	From   time.Time // default: an hour ago
	Until  time.Time // default: 90 days ahead
	RSA    bool      // instead of P-256
	Self   bool      // self-signed
	Alone  bool      // sent without the intermediate
	Rooted bool      // the root is sent too
}

// NewCA makes an authority with fresh keys.
func NewCA() (*CA, error) {
	ca := &CA{serial: 1}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("lab CA: %w", err)
	}
	middleKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("lab CA: %w", err)
	}
	root := ca.template("Lab Root", time.Now().AddDate(-5, 0, 0), time.Now().AddDate(10, 0, 0))
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	if ca.root, err = sign(root, root, rootKey.Public(), rootKey); err != nil {
		return nil, err
	}
	middle := ca.template("Lab Intermediate", time.Now().AddDate(-5, 0, 0), time.Now().AddDate(10, 0, 0))
	middle.IsCA, middle.BasicConstraintsValid, middle.KeyUsage = true, true, x509.KeyUsageCertSign
	if ca.middle, err = sign(middle, ca.root, middleKey.Public(), rootKey); err != nil {
		return nil, err
	}
	ca.middleKey = middleKey
	return ca, nil
}

// Pool holds the root alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.root)
	return pool
}

// Issue makes a certificate with its key.
func (ca *CA) Issue(c Cert) (tls.Certificate, error) {
	if c.From.IsZero() {
		c.From = time.Now().Add(-time.Hour)
	}
	if c.Until.IsZero() {
		c.Until = time.Now().AddDate(0, 0, 90)
	}
	key, err := ca.key(c.RSA)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := ca.template(c.CN, c.From, c.Until)
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range c.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	parent, signer := ca.middle, ca.middleKey
	if c.Self {
		parent, signer = t, key
	}
	leaf, err := sign(t, parent, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	chain := [][]byte{leaf.Raw}
	if !c.Self && !c.Alone {
		chain = append(chain, ca.middle.Raw)
	}
	if c.Rooted {
		chain = append(chain, ca.root.Raw)
	}
	return tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

func (ca *CA) key(wantRSA bool) (crypto.Signer, error) {
	if !wantRSA {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if ca.rsaKey != nil {
		return ca.rsaKey, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ca.rsaKey = key
	return key, err
}

func (ca *CA) template(cn string, from, until time.Time) *x509.Certificate {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.serial++
	return &x509.Certificate{SerialNumber: big.NewInt(ca.serial), Subject: pkix.Name{CommonName: cn}, NotBefore: from, NotAfter: until}
}

func sign(t, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("lab CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("lab CA: %w", err)
	}
	return cert, nil
}
