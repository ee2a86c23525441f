package report

import (
	_ "embed"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"text/template"
)

//go:embed page.md.tmpl
var pageText string

// Page makes the page and its charts, by their paths from the folder docs.
func Page(r *Results) (map[string][]byte, error) {
	out := make(map[string][]byte)
	drawn := charts(r)
	for _, name := range slices.Sorted(maps.Keys(drawn)) {
		svg, err := drawn[name].svg()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[path.Join("performance", name)] = svg
	}
	tables := r.tables()
	t, err := template.New("page").Funcs(template.FuncMap{
		"table": func(name string) (string, error) {
			t, ok := tables[name]
			if !ok {
				return "", fmt.Errorf("no table %q", name)
			}
			return strings.TrimSuffix(t.markdown(), "\n"), nil
		},
		"chart": func(name string) string {
			c, ok := drawn[name]
			if !ok {
				return ""
			}
			return fmt.Sprintf("![%s](performance/%s)", c.title, name)
		},
		"budgets": func() string { return strings.TrimSuffix(r.budgetTable(budgets()), "\n") },
		"targets": func() string { return strings.TrimSuffix(r.targetTable(targets()), "\n") },
		"parts": func() string {
			sum, _ := r.sum("ns/op", readParts...)
			return number(sum)
		},
		"header": func(key string) string { return r.Header[key] },
		"lines":  func(key string) []string { return strings.Split(r.Header[key], "; ") },
		"value":  func(name, unit string, scale float64) string { return orDash(r.cell(name, unit, scale)) },
		"over":   func(a, b, unit string) string { return orDash(r.over(a, b, unit)) },
		"rounds": func(name string) int { return len(r.Rows[name]["ns/op"]) },
	}).Parse(pageText)
	if err != nil {
		return nil, err
	}
	var page strings.Builder
	if err := t.Execute(&page, nil); err != nil {
		return nil, err
	}
	out["performance.md"] = []byte(page.String())
	return out, nil
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}
