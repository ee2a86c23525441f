//go:build linux

package integration_test

import (
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

func TestMain(m *testing.M) {
	// The faults that tests make are not worth a line each.
	_ = mysql.SetLogger(&mysql.NopLogger{})
	os.Exit(servers.Main(m))
}
