package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// patience bounds every wait for something that must happen. It is long because
// a busy machine is no failure.
const patience = 150 * time.Second

// hosts are the names the browsers may reach, all of them this machine.
var hosts = []string{"app.test", "sub.app.test", "evil.test"}

// An issued certificate is what a server shows, with who signed it: the CA of the
// tests, which Chromium trusts. The others are told to take any certificate.
type issued struct {
	server    tls.Certificate
	authority []byte // DER
}

// certificate is one for hosts, and for localhost.
func certificate() (tls.Certificate, error) {
	i, err := issue()
	return i.server, err
}

var issue = sync.OnceValues(func() (i issued, err error) {
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "coatcheck e2e"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: hosts[0]},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: append([]string{"localhost"}, hosts...), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	now := time.Now()
	for _, c := range []*x509.Certificate{ca, leaf} {
		c.NotBefore, c.NotAfter = now.Add(-time.Hour), now.Add(24*time.Hour)
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return i, err
	}
	if i.authority, err = x509.CreateCertificate(rand.Reader, ca, ca, signer.Public(), signer); err != nil {
		return i, fmt.Errorf("certificate of the CA: %w", err)
	}
	if ca, err = x509.ParseCertificate(i.authority); err != nil {
		return i, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return i, err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), signer)
	if err != nil {
		return i, fmt.Errorf("certificate: %w", err)
	}
	leaf, err = x509.ParseCertificate(der)
	i.server = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return i, err
})

// trustingHome is a HOME in which Chromium finds that CA, as it finds one that an
// administrator gave it: in the database of NSS.
func trustingHome(certutil string) (string, error) {
	trusting.once.Do(func() {
		if trusting.home, trusting.err = subfolder("home"); trusting.err == nil {
			trusting.err = fillHome(certutil, trusting.home)
		}
	})
	return trusting.home, trusting.err
}

var trusting struct {
	once sync.Once
	home string
	err  error
}

func fillHome(certutil, home string) error {
	i, err := issue()
	if err != nil {
		return err
	}
	db := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		return err
	}
	file := filepath.Join(home, "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.authority}), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-t", "C,,", "-n", "coatcheck e2e", "-i", file}} {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		out, err := exec.CommandContext(ctx, certutil, append([]string{"-d", "sql:" + db}, args...)...).CombinedOutput()
		cancel()
		if err != nil {
			return fmt.Errorf("certutil %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}
