//go:build linux

package integration_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// A tlsPlace is a server with a certificate of an authority that only the test
// knows.
type tlsPlace struct {
	name string
	url  string                                             // for the program
	open func(t *testing.T, ca string) (store.Store, error) // as an application opens it that trusts the file ca
}

func tlsPlaces(t *testing.T, authority *servers.Authority) []tlsPlace {
	postgres := servers.NewPostgres(t, "-c", "ssl=on", "-c", "ssl_cert_file="+authority.Certificate, "-c", "ssl_key_file="+authority.Key)
	pg := strings.Replace(postgres.DSN(postgres.NewDatabase(t)), "sslmode=disable", "sslmode=verify-full", 1)
	mariadb := servers.NewMariaDB(t, "--ssl-cert="+authority.Certificate, "--ssl-key="+authority.Key)
	my := mariadb.NewDatabase(t)
	_, redis := servers.NewTLSRedis(t, authority)
	return []tlsPlace{
		{"PostgreSQL", pg, func(t *testing.T, ca string) (store.Store, error) {
			st, err := sqlstore.New(openSQL(t, "pgx", pg+"&sslrootcert="+ca), sqlstore.PostgreSQL, sqlstore.Config{})
			if err != nil {
				return nil, err
			}
			return st, st.Migrate(t.Context())
		}},
		{"MariaDB", mariadb.URL(my) + "?tls=true", func(t *testing.T, ca string) (store.Store, error) {
			name := rand.Text()
			if err := mysql.RegisterTLSConfig(name, trust(t, ca)); err != nil {
				return nil, err
			}
			st, err := sqlstore.New(openSQL(t, "mysql", mariadb.DSN(my, "tls="+name)), sqlstore.MySQL, sqlstore.Config{})
			if err != nil {
				return nil, err
			}
			return st, st.Migrate(t.Context())
		}},
		{"Redis", "rediss://" + redis, func(t *testing.T, ca string) (store.Store, error) {
			option, err := redisstore.ParseURL("rediss://" + redis)
			if err != nil {
				return nil, err
			}
			option.TLSConfig.RootCAs = trust(t, ca).RootCAs
			st, err := redisstore.New(t.Context(), option, redisstore.Config{})
			if err == nil {
				t.Cleanup(st.Close)
			}
			return st, err
		}},
	}
}

func trust(t *testing.T, ca string) *tls.Config {
	t.Helper()
	file, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(file) {
		t.Fatal("no certificate in the file")
	}
	return &tls.Config{RootCAs: roots}
}

// TestTLS: stores and the program talk to a server whose certificate is of an
// authority that they were told to trust, and to no other.
func TestTLS(t *testing.T) {
	t.Parallel()
	const refusal = "certificate signed by unknown authority"
	authority, stranger := servers.NewAuthority(t), servers.NewAuthority(t)
	for _, place := range tlsPlaces(t, authority) {
		t.Run(place.name, func(t *testing.T) {
			st, err := place.open(t, authority.CA)
			if err != nil {
				t.Fatal(err)
			}
			rec := newRecord("user")
			if err := st.Create(t.Context(), rec); err != nil {
				t.Error(err)
			}
			if list, err := st.User(t.Context(), "user"); err != nil || len(list) != 1 {
				t.Errorf("User: got %v, %v; want the session", list, err)
			}
			if _, err := place.open(t, stranger.CA); err == nil || !strings.Contains(err.Error(), refusal) {
				t.Errorf("with the wrong authority: got error %v, want %q", err, refusal)
			}

			program := newProgram(t)
			program.Env = append(program.Env, "SSL_CERT_FILE="+authority.CA)
			run(t, program, 0, "The store keeps every rule.\n", "store", "check", "--store", place.url)
			v := newVisitor(newClient(t, 1))
			v.must(t, program.Serve(t, "--store", place.url), "POST", "/login", http.StatusOK, "Logged in")
			run(t, program, 0, `{"revoked":1}`, "sessions", "revoke", "--store", place.url, "--user", "123", "--all", "--json")
			if place.name == "PostgreSQL" { // whose URL can name the file
				program.Env = nil
				run(t, program, 0, "The store keeps every rule.\n", "store", "check", "--store", place.url+"&sslrootcert="+authority.CA)
				run(t, program, 1, refusal, "store", "check", "--store", place.url+"&sslrootcert="+stranger.CA)
			}
			for _, trusted := range []string{stranger.CA, ""} { // "": what the system trusts
				program.Env = []string{"SSL_CERT_FILE=" + trusted}
				run(t, program, 1, refusal, "store", "check", "--store", place.url)
				run(t, program, 1, refusal, "serve", "--addr", "127.0.0.1:0", "--store", place.url)
			}
		})
	}
}
