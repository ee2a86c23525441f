package repotest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const eventsPage = "docs/guide/events.md"

// text returns what a string literal says, or "".
func text(e ast.Expr) string {
	if sum, ok := e.(*ast.BinaryExpr); ok { // TokenHeader + " from elsewhere"
		return text(sum.Y)
	}
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(lit.Value)
	return s
}

// withoutFront is a reason without what stands before several of them.
func withoutFront(reason string) string {
	for _, front := range [...]string{"session cookie: ", "bound session: ", "registration: ", "proof: "} {
		reason = strings.TrimPrefix(reason, front)
	}
	return reason
}

// Each kind of event has a paragraph in the guide, found by its name, and each
// reason stands there: the list is fixed.
func TestEventsAreInTheGuide(t *testing.T) {
	t.Parallel()
	page := strings.Join(strings.Fields(read(t, eventsPage)), " ")
	kinds := 0
	reasons := 0
	for _, name := range files(t, ".go") {
		if !tells(name) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if len(n.Values) == 0 {
					break
				}
				says := wholeText(n.Values[0])
				if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "Kind" {
					kinds++
					if !regexp.MustCompile("### `" + regexp.QuoteMeta(says) + "` `" + n.Names[0].Name + "`: [a-z`\"]").MatchString(page) {
						t.Errorf("%s has no paragraph on %s: want the heading ### `%s`, and below it `%s`: what it means", eventsPage, n.Names[0].Name, says, n.Names[0].Name)
					}
				}
				if strings.HasPrefix(n.Names[0].Name, "reason") {
					reasons++
					if !strings.Contains(page, withoutFront(says)+`"`) {
						t.Errorf("%s does not say what the reason %q means", eventsPage, says)
					}
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Reason" && text(n.Value) != "" {
					t.Errorf("%s: the reason %q of an event is not in the list: make it a constant of event.go", name, text(n.Value))
				}
			case *ast.CallExpr:
				f, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || f.Sel.Name != "storeError" {
					break
				}
				if what := text(n.Args[len(n.Args)-2]); what != "" && !strings.Contains(page, `"`+what+`"`) {
					t.Errorf("%s: %s does not say that a store may fail to %q", name, eventsPage, what)
				}
			}
			return true
		})
	}
	if kinds < 19 || reasons < 40 {
		t.Errorf("found %d kinds and %d reasons: mend this test", kinds, reasons)
	}
}
