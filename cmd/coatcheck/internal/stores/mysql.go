package stores

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/coatcheck/coatcheck/sqlstore"
)

func openMySQL(ctx context.Context, text string, o Options) (*Opened, error) {
	db, err := mysqlDB(text)
	if err != nil {
		return nil, err
	}
	opened, err := newSQL(ctx, db, sqlstore.MySQL, o)
	if err != nil {
		return nil, err
	}
	opened.examine, opened.clock = examineMySQL(db, o), sqlClock(db, mysqlClock)
	return opened, nil
}

// mysqlConfig reads a URL. What stands behind ? are the driver's parameters,
// such as tls=true. Its errors show nothing of the URL.
func mysqlConfig(text string) (*mysql.Config, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") == "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: want mysql://user:password@host:3306/database, name and password percent-encoded", ErrURL)
	}
	cfg, err := mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: mysql: wrong parameters; want those of github.com/go-sql-driver/mysql", ErrURL)
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	cfg.TLS = nil // made again by NewConnector: ParseDSN did not know the host
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	cfg.InterpolateParams = true // else each statement is prepared first, a second round trip
	return cfg, nil
}
