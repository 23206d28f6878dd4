package realserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"testing"
	"time"
)

// CA signs certificates for servers under test.
type CA struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
	// File holds the CA's own certificate in PEM, for openssl -CAfile and the like.
	File string
	// Pool trusts this CA and no other.
	Pool *x509.CertPool
}

// Cert is a server certificate and its key.
type Cert struct {
	CertFile, KeyFile string // PEM; readable by servers that dropped root's rights
	TLS               tls.Certificate
}

// NewCA makes a CA that lives as long as the test.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{dir: tempDir(t, "ca"), key: newKey(t), Pool: x509.NewCertPool()}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "repwatch test CA"},
		NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &ca.key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.n = 1
	ca.Pool.AddCert(ca.cert)
	ca.File = filepath.Join(ca.dir, "ca.pem")
	writeFile(t, ca.File, pemText("CERTIFICATE", der))
	return ca
}

// Valid is a certificate that a strict client accepts for these names.
func (ca *CA) Valid(t testing.TB, names ...string) Cert {
	t.Helper()
	now := time.Now()
	return ca.issue(t, now.Add(-time.Hour), now.AddDate(0, 3, 0), names)
}

// Expired is a certificate that was right for these names until yesterday.
func (ca *CA) Expired(t testing.TB, names ...string) Cert {
	t.Helper()
	now := time.Now()
	return ca.issue(t, now.AddDate(0, -3, 0), now.AddDate(0, 0, -1), names)
}

// WrongName is a valid certificate for a host that is none of the tests' own.
func (ca *CA) WrongName(t testing.TB) Cert {
	t.Helper()
	return ca.Valid(t, "somebody-else.invalid")
}

func (ca *CA) issue(t testing.TB, from, until time.Time, names []string) Cert {
	t.Helper()
	ca.n++
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(ca.n), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(ca.dir, big.NewInt(ca.n).String())
	c := Cert{CertFile: name + ".pem", KeyFile: name + ".key"}
	certPEM, keyPEM := pemText("CERTIFICATE", der), pemText("PRIVATE KEY", pkcs8)
	writeFile(t, c.CertFile, certPEM)
	writeFile(t, c.KeyFile, keyPEM)
	if c.TLS, err = tls.X509KeyPair([]byte(certPEM), []byte(keyPEM)); err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
