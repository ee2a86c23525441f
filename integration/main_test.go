//go:build linux

package integration_test

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

func TestMain(m *testing.M) {
	// They wait for servers more than they compute; -parallel still wins.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	flag.Parse()
	// The faults that tests make are not worth a line each.
	_ = mysql.SetLogger(&mysql.NopLogger{})
	os.Exit(servers.Main(m))
}
