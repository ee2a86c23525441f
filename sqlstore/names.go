package sqlstore

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// names are what a Config calls things, checked: both become part of statements.
type names struct{ prefix, schema string }

const (
	// maxPrefix leaves room for the names of tables and indexes, of which
	// PostgreSQL keeps 63 bytes.
	maxPrefix = 30
	maxSchema = 63
)

// names checks dialect and Config.
func (c Config) names(dialect Dialect) (names, error) {
	n := names{c.Prefix, c.Schema}
	if dialect < SQLite || dialect > MySQL {
		return n, fmt.Errorf("sqlstore: dialect is %v; want SQLite, PostgreSQL or MySQL", dialect)
	}
	if n.prefix == "" {
		n.prefix = "coatcheck_"
	}
	for i, r := range n.prefix {
		if !(r >= 'a' && r <= 'z' || r == '_' || r >= '0' && r <= '9' && i > 0) || i >= maxPrefix {
			return n, fmt.Errorf("sqlstore: Config.Prefix is %q; want at most %d of a-z, 0-9 and _, not a digit first", c.Prefix, maxPrefix)
		}
	}
	return n, checkSchema(dialect, n.schema)
}

func checkSchema(dialect Dialect, schema string) error {
	switch {
	case schema == "":
		return nil
	case dialect == SQLite:
		return errors.New("sqlstore: Config.Schema is set; SQLite has no schemas: give these tables a file, or Config.Prefix")
	case dialect == MySQL:
		return errors.New("sqlstore: Config.Schema is set; in MySQL a schema is a database: name it in the connection string")
	}
	for i, r := range schema {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' || i+utf8.RuneLen(r) > maxSchema {
			return fmt.Errorf("sqlstore: Config.Schema is %q; want at most %d bytes of letters, digits, _ and -", schema, maxSchema)
		}
	}
	return nil
}

// quoted is the schema in a statement. No letter of it needs more than quotes.
func (n names) quoted() string { return `"` + n.schema + `"` }

// table is the whole name of a table.
func (n names) table(name string) string {
	if n.schema == "" {
		return n.prefix + name
	}
	return n.quoted() + "." + n.prefix + name
}
