//go:build linux

package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// An Authority is a certificate authority that one test trusts, and the
// certificate that it gave to the servers on localhost. Servers and the program
// may read the files.
type Authority struct {
	CA, Certificate, Key string // PEM files

	dir string
}

// NewAuthority makes both.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	dir, err := unprivileged.NewDir("authority")
	a := &Authority{
		CA: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, "certificate.pem"), Key: filepath.Join(dir, "key.pem"), dir: dir,
	}
	if err == nil {
		err = a.make()
	}
	return own(t, a, err)
}

func (a *Authority) remove() error { return os.RemoveAll(a.dir) }

func (a *Authority) make() error {
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "coatcheck test authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	caDER, err1 := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	serverDER, err2 := x509.CreateCertificate(rand.Reader, server, ca, key.Public(), caKey)
	keyDER, err3 := x509.MarshalPKCS8PrivateKey(key)
	return errors.Join(err1, err2, err3,
		writePEM(a.CA, "CERTIFICATE", caDER), writePEM(a.Certificate, "CERTIFICATE", serverDER), writePEM(a.Key, "PRIVATE KEY", keyDER))
}

// writePEM makes a file that only the servers' user may read, as PostgreSQL
// demands of a key.
func writePEM(file, kind string, der []byte) error {
	err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	if who, accountErr := unprivileged.Account(); accountErr == nil && who != nil && err == nil {
		err = os.Chown(file, int(who.Uid), int(who.Gid))
	}
	return err
}
