//go:build linux

package integration_test

import (
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/storetest"
)

func newMariaDBStores(t *testing.T, parameters ...string) func(*testing.T) coatcheck.Store {
	server := servers.MariaDB(t)
	db := openSQL(t, "mysql", server.DSN(server.NewDatabase(t), parameters...))
	return emptied(t, sqlstore.MySQL, db)
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newMariaDBStores(t))
}

func TestMariaDBFoundRows(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newMariaDBStores(t, "clientFoundRows=true", "interpolateParams=true"))
}

func TestMariaDBRace(t *testing.T) {
	t.Parallel()
	storetest.Race(t, newMariaDBStores(t, "interpolateParams=true"), 1000)
}
