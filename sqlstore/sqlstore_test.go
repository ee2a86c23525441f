package sqlstore_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

var (
	_ store.Store   = (*sqlstore.Store)(nil)
	_ store.Pinger  = (*sqlstore.Store)(nil)
	_ store.Counter = (*sqlstore.Store)(nil)
	_ store.Lister  = (*sqlstore.Store)(nil)
)

func TestNewChecksItsArguments(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(&fake{})
	defer db.Close()
	for _, c := range []struct {
		name    string
		db      *sql.DB
		dialect sqlstore.Dialect
		prefix  string
		want    string // in the error; empty: none
	}{
		{"all right", db, sqlstore.SQLite, "", ""},
		{"prefix", db, sqlstore.MySQL, "app_2_", ""},
		{"longest prefix", db, sqlstore.PostgreSQL, strings.Repeat("a", 30), ""},
		{"no database", nil, sqlstore.SQLite, "", "db is nil"},
		{"no dialect", db, 0, "", "dialect"},
		{"unknown dialect", db, 4, "", "dialect"},
		{"SQL in the prefix", db, sqlstore.SQLite, "x; DROP TABLE y; --", "Config.Prefix"},
		{"capitals", db, sqlstore.SQLite, "App_", "Config.Prefix"},
		{"digit first", db, sqlstore.SQLite, "2app_", "Config.Prefix"},
		{"too long", db, sqlstore.SQLite, strings.Repeat("a", 31), "Config.Prefix"},
	} {
		_, err := sqlstore.New(c.db, c.dialect, sqlstore.Config{Prefix: c.prefix})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// A schema is part of every statement, and so is checked; the error names the
// field.
func TestSchemaChecked(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(&fake{})
	defer db.Close()
	for _, c := range []struct {
		dialect sqlstore.Dialect
		schema  string
		want    string // in the error; empty: none
	}{
		{sqlstore.PostgreSQL, "app", ""},
		{sqlstore.PostgreSQL, "Tenant-1", ""},
		{sqlstore.PostgreSQL, "mandant_ä", ""},
		{sqlstore.PostgreSQL, strings.Repeat("a", 63), ""},
		{sqlstore.PostgreSQL, strings.Repeat("a", 64), "Config.Schema"},
		{sqlstore.PostgreSQL, strings.Repeat("a", 62) + "ä", "Config.Schema"},
		{sqlstore.PostgreSQL, `a"; DROP TABLE x; --`, "Config.Schema"},
		{sqlstore.PostgreSQL, "a.b", "Config.Schema"},
		{sqlstore.PostgreSQL, "a?", "Config.Schema"},
		{sqlstore.PostgreSQL, "{users}", "Config.Schema"},
		{sqlstore.PostgreSQL, "a\xff", "Config.Schema"},
		{sqlstore.PostgreSQL, "a\x00", "Config.Schema"},
		{sqlstore.SQLite, "app", "SQLite has no schemas"},
		{sqlstore.MySQL, "app", "in MySQL a schema is a database"},
	} {
		_, err := sqlstore.New(db, c.dialect, sqlstore.Config{Schema: c.schema})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, schema %q: got error %v, want one with %q", c.dialect, c.schema, err, c.want)
		}
		if _, err := sqlstore.Schema(c.dialect, sqlstore.Config{Schema: c.schema}); (err == nil) != (c.want == "") {
			t.Errorf("Schema of %v, schema %q: got error %v, want one: %t", c.dialect, c.schema, err, c.want != "")
		}
	}
}

// Only User and Deadline are indexed: a touch changes no index.
func TestSchemaIndexes(t *testing.T) {
	t.Parallel()
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL} {
		schema, err := sqlstore.Schema(dialect, sqlstore.Config{Prefix: "my_"})
		if err != nil {
			t.Fatal(err)
		}
		for _, column := range []string{"(usr)", "(deadline)"} {
			if !strings.Contains(schema, column) {
				t.Errorf("%v: no index on %s", dialect, column)
			}
		}
		for _, column := range []string{"(seen)", "(expires)", "(data)", "{", "?", "coatcheck_"} {
			if strings.Contains(schema, column) {
				t.Errorf("%v: the schema contains %s", dialect, column)
			}
		}
	}
	if _, err := sqlstore.Schema(0, sqlstore.Config{}); err == nil {
		t.Error("Schema of no dialect: got no error")
	}
}
