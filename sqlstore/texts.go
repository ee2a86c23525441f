package sqlstore

import (
	"strconv"
	"strings"
)

// texts are the statements that all dialects share, but for spelling.
type texts struct {
	load, user    string
	next          string // the id that replaced one
	page          string // of a walk through all
	update, touch string
	insert        string // a record
	entomb        string // makes the row of a replaced session its tombstone
	revocation    string // of a user, as a login has to know it
	held          string // what a Replace has to know of the session it ends
	end           string // makes any row a tombstone
	revoke        string // records a revocation
	endUser       string // ends the sessions of a user and returns their ids
	count, size   string // for Stats

	over, revocations, idle, holds broom
}

// The columns of a record in the order of recordArgs, and of a look.
const (
	columns = "id, version, usr, auth_time, created, seen, expires, deadline, data"
	looks   = "version, usr, auth_time, created, seen, expires, deadline, CASE WHEN version = 0 THEN next_id ELSE data END"
)

// tombstone is what every way to end a session writes. Only what the sweep needs
// stays, and next_id.
const tombstone = "version = 0, usr = NULL, auth_time = 0, created = 0, seen = 0, expires = 0, kept = NULL, data = {empty}"

func newTexts(d Dialect, n names) texts {
	spell := func(query string) string { return spelled(d, n, query) }
	return texts{
		load: spell("SELECT " + looks + " FROM {sessions} WHERE id = ?"),
		user: spell("SELECT " + looks + ", id FROM {sessions} WHERE usr = ?"),
		next: spell("SELECT next_id FROM {sessions} WHERE id = ?"),
		page: spell("SELECT " + looks + ", id FROM {sessions} WHERE id > ? AND version <> 0 ORDER BY id LIMIT ?"),
		// S3: a touch that came meanwhile is never undone.
		update: spell("UPDATE {sessions} SET version = ?, auth_time = ?, created = ?," +
			" seen = {max}(seen, ?), expires = {max}(expires, ?), deadline = ?, data = ?" +
			" WHERE id = ? AND version = ? AND version <> 0"),
		touch: spell("UPDATE {sessions} SET seen = {max}(seen, ?), expires = {max}(expires, ?)" +
			" WHERE id = ? AND version <> 0"),
		insert: spell("INSERT INTO {sessions} (" + columns + ", kept) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) " +
			onConflict(d)),
		entomb:     spell("UPDATE {sessions} SET " + tombstone + ", deadline = ?, next_id = ? WHERE id = ?"),
		revocation: spell("SELECT revoked, keep FROM {users} WHERE usr = ?"),
		held:       spell("SELECT version, kept FROM {sessions} WHERE id = ?"),
		// S6: an earlier tombstone keeps its successor and the later time.
		end: spell("INSERT INTO {sessions} AS s (id, version, auth_time, created, seen, expires, deadline, data)" +
			" VALUES (?, 0, 0, 0, 0, 0, ?, {empty}) ON CONFLICT (id) DO UPDATE SET {tombstone}, deadline =" +
			" CASE WHEN s.version = 0 THEN {max}(s.deadline, excluded.deadline) ELSE excluded.deadline END" +
			" RETURNING next_id"),
		// The last call's list counts: what an earlier one kept has been ended
		// by this one, or is on its list again.
		revoke: spell("INSERT INTO {users} AS u (usr, revoked, deadline, keep) VALUES (?, ?, ?, ?)" +
			" ON CONFLICT (usr) DO UPDATE SET keep = excluded.keep," +
			" revoked = {max}(COALESCE(u.revoked, excluded.revoked), excluded.revoked)," +
			" deadline = {max}(COALESCE(u.deadline, excluded.deadline), excluded.deadline)"),
		endUser: spell("UPDATE {sessions} SET {tombstone}, deadline = ? WHERE usr = ? AND " + notIn(d) + " RETURNING id"),
		count: spell("SELECT COUNT(*), COUNT(CASE WHEN version <> 0 THEN 1 END), COUNT(DISTINCT usr)" +
			" FROM (SELECT version, usr FROM {sessions} LIMIT ?) AS rows_of_table"),
		size: spell(size(d)),

		over: newBroom(d, n, "{sessions}", "id",
			"SELECT id FROM {sessions} WHERE deadline < ? ORDER BY deadline LIMIT ?", "deadline + 0 < ?"),
		revocations: newBroom(d, n, "{users}", "usr",
			"SELECT usr FROM {users} WHERE deadline < ? ORDER BY deadline LIMIT ?", "deadline + 0 < ?"),
		holds: newBroom(d, n, "{users}", "usr",
			"SELECT usr FROM {users} WHERE deadline IS NULL LIMIT ?", "deadline IS NULL"),
		idle: newBroom(d, n, "{sessions}", "id",
			"SELECT id, deadline, version <> 0 AND expires < ? FROM {sessions} WHERE deadline > ? ORDER BY deadline LIMIT ?",
			"version <> 0 AND expires < ?"),
	}
}

// spelled puts the names of the tables into a statement, and what the dialects
// call differently.
func spelled(d Dialect, n names, query string) string {
	most, empty := "GREATEST", "''"
	if d == SQLite {
		most, empty = "max", "x''" // '' would be a text, and not equal to a blob
	}
	query = strings.ReplaceAll(query, "{tombstone}", tombstone)
	query = strings.NewReplacer("{sessions}", n.table("sessions"), "{users}", n.table("users"), "{schema}", n.table("schema"),
		"{prefix}", n.prefix, "{max}", most, "{empty}", empty).Replace(query)
	if d != PostgreSQL {
		return query
	}
	var out strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			out.WriteByte('$')
			out.WriteString(strconv.Itoa(i))
		}
		out.WriteString(part)
	}
	return out.String()
}

// onConflict makes an insert do nothing where the id is in use. MySQL's count of
// rows does not say which it was if the connection counts found rows; the id of
// the insert does.
func onConflict(d Dialect) string {
	if d == MySQL {
		return "ON DUPLICATE KEY UPDATE id = IF(LAST_INSERT_ID(1) = 1, id, id)"
	}
	return "ON CONFLICT (id) DO NOTHING"
}

// notIn is the condition that an id is not in a list, given as one value.
func notIn(d Dialect) string {
	if d == PostgreSQL {
		return "position(id IN ?::bytea) = 0"
	}
	return "instr(?, id) = 0"
}
