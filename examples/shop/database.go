package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/coatcheck/coatcheck/sqlstore"
)

// A database keeps accounts, passkeys and orders, and the sessions beside them.
type database struct {
	*sql.DB
	sessions *sqlstore.Store
	close    func()
}

// schema is read by PostgreSQL and SQLite alike. An account has a login and a
// password, or came from an OpenID provider, or both are NULL.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS account (id TEXT PRIMARY KEY, name TEXT NOT NULL, login TEXT UNIQUE, password TEXT)`,
	`CREATE TABLE IF NOT EXISTS passkey (id BYTEA PRIMARY KEY, account TEXT NOT NULL, data TEXT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS purchase (id TEXT PRIMARY KEY, account TEXT NOT NULL, goods TEXT NOT NULL, placed BIGINT NOT NULL, packed BIGINT, told BIGINT)`,
	`CREATE INDEX IF NOT EXISTS purchase_account ON purchase (account)`,
}

// openDatabase takes the URL of a PostgreSQL server or the name of a SQLite file.
func openDatabase(ctx context.Context, where string) (d *database, err error) {
	if strings.HasPrefix(where, "postgres://") {
		d, err = openPostgres(ctx, where)
	} else {
		d, err = openSQLite(where)
	}
	if err != nil {
		return nil, err
	}
	err = d.sessions.Migrate(ctx)
	for _, statement := range schema {
		if err == nil {
			_, err = d.ExecContext(ctx, statement)
		}
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// openPostgres makes one pool for everything. PgBouncer gives each transaction
// another connection: nothing may be prepared on one (QueryExecModeExec), and
// every statement of the sessions names its schema.
func openPostgres(ctx context.Context, url string) (*database, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDBFromPool(pool)
	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{Schema: "sessions"})
	return &database{db, store, func() { db.Close(); pool.Close() }}, err
}

func openSQLite(file string) (*database, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Config{})
	return &database{db, store, func() { db.Close() }}, err
}

// An account is a customer. Its id is what the session calls the user.
type account struct {
	ID, Name string
	password string // its hash; "" where an OpenID provider knows them
	passkeys []webauthn.Credential
}

var errNoAccount = errors.New("no such account")

// addAccount fails with a message for people where the login is taken.
func (d *database) addAccount(ctx context.Context, id, login, hash string) (bool, error) {
	res, err := d.ExecContext(ctx, `INSERT INTO account (id, name, login, password) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, id, login, login, hash)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// noteOpenID remembers who signed in by the provider. Nobody is found by name or
// address there: whoever chose the same one elsewhere would get the account.
func (d *database) noteOpenID(ctx context.Context, id, name string) error {
	_, err := d.ExecContext(ctx, `INSERT INTO account (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name`, id, name)
	return err
}

func (d *database) accountByLogin(ctx context.Context, login string) (*account, error) {
	return d.accountWhere(ctx, `login = $1`, login)
}

func (d *database) accountByID(ctx context.Context, id string) (*account, error) {
	return d.accountWhere(ctx, `id = $1`, id)
}

func (d *database) accountWhere(ctx context.Context, condition, value string) (*account, error) {
	var a account
	err := d.QueryRowContext(ctx, `SELECT id, name, COALESCE(password, '') FROM account WHERE `+condition, value).Scan(&a.ID, &a.Name, &a.password)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoAccount
	}
	if err != nil {
		return nil, err
	}
	rows, err := d.QueryContext(ctx, `SELECT data FROM passkey WHERE account = $1`, a.ID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		var key webauthn.Credential
		if err := errors.Join(rows.Scan(&data), json.Unmarshal(data, &key)); err != nil {
			return nil, err
		}
		a.passkeys = append(a.passkeys, key)
	}
	return &a, rows.Err()
}

func (d *database) setPassword(ctx context.Context, id, hash string) error {
	_, err := d.ExecContext(ctx, `UPDATE account SET password = $2 WHERE id = $1`, id, hash)
	return err
}

// keepPasskey stores a new passkey, or the counter of one that was used.
func (d *database) keepPasskey(ctx context.Context, account string, key *webauthn.Credential) error {
	data, err := json.Marshal(key)
	if err != nil {
		return err
	}
	_, err = d.ExecContext(ctx, `INSERT INTO passkey (id, account, data) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET data = excluded.data`, key.ID, account, string(data))
	return err
}

// A purchase is an order that somebody placed.
type purchase struct {
	ID, Goods string
	Placed    time.Time
	Packed    bool
}

// place stores an order once, however often it is sent.
func (d *database) place(ctx context.Context, account, id, goods string) error {
	_, err := d.ExecContext(ctx, `INSERT INTO purchase (id, account, goods, placed) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING`, id, account, goods, time.Now().UnixMicro())
	return err
}

func (d *database) purchases(ctx context.Context, account string) (list []purchase, err error) {
	rows, err := d.QueryContext(ctx, `SELECT id, goods, placed, packed IS NOT NULL FROM purchase WHERE account = $1 ORDER BY placed DESC`, account)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p purchase
		var placed int64
		if err := rows.Scan(&p.ID, &p.Goods, &placed, &p.Packed); err != nil {
			return nil, err
		}
		p.Placed = time.UnixMicro(placed).UTC()
		list = append(list, p)
	}
	return list, rows.Err()
}

// packAll packs what was placed before a moment ago.
func (d *database) packAll(ctx context.Context, placedBefore time.Time) error {
	_, err := d.ExecContext(ctx, `UPDATE purchase SET packed = $1 WHERE packed IS NULL AND placed < $2`, time.Now().UnixMicro(), placedBefore.UnixMicro())
	return err
}

// news returns what was packed and not told yet, once.
func (d *database) news(ctx context.Context, account string) (goods []string, err error) {
	rows, err := d.QueryContext(ctx, `UPDATE purchase SET told = $1 WHERE account = $2 AND packed IS NOT NULL AND told IS NULL RETURNING goods`, time.Now().UnixMicro(), account)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		goods = append(goods, one)
	}
	return goods, rows.Err()
}
