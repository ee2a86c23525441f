package mutants_test

import (
	"slices"

	"github.com/coatcheck/coatcheck/internal/overlay"
)

// edit is a mutant's change in one file.
func edit(file, old, new string) []overlay.Edit {
	return []overlay.Edit{{File: file, Old: old, New: new}}
}

var (
	tokensThatStay = edit("commit.go", `c.fresh = !s.live || s.identity != keepToken`, `c.fresh = !s.live`)
	macUnchecked   = edit("token.go", `subtle.ConstantTimeCompare(mac[:], token[tokenHead:]) == 1`, `subtle.ConstantTimeCompare(mac[:], token[tokenHead:]) >= 0`)
	tokenAsID      = edit("token.go", `return sha256.Sum256(b[:])`, `return ID(append(random[:18:18], b[:14]...))`)
	noVersions     = []overlay.Edit{
		{File: "memstore/memstore.go", Old: `if e.version != was {`, New: `if false {`},
		{File: "commit.go", Old: `if turn.last.Version != 0 && (waited`, New: `if false && (waited`},
	}
)

var mutants = []mutant{
	// One for each attack.
	{"a login keeps the token", "TestFixation_CVE_2022_25896_CVE_2024_38513_CVE_2023_22479", "attack", tokensThatStay},
	{"the id is the token, which has no MAC", "TestStoreDump_CVE_2026_53603", "attack", slices.Concat(tokenAsID, macUnchecked)},
	{"sealed data is not bound to its row", "TestStoreDump_CVE_2026_53603", "attack", edit("sealedstore/sealedstore.go", `label+string(id[:])`, `label`)},
	{"the first of two cookies is believed", "TestCookieTossing_CVE_2023_27495_CookieCrumbles", "attack",
		edit("cookie/read.go", `return "", &ForgedError{c.name, ReasonDuplicate}`, `continue`)},
	{"of two sessions that live one is believed", "TestCookieTossing_CVE_2023_27495_CookieCrumbles", "attack",
		edit("namesakes.go", `case says == saysLive && best.says == saysLive:`, `case false:`)},
	{"names match in any case", "TestNameSmuggling_CVE_2023_23934_WS_2022_0330", "attack",
		edit("cookie/read.go", `if !strings.HasPrefix(pair, c.start) {`, `if len(pair) < len(c.start) || !strings.EqualFold(pair[:len(c.start)], c.start) {`)},
	{"a marker without its session is a logout", "TestJarOverflow_RFC6265bis_8_6", "attack", edit("load.go", `s.noCookie = true`, `s.noCookie, s.left = true, true`)},
	{"requests from everywhere are let through", "TestCSRF_CVE_2025_24358_CVE_2025_46721_Gokapi", "attack",
		edit("origin.go", `if err := m.cfg.CrossOrigin.Check(r); err != nil {`, `if err := error(nil); err != nil {`)},
	{"nobody asks the revoker", "TestCookieReplay_CVE_2024_31999_CVE_2025_53826", "attack",
		edit("incookie.go", `if err == nil && !rec.Began.After(at) {`, `if false {`)},
	{"a logout clears only the cookie", "TestLogoutOnTheServer_CVE_2026_30224_CVE_2023_20862", "attack",
		edit("session.go", `c.leaving, c.leaver = s.base.ID, s.base.User`, `c.leaver = s.base.User`)},
	{"records do not run out", "TestExpiryOnTheServer_CVE_2024_35220", "attack", edit("manager.go", `return !r.Expires.After(t) || !r.Deadline.After(t)`, `return false`)},
	{"a revocation ends nothing", "TestRememberMe_CVE_2026_56750", "attack",
		edit("manager.go", `ended, err := m.carrier.EndUser(ctx, user, at, clock().Add(tombstoneLife), kept...)`, `ended, err := []ID(nil), error(nil)`)},
	{"a late write makes the session again", "TestResurrection_CVE_2025_32441_CVE_2025_46336", "attack", []overlay.Edit{
		{File: "commit.go", Old: "if s.identity != logIn {\n\t\t\treturn ErrEnded\n\t\t}", New: ""},
		{File: "commit.go", Old: `case s.ended && s.identity != logIn:`, New: `case false:`},
	}},
	{"commits do not ask for the version", "TestLostUpdate_dbsc_php", "attack", noVersions},
	{"a commit gets whoever's record was stored last", "TestStateBleeding_CVE_2026_24894", "attack",
		edit("queue.go", `if s.recent[i].ID == *id {`, `if s.recent[i].Version != 0 {`)},
	{"the id is the token itself", "TestTimingOnLookup_CVE_2019_16782", "attack", tokenAsID},
	{"the token's MAC is not checked", "TestGuessing_CVE_2024_52801_CVE_2025_66630", "attack", macUnchecked},
	{"a logout without a session makes one", "TestSessionCreationDoS_CVE_2015_5143_CVE_2015_5963", "attack",
		edit("commit.go", `if !s.live && s.identity != logIn && !changed || s.live`, `if s.live`)},
	{"every cookie of the header is copied", "TestOversizedCookies_CVE_2025_58186_CVE_2026_25899", "attack",
		edit("cookie/read.go", `pair = trimSpace(pair)`, `pair = strings.Clone(trimSpace(pair))`)},
	{"values are written as they come", "TestHeaderInjection_CVE_2020_15111_CVE_2024_47764", "attack",
		edit("cookie/octet.go", `if !octets[s[i]] {`, `if false {`)},
	{"a forged cookie is answered with the reason", "TestErrorOracle_CVE_2010_3332", "attack",
		edit("load.go", `m.event(Event{Kind: Refused, Reason: "session cookie: " + err.Error()})`,
			`m.event(Event{Kind: Refused, Reason: "session cookie: " + err.Error()}); s.x.w.Header().Set("X-Reason", err.Error())`)},
	{"what cannot be decoded is taken as plain JSON", "TestDowngrade_CVE_2026_39324", "attack",
		edit("cookie/frame.go", "if why := f.decode(s, value); why != \"\" {\n", "if why := f.decode(s, value); why != \"\" {\n\t\tif value != \"\" {\n\t\t\treturn opened{payload: []byte(value), expires: now.Unix() + 60}, nil\n\t\t}\n")},
	{"cookies are not bound to their name", "TestConfusion_CVE_2023_48309_CVE_2019_10911", "attack",
		edit("cookie/frame.go", `[]string{label, kind, purpose, app, name}`, `[]string{label, kind, purpose, app}`)},
	{"placeholders are secrets", "TestStaticSecrets_CVE_2024_6535", "attack", edit("cookie/weakness.go", `case isPlaceholder(secret):`, `case false:`)},
	{"the nonce is constant", "TestNonceReuse_SP800_38D", "attack",
		edit("cookie/seal.go", `s.frame = aead.Seal(s.frame, nil, payload, s.aad)`, `s.frame = aead.Seal(s.frame, nil, payload, s.aad); copy(s.frame[headerSize:], make([]byte, 12))`)},
	{"events tell the cookie", "TestLogLeak_CVE_2023_20866", "attack", edit("load.go", `"session cookie: " + err.Error()`, `"session cookie: " + err.Error() + value`)},
	{"answers that only read a session may be cached", "TestCacheLeak_CVE_2023_30861_CVE_2026_27205", "attack",
		edit("cache.go", `if set || !private(h["Cache-Control"]) {`, `if set {`)},
	{"the other sessions go on", "TestPasswordChange_Vikunja_listmonk", "attack",
		edit("manager.go", `ended, err := m.carrier.EndUser(ctx, user, at, clock().Add(tombstoneLife), kept...)`, `ended, err := []ID(nil), error(nil)`)},
	{"the deletion lacks the attributes", "TestCookieLeftBehind_CVE_2026_34454", "attack",
		edit("cookie/raw.go", `func (c *Raw) Expired() string { return c.expired }`, `func (c *Raw) Expired() string { return c.start + "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT" }`)},
	{"every path is safe that begins with a slash", "TestOpenRedirect_CVE_2025_67713_CVE_2026_25779", "attack",
		edit("safereturn.go", "func SafeReturn(target string) string {\n", "func SafeReturn(target string) string {\n\tif strings.HasPrefix(target, \"/\") {\n\t\treturn target\n\t}\n")},

	// One or two for each promise.
	{"G1 a conflict is not replayed", "TestG1ConflictReplays", ".", edit("commit.go", `s.view, s.applied = s.view[:0], 0`, ``)},
	{"G1 commits do not ask for the version", "TestG1IncrementsCarryDifferentNumbers", ".", noVersions},
	{"G1 what was handed on is the ground for nothing to do", "TestG1NothingToDo", ".", edit("commit.go", `if s.sure {`, `if true {`)},
	{"G1 a session in its cookie gets what this process remembers", "TestG1InCookieKeepsWhatTheBrowserBrought", ".",
		edit("commit.go", "if s.x.m.carrier.inCookie() {\n\t\terr = s.tryLive", "if false {\n\t\terr = s.tryLive")},
	{"G1 an Update that changes nothing answers from memory", "TestG1NothingToDoLater", ".", edit("key.go", `if confirm && s.looked {`, `if false {`)},
	{"Update returns what f made", "TestUpdateReturnsWhatWasStored", ".", edit("key.go", `v, err = storedValue(old.name, v, raw)`, ``)},
	{"G2 a logout does not follow the chain", "TestG2LogoutFollowsTheChain", ".", edit("commit.go", "\t\tid = next\n", "\t\t_, id = next, ID{}\n")},
	{"G2 old requests set cookies", "TestG2OldRequestsSetNoCookie", ".", []overlay.Edit{
		{File: "commit.go", Old: `return now.Sub(x.began) > cookieWindow }`, New: `return false }`},
	}},
	{"G2 old logouts clear what is newer", "TestG2LateLogout", ".", edit("commit.go", "	if !s.live { // the logout is done", "	if !s.live { return // the logout is done")},
	{"G2 a logout that ended nothing is done", "TestG2LateLogout", ".", edit("commit.go", `return ID{}, errForgotten`, `return ID{}, nil`)},
	{"G2 tombstones are forgotten", "TestG2Tombstone", ".", edit("memstore/entry.go", `return 0, nil, &coatcheck.EndedError{Next: sh.arena.successor(e), Until: micro(e.deadline)}`, `return 0, nil, coatcheck.ErrNotFound`)},
	{"G3 a login keeps the token", "TestG3TokenChanges", ".", tokensThatStay},
	{"G3 a login as another user keeps the values", "TestG3WhatALoginKeeps", ".", edit("session.go", `if now := s.currentUser(); now != "" && now != user {`, `if false {`)},
	{"G4 bytes leave before the commit", "TestG4CommitsBeforeTheFirstByte", ".",
		edit("response.go", "func (w plainWriter) Write(b []byte) (int, error) {\n\tif !w.x.start(sent) {", "func (w plainWriter) Write(b []byte) (int, error) {\n\tif false {")},
	{"G4 a change after the handler is silent", "TestG4AfterTheHandlerReturned", ".", edit("session.go", "if s.err == nil && s.x.tooLate() {", "if false {")},
	{"G4 what changes at the return is lost", "TestG4ChangeAtTheReturn", ".", edit("commit.go", `if waits && s.x.out.returned && phase != replaced {`, `if false {`)},
	{"G5 an outage looks like nobody", "TestG5LoadFails", ".", edit("load.go", `s.fail(fmt.Errorf("coatcheck: load session: %w", err))`, `_ = fmt.Errorf`)},
	{"G5 the look has no time", "TestG5AppliedAndNoAnswer", ".", edit("commit.go", `at := c.ctx.at.Add(-min(lookTime, time.Until(c.ctx.at)/2))`, `at := c.ctx.at`)},
	{"G5 a failed commit keeps the answer", "TestG5CommitFails", ".", edit("response.go", "x.replace(err)\n\t\treturn false", "return true")},
	{"G5 what an inner manager has committed is dropped", "TestG5CommitsOfOtherManagersSurvive", ".", edit("response.go", `inner: x.setInside(h)}`, `}`)},
	{"G6 scripts can read the cookie", "TestG6SetCookieLines", ".", edit("cookie/policy.go", "if !p.AllowScripts {\n\t\ts += \"; HttpOnly\"\n\t}", "")},
	{"G6 Expires does not go with Max-Age", "TestG6SetCookieLines", ".", edit("cookie/raw.go", `+ c.tail + expiresIs + string(end), nil`, `+ c.tail + string(end[:0]), nil`)},
	{"G6 nobody is idle", "TestG6Idle", ".", edit("manager.go", `return !r.Expires.After(t) || !r.Deadline.After(t)`, `return !r.Deadline.After(t)`)},
	{"G6 a keyring may be empty", "TestG6KeyringWithoutSecret", ".", edit("manager.go", `if len(tokens.keys) == 0 {`, `if false {`)},
	{"G6 a way back is looked at only as it is", "TestSafeReturnInEveryOrder", ".", edit("safereturn.go", ` || !staysHere(path, maxDecodings)`, ``)},
	{"G7 a request from another site overwrites", "TestG7HeldBack", ".",
		edit("commit.go", `case s.held && !s.live && s.identity != logIn && (s.marked || !s.opensPage()):`, `case false:`)},
	{"G7 Fetch Metadata is believed against Origin and Referer", "TestG7AnotherHost", ".", edit("origin.go", "\t}\n\treturn m.elsewhere(r)\n}", "\t}\n\treturn nil\n}")},
	{"G7 Fetch Metadata is believed for a first write", "TestG7AnotherHost", ".", edit("load.go", `!s.held && m.contradicted(r)`, `false`)},
	{"G6 an origin of ours is trusted from other sites", "TestG6OriginsBehindAProxy", ".", edit("origin.go", `r.Header.Get("Sec-Fetch-Site") != "" || !m.origins`, `!m.origins`)},
	{"G7 an address that was typed overwrites", "TestG7HeldBack", ".", edit("handler.go", `if site != "cross-site" && site != "none" {`, `if site != "cross-site" {`)},
	{"G7 the landing page leads on for ever", "TestG7LandingLeadsOn", ".", edit("handler.go", `case again == withheld || !m.cfg.Landing(asked):`, `case !again && !withheld || !m.cfg.Landing(asked):`)},
	{"G4 a Set-Cookie of our name leaves where no session is used", "TestG4SetCookieFromElsewhere", ".", edit("response.go", "x.dropForeign(x.w.Header())\n\t\tx.enter(next)", "x.enter(next)")},
	{"G4 a Set-Cookie of our name leaves beside ours", "TestG4SetCookieFromElsewhere", ".", edit("cache.go", "\ts.x.dropForeign(h)\n", "")},
	{"G4 a nameless cookie poses as the session's", "TestG4SetCookieFromElsewhere", ".", edit("gateway.go", `name == "" && ok {`, `false {`)},
	{"G8 a gateway sends the token upstream", "TestStripCookies", ".", edit("gateway.go", `kept = append(kept, pair)`, `kept = append(kept, line)`)},
	{"proxy headers are believed from everybody", "TestProxies", ".", edit("proxy.go", `(!at.IsValid() || c.ours(at))`, `true`)},
	{"proxy headers are read from the left", "TestProxies", ".", edit("proxy.go", `range slices.Backward(elements)`, `range slices.All(elements)`)},
	{"a quote of the client swallows what the proxy adds", "TestProxies", ".", edit("proxy.go", `return append(parts, "")`, `return append(parts, s[start:])`)},
	{"G7 a session behind a comma is overwritten", "TestG7JoinedCookies", ".", edit("load.go", `err != nil && joined(r.Header["Cookie"], m.cfg.Name)`, `false`)},
	{"G12 caches keep what cookie.Set sets", "TestCaches", "cookie", edit("cookie/put.go", `if c.caching {`, `if true {`)},
	{"G12 public stands behind no-cache, and HAProxy forgets it", "TestCaches", "cookie", edit("cookie/put.go", `strings.HasSuffix(last, keepOut)`, `strings.Contains(last, keepOut)`)},
	{"G8 the token's MAC is not checked", "TestG8EveryBit", ".", macUnchecked},
	{"G8 a foreign cookie locks out", "TestG8NamesakesLive", ".", edit("load.go", `if isNamesakes(err) {`, `if false {`)},
	{"G8 any number of cookies is looked at", "TestG8Namesakes", ".", edit("namesakes.go", `m.sid.ReadAll(s.x.r.Header, maxNamesakes)`, `m.sid.ReadAll(s.x.r.Header, 1<<20)`)},
	{"G8 two genuine cookies lock out", "TestG8Namesakes", ".", edit("namesakes.go", `	default:
		s.loadNamesake(tickets)`, `	default:`)},
	{"G8 a logout leaves the other scopes", "TestG8NamesakesPolicy", ".", edit("cache.go", `if set && s.namesakes {`, `if false {`)},
	{"G8 fallbacks do not verify", "TestG8Rotation", ".", edit("token.go", `for _, key := range t.keys {`, `for _, key := range t.keys[:1] {`)},
	{"G9 the store has the token", "TestG9StolenStore", ".", tokenAsID},
	{"G9 a sealed row is not bound to its fields", "TestG9SealedAndBound", "sealedstore", edit("sealedstore/sealedstore.go", `return append(b, rec.User...)`, `return head`)},
	{"G10 signed and sealed are not told apart", "TestConfusion", "cookie", edit("cookie/frame.go", `[]string{label, kind, purpose, app, name}`, `[]string{label, app, name}`)},
	{"G10 cookies do not expire", "TestLifetime", "cookie", edit("cookie/frame.go", `case t >= issued+ttl:`, `case false:`)},
	{"G11 one session too many", "TestG11EndOldest", ".", edit("put.go", `if i >= m.cfg.MaxPerUser {`, `if i > m.cfg.MaxPerUser {`)},
	{"G11 a handle of anybody ends", "TestG11Revoke", ".", edit("manager.go", `return r.ID.Handle() == handle })`, `return true })`)},
	{"G11 a session that was missed lives on", "TestG11RevokeEverybody", ".", edit("everybody.go", `n == 0 && walk > 1`, `true`)},
	{"G12 answers do not vary", "TestG12Headers", ".", edit("cache.go", "if s.looked {\n\t\tif vary", "if set := out.sid != \"\"; set {\n\t\tif vary")},
	{"G12 names have one spelling", "TestG12NamesInAnyCase", ".", edit("cache.go", `	tidy(h)
`, ``)},
	{"G13 an id prints itself", "TestG13NoSecretInSight", ".", edit("store.go", `fmt.Fprint(f, id.Handle())`, `fmt.Fprintf(f, "%x", id[:])`)},
	{"G13 a store prints what it holds", "TestG13EveryTypePrintsNoSecret", ".", edit("memstore/memstore.go", `func (s *Store) Format(f fmt.State, _ rune) { io.WriteString(f, "{memstore}") }`, `var _ = io.EOF`)},
	{"G14 a prefetch changes the session", "TestG14PrefetchAndHead", ".", edit("commit.go", "case prefetch(s.x.r):\n\t\treturn ErrReadOnly", "case false:\n\t\treturn ErrReadOnly")},
	{"G14 a prefetch counts as activity", "TestG14PrefetchAndHead", ".", edit("commit.go", `return s.x.r.Method == http.MethodHead || prefetch(s.x.r)`, `return false`)},
	{"G4 a HEAD is kept", "TestG4Head", ".", edit("commit.go", `return s.x.r.Method == http.MethodHead && !prefetch(s.x.r)`, `return false`)},
	{"G14 requests are kept for ever", "TestG14HalfAnHour", ".", []overlay.Edit{
		{File: "handler.go", Old: "	defer x.leave(r)\n", New: "	defer x.leave(r)\n	kept = append(kept, x)\n"},
		{File: "handler.go", Old: "func (x *exchange) session() *Session {", New: "var kept []*exchange\n\nfunc (x *exchange) session() *Session {"},
	}},
	{"S13 a COMMIT waits whatever the context says", "TestCommitEndsWithItsContext", "sqlstore",
		edit("sqlstore/mysql.go", `_, err = conn.ExecContext(ctx, "COMMIT")`, `_, err = conn.ExecContext(context.Background(), "COMMIT")`)},
	{"S5 a touch misses what was just made", "TestTouchOfARecordJustMade", "sqlstore",
		edit("sqlstore/single.go", `!now.Seen.Before(seen) && !now.Expires.Before(expires)`, `true`)},
	{"G14 a sweep stops early", "TestG14HalfAnHour", ".", edit("manager.go", "		total += n\n", "		total += n\n		return total, nil\n")},
	{"G14 records grow without end", "TestG14Limits", ".", edit("commit.go", `if len(c.rec.Data) > maxRecord {`, `if false {`)},
}
