package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// throwAway gives the server a certificate for this machine, good for a day, and says
// how to start a Chromium that trusts it. To click its warning away is not enough: the
// browser then passes over every header of the protocol.
func throwAway(server *http.Server) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}}
	log.Print("a browser that binds:\n  ", chromium(leaf, "https://"+server.Addr))
	return nil
}

// chromium is the command for one that binds, with a key in software, and trusts the
// key of that certificate.
func chromium(leaf *x509.Certificate, url string) string {
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return "chromium --user-data-dir=$(mktemp -d) --enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting" +
		" --ignore-certificate-errors-spki-list=" + base64.StdEncoding.EncodeToString(sum[:]) + " " + url
}
