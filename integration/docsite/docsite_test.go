package docsite

import (
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

const (
	repository = "../.."
	source     = "https://github.com/coatcheck/coatcheck/"
)

// A page is a page of the site: what it links to, and where links can lead in it.
type page struct {
	links []string
	ids   map[string]bool
}

// Every page of docs/ is on the site, every link on the site leads somewhere, those
// to files outside of docs/ and to headings too, and the search knows every page.
func TestSite(t *testing.T) {
	site := build(t)
	pages := readSite(t, site)
	for _, name := range sources(t) {
		if _, ok := pages[name]; !ok {
			t.Errorf("the site has no page %s", name)
		}
	}
	outside := 0
	for name, p := range pages {
		for _, link := range p.links {
			if strings.HasPrefix(link, source) {
				outside++
				checkSource(t, name, link)
				continue
			}
			checkLink(t, site, pages, name, link)
		}
	}
	if outside == 0 {
		t.Error("no link leads to a file outside of docs/")
	}
	checkSearch(t, site, pages)
}

// build runs what make docs runs.
func build(t *testing.T) string {
	t.Helper()
	servers.Program(t, "node", "nodejs")
	servers.Program(t, "npm", "npm")
	out := filepath.Join(t.TempDir(), "site")
	cmd := exec.CommandContext(t.Context(), "../../tools/docs.sh", out)
	text, err := cmd.CombinedOutput()
	switch {
	case err == nil:
	case strings.Contains(string(text), "npm error") && os.Getenv("COATCHECK_REQUIRE_ALL") == "":
		t.Skipf("npm cannot install: %v", err)
	default:
		t.Fatalf("docs.sh: %v\n%s", err, text)
	}
	return out
}

// sources are the pages that the site must have, as paths of the site.
func sources(t *testing.T) (names []string) {
	t.Helper()
	docs := os.DirFS(filepath.Join(repository, "docs"))
	err := fs.WalkDir(docs, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".md") {
			name = strings.TrimSuffix(name, ".md") + ".html"
			names = append(names, strings.Replace(name, "README.html", "index.html", 1))
		}
		return err
	})
	if err != nil || len(names) < 30 {
		t.Fatalf("docs has %d pages, %v", len(names), err)
	}
	return names
}

func readSite(t *testing.T, site string) map[string]page {
	t.Helper()
	pages := map[string]page{}
	err := fs.WalkDir(os.DirFS(site), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".html") || name == "404.html" {
			return err
		}
		f, err := os.Open(filepath.Join(site, name))
		if err != nil {
			return err
		}
		defer f.Close()
		root, err := html.Parse(f)
		if err != nil {
			return err
		}
		p := page{ids: map[string]bool{}}
		for n := range root.Descendants() {
			for _, a := range n.Attr {
				switch a.Key {
				case "href", "src":
					p.links = append(p.links, a.Val)
				case "id":
					p.ids[a.Val] = true
				}
			}
		}
		pages[name] = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// checkSource checks a link to a file of the repository that is no page.
func checkSource(t *testing.T, from, link string) {
	t.Helper()
	rest := strings.TrimPrefix(link, source)
	kind, name, ok := strings.Cut(rest, "/main/")
	name, _, _ = strings.Cut(name, "#")
	info, err := os.Stat(filepath.Join(repository, name))
	if !ok || err != nil || info.IsDir() != (kind == "tree") {
		t.Errorf("%s links to %s, which the repository does not have", from, link)
	}
}

// checkLink checks a link within the site; others it cannot know.
func checkLink(t *testing.T, site string, pages map[string]page, from, link string) {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Errorf("%s: link %q: %v", from, link, err)
		return
	}
	if u.Scheme != "" || u.Host != "" {
		return
	}
	to := from
	if u.Path != "" {
		to = path.Join(path.Dir("/"+from), u.Path)
		if strings.HasPrefix(u.Path, "/") {
			to = u.Path
		}
		if strings.HasSuffix(to, "/") {
			to += "index.html"
		}
		to = strings.TrimPrefix(to, "/")
	}
	p, isPage := pages[to]
	if _, err := os.Stat(filepath.Join(site, to)); err != nil {
		t.Errorf("%s links to %s, which the site does not have", from, link)
	} else if u.Fragment != "" && isPage && !p.ids[u.Fragment] {
		t.Errorf("%s links to %s, which has no such heading", from, link)
	}
}

// checkSearch looks for each page in the index that the search loads.
func checkSearch(t *testing.T, site string, pages map[string]page) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(site, "assets/chunks/@localSearchIndex*.js"))
	if err != nil || len(found) != 1 {
		t.Fatalf("search indexes: %q, %v; want one", found, err)
	}
	index, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	for name := range pages {
		address := "/" + strings.TrimSuffix(name, "index.html")
		if !strings.Contains(string(index), `"`+address+`#`) {
			t.Errorf("the search does not know %s", address)
		}
	}
}
