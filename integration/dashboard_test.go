//go:build linux

//lint:file-ignore SA1019 the form of version 1 is the one that every Grafana imports

package integration_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// The dashboard is one by Grafana's own schema: no field is unknown, of a wrong type
// or missing, in a panel of its type too; and each panel fits into the grid, has a
// title of its own and asks the data source that the variable names.
func TestDashboardSchema(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins()
	text := []byte(operationsFile(t, "dashboard.json"))
	// Where nothing is wrong its error is an empty list and not nil, for which it
	// leaves panels out: it is asked for faults alone.
	if err := new(dashboard.Dashboard).UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		t.Fatalf("dashboard.json:\n%v", err)
	}
	var board dashboard.Dashboard
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatalf("dashboard.json: %v", err)
	}
	if err := board.Validate(); err != nil {
		t.Fatalf("dashboard.json:\n%v", err)
	}
	var titles []string
	var ids []uint32
	for _, p := range board.Panels {
		if p.Panel == nil {
			continue
		}
		titles, ids = append(titles, *p.Panel.Title), append(ids, *p.Panel.Id)
		if at := p.Panel.GridPos; at == nil || at.X+at.W > 24 {
			t.Errorf("%s: it stands at %+v; the grid has 24 columns", *p.Panel.Title, at)
		}
		for _, target := range p.Panel.Targets {
			query, ok := target.(*prometheus.Dataquery)
			if !ok {
				t.Errorf("%s: a query of type %T", *p.Panel.Title, target)
				continue
			}
			source := p.Panel.Datasource
			if query.Datasource != nil {
				source = query.Datasource
			}
			if source == nil || source.Uid == nil || *source.Uid != "${datasource}" {
				t.Errorf("%s: asks another data source than the variable's: %+v", *p.Panel.Title, source)
			}
		}
	}
	if len(titles) < 15 {
		t.Errorf("found %d panels: mend this test", len(titles))
	}
	slices.Sort(titles)
	slices.Sort(ids)
	if len(slices.Compact(titles)) != len(board.Panels)-rowsOf(board) || len(slices.Compact(ids)) != len(board.Panels)-rowsOf(board) {
		t.Errorf("two panels have one title or id: %q %v", titles, ids)
	}
}

func rowsOf(board dashboard.Dashboard) (n int) {
	for _, p := range board.Panels {
		if p.Panel == nil {
			n++
		}
	}
	return n
}
