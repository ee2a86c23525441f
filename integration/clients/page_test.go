//go:build linux

package clients_test

import (
	"crypto/tls"
	"encoding/pem"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

var update = flag.Bool("update", false, "write the tables of docs/guide/clients.md")

// A table of the page is made from the runs, one row for each client.
type table struct {
	mark    string // the comment behind which it stands
	titles  []string
	answers func(run) []string
}

// A run is what one client did.
type run struct {
	keeps, version           string
	walk                     []string // over plain HTTP, over HTTPS
	secure, lifetime, others []string
}

func titles(traits []trait) (list []string) {
	for _, q := range traits {
		list = append(list, q.title)
	}
	return list
}

var tables = []table{
	{"walk", []string{"its cookies", "version", "over `http://localhost`", "over HTTPS"}, func(r run) []string { return append([]string{r.keeps, r.version}, r.walk...) }},
	{"secure", titles(secureTraits), func(r run) []string { return r.secure }},
	{"lifetime", titles(lifetimeTraits), func(r run) []string { return r.lifetime }},
	{"others", titles(otherTraits), func(r run) []string { return r.others }},
}

// Every client walks through coatcheck serve as a person does: all of it over
// HTTPS, and over plain HTTP where it sends Secure cookies to localhost. Whatever
// each does with cookies is what docs/guide/clients.md says.
func TestClients(t *testing.T) {
	authority := servers.NewAuthority(t)
	program := servers.NewCoatcheck(t)
	plain, secure := program.Serve(t, "--store", "memory:"), program.Serve(t, "--store", "memory:", "--tls")
	ca := trusted(t, authority, secure.Port)
	site := newJarSite(t, authority)
	runs := make(map[string]run)
	var mu sync.Mutex
	t.Run("each", func(t *testing.T) {
		for _, c := range clients {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				d := c.start(t, ca)
				r := run{keeps: c.keeps, version: d.version(), secure: answers(t, d, site, secureTraits),
					lifetime: answers(t, d, site, lifetimeTraits), others: answers(t, d, site, otherTraits)}
				r.walk = []string{"needs `--tls`", "all of it"}
				take(t, d, fmt.Sprintf("https://localhost:%d", secure.Port), "tls-"+letters(c.name))
				if r.secure[0] == sent {
					take(t, d, fmt.Sprintf("http://localhost:%d", plain.Port), "http-"+letters(c.name))
					r.walk[0] = "all of it"
				}
				t.Logf("%s %+v", c.name, r)
				mu.Lock()
				defer mu.Unlock()
				runs[c.name] = r
			})
		}
	})
	if !t.Failed() {
		comparePage(t, runs)
	}
}

// trusted is a file with what the clients trust: the authority, and the
// throw-away certificate of coatcheck serve.
func trusted(t *testing.T, authority *servers.Authority, port int) string {
	t.Helper()
	text, err := os.ReadFile(authority.CA)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw})...)
	name := filepath.Join(t.TempDir(), "trusted.pem")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// comparePage compares the page's rows with the runs. A client that did not run
// keeps its row, and one of another version may differ: the page tells of those
// that it names.
func comparePage(t *testing.T, runs map[string]run) {
	t.Helper()
	name := filepath.Join("..", "..", "docs", "guide", "clients.md")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	said := versions(page)
	for _, x := range tables {
		begin := "<!-- table " + x.mark + " -->\n\n"
		before, rest, ok := strings.Cut(page, begin)
		old, after, ok2 := strings.Cut(rest, "\n\n")
		if !ok || !ok2 {
			t.Fatalf("docs/guide/clients.md has no %q", begin)
		}
		made := x.rows(t, rowsOf(old), said, runs)
		if *update {
			page = before + begin + made + "\n\n" + after
		} else if made != old {
			t.Errorf("docs/guide/clients.md says\n%s\nand the clients do\n%s\nrun go test ./integration/clients -update", old, made)
		}
	}
	if *update {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// rowsOf is the rows of a table by their client.
func rowsOf(table string) map[string]string {
	rows := make(map[string]string)
	for line := range strings.Lines(table) {
		line = strings.TrimSuffix(line, "\n")
		if cells := strings.Split(line, " | "); len(cells) > 1 {
			rows[strings.TrimPrefix(cells[0], "| ")] = line
		}
	}
	return rows
}

// versions is those that the page names.
func versions(page string) map[string]string {
	found := make(map[string]string)
	_, rest, _ := strings.Cut(page, "<!-- table "+tables[0].mark+" -->\n\n")
	first, _, _ := strings.Cut(rest, "\n\n")
	for name, row := range rowsOf(first) {
		found[name] = strings.Split(row, " | ")[2]
	}
	return found
}

func (x table) rows(t *testing.T, old, said map[string]string, runs map[string]run) string {
	t.Helper()
	lines := []string{
		"| client | " + strings.Join(x.titles, " | ") + " |",
		"| --- |" + strings.Repeat(" --- |", len(x.titles)),
	}
	for _, c := range clients {
		r, ran := runs[c.name]
		row := fmt.Sprintf("| %s | %s |", c.name, strings.Join(x.answers(r), " | "))
		switch was, known := old[c.name]; {
		case !ran && !known:
			t.Errorf("%s did not run, and the page does not know it", c.name)
			continue
		case !ran:
			row = was
		case known && !*update && row != was && r.version != said[c.name]:
			t.Logf("%s is %s here, which is not the page's version, and differs:\n%s\n%s", c.name, r.version, was, row)
			row = was
		}
		lines = append(lines, row)
	}
	return strings.Join(lines, "\n")
}

// letters are those of a name.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, name)
}
