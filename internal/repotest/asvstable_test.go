package repotest_test

// A requirement is one of ASVS 5.0 that concerns cookies and sessions.
type requirement struct {
	id    string
	level int
	asks  string // in short; the standard has the words that count
	ours  string // what the library does; empty where all of it is the application's
	app   string // what is left to the application
	tests string // names, those outside the root package with their folder
}

// A chapter is a group of them.
type chapter struct {
	title string
	items []requirement
}

// asvs is what docs/asvs.md is made of: make asvs.
var asvs = []chapter{
	{"V7 Session management", []requirement{
		{"7.1.1", 2, "idle timeout and lifetime documented, deviations from SP 800-63B justified",
			"`Manager.Describe` prints the limits in force; there is no manager without both. Defaults: 30 minutes idle, 12 hours in all (AAL2 of the 2023 draft of SP 800-63B-4)",
			"choose the values, keep the description, justify deviations, `Remember` included", "ExampleManager_Describe promises/TestDescribe promises/TestConfigErrors"},
		{"7.1.2", 2, "number of sessions per account documented, and what happens at the limit",
			"`Config.MaxPerUser` with `EndOldest` or `Refuse`; not limited by default. `EndOldest` holds once the logins in flight have returned, `Refuse` may let those through",
			"choose and document", "promises/TestG11EndOldest promises/TestG11EndOldestOfParallelLogins promises/TestG11Refuse promises/TestG11RefuseParallelLogins promises/TestDescribe"},
		{"7.1.3", 2, "federated session management documented", "", "all of it; the library knows no identity provider", ""},
		{"7.2.1", 1, "tokens are verified on the server",
			"token, expiry, revocation and user are checked on the server at every request that looks; nothing a client says is believed",
			"trust no other statement of who somebody is", "promises/TestG8EveryBit promises/TestG8RefusedWithoutAStoreCall promises/TestG2ExpiredBeforeTheRequest"},
		{"7.2.2", 1, "tokens are generated dynamically", "a token is made by the commit that stores its session; no call takes one, an unknown one is never adopted", "",
			"promises/TestG3UnknownIDsAreNeverAdopted internal/token/TestTokenIssued"},
		{"7.2.3", 1, "reference tokens unique, from a CSPRNG, at least 128 bits of entropy",
			"144 random bits of crypto/rand; a store takes an id once; where randomness fails the Go runtime ends the program", "", "internal/token/TestTokenIssued promises/TestG5IDInUse attack/TestGuessing_CVE_2024_52801_CVE_2025_66630"},
		{"7.2.4", 1, "a new token at login and re-authentication, the old one ended",
			"`Login`, `Reauthenticate` and `Renew` replace the token in one step; the old one is dead at once", "bind users by `Login` only, never by a value of their own",
			"promises/TestG3TokenChanges attack/TestFixation_CVE_2022_25896_CVE_2024_38513_CVE_2023_22479 e2e/TestTipFixation"},
		{"7.3.1", 2, "inactivity timeout", "enforced on the server, on by default; a session ends between `Config.Idle` and a tenth more", "choose by risk; `Remember` sets it aside for its session",
			"promises/TestG6Idle promises/TestG6TouchOncePerTenth promises/TestG2LateTouchRevivesNothing"},
		{"7.3.2", 2, "absolute lifetime", "enforced on the server, on by default; activity and `Renew` do not extend it, login and re-authentication restart it", "choose by risk", "promises/TestG6Lifetime promises/TestG6WhatRestartsTheLifetime promises/TestG3Lifetimes"},
		{"7.4.1", 1, "after its end a session cannot be used",
			"with a store the record ends first, and no request in flight brings it back. A session in its cookie (`NewInCookie`) ends for certain only by `RevokeAll`, or at its deadline: its `Logout` clears the cookie, a copy lives on",
			"call `Logout`; with `NewInCookie` also `RevokeAll`, and not `IrrevocableSessions`, which does not meet this",
			"attack/TestLogoutOnTheServer_CVE_2026_30224_CVE_2023_20862 attack/TestResurrection_CVE_2025_32441_CVE_2025_46336 attack/TestCookieReplay_CVE_2024_31999_CVE_2025_53826 promises/TestG2EndWinsOverRequestsInFlight promises/TestInCookieRevoked"},
		{"7.4.2", 1, "all sessions end with the account", "`RevokeAll` ends every session of the user and defeats logins that had begun", "call it when an account is disabled or deleted, after refusing new logins",
			"promises/TestG3RevokeAllDefeatsLogins promises/TestG11RevokeWithoutARequest"},
		{"7.4.3", 2, "offer to end the other sessions after a change of a factor", "`RevokeOthers`", "offer it, or do it", "promises/TestG11RevokeOthers promises/TestG11RevokeOthersAndRequestsInFlight attack/TestPasswordChange_Vikunja_listmonk"},
		{"7.4.4", 2, "logout is easy to reach", "", "a link or button on every page; the handler is one call of `Logout`", ""},
		{"7.4.5", 2, "administrators can end the sessions of one user or of all",
			"`RevokeAll`, `coatcheck sessions revoke`; of everybody `RevokeEverybody`, or a new `SECRET_KEY` without fallbacks", "the page, and who may use it", "promises/TestG11RevokeWithoutARequest promises/TestG11RevokeEverybody promises/TestG8Rotation cmd/coatcheck/TestScripts"},
		{"7.5.1", 2, "full re-authentication before changes of what authentication rests on", "`RequireFresh` and `AuthTime`; `Renew` does not count", "put it on those routes; check the factors, then `Reauthenticate`",
			"promises/TestG5Require promises/TestG3AuthTime ExampleManager_RequireFresh"},
		{"7.5.2", 2, "users see their sessions and, authenticated again, end any of them",
			"`Sessions` lists handle, device, address and times; `Revoke` ends one of the same user. A handle opens nothing", "the page, and `RequireFresh` before `Revoke`", "promises/TestG11List promises/TestG11Revoke promises/TestG9StolenStore promises/TestProxies"},
		{"7.5.3", 3, "a further factor before highly sensitive operations", "a value bound to one action, with an expiry of its own (`SetFor`), that exactly one request uses up (`Pop`); with `dbsc`, a proof of the device's key just now (`RequireProof`)", "check the factor, name the action in the key", "promises/TestStepUpMarker dbsc/TestRequireProof"},
		{"7.6.1", 2, "sessions of relying party and identity provider end as documented", "a label stays with a login: `SetLabel` keeps the provider's `sid`, `RevokeLabel` ends what began with it", "label each login, verify logout tokens, and call `RevokeLabel` or `RevokeAll`", "promises/TestRevokeLabel ExampleManager_RevokeLabel"},
		{"7.6.2", 2, "a session begins by an explicit action", "nothing is stored until something is kept; a prefetch or HEAD never changes a session, a request from another site starts none over one. A GET may log in where the application routes it so",
			"log in by POST, or at the provider's callback", "promises/TestG14NothingKeptNothingStored promises/TestG14PrefetchAndHead promises/TestG7HeldBack e2e/TestPrefetchFromOwnPages"},
	}},
	{"V3.3 Cookies", []requirement{
		{"3.3.1", 1, "Secure, and the prefix `__Host-` or `__Secure-`", "the session cookie has both by default; a name whose prefix the policy contradicts is an error. Package `cookie` sets Secure, and takes the name as it is given",
			"name other cookies with a prefix; no `AllowInsecureHTTP` in production", "promises/TestG6SetCookieLines promises/TestConfigErrors cookie/TestBadDeclarations promises/TestG6PlainHTTPIsTold e2e/TestTipSecure"},
		{"3.3.2", 2, "SameSite by purpose", "Strict by default; None without Secure is an error", "make Lax or None what must be", "promises/TestG6SetCookieLines cookie/TestLines cookie/TestBadDeclarations e2e/TestTipSameSite"},
		{"3.3.3", 2, "`__Host-` unless shared with other hosts", "`__Host-Http-sid` by default; with `Policy.Domain` it is `__Secure-sid`", "name other cookies so", "promises/TestG6SetCookieLines cookie/TestBadDeclarations e2e/TestTipPrefix"},
		{"3.3.4", 2, "HttpOnly where scripts have no business, and the value only in Set-Cookie", "HttpOnly by default; the token is in no answer but in Set-Cookie, and nothing prints it", "do not copy it out of the request; no `AllowScripts` for what scripts need not read",
			"promises/TestG6SetCookieLines promises/TestG13NoSecretInSight promises/TestG13EveryTypePrintsNoSecret integration/TestNothingIssuedIsPrinted e2e/TestTipHTTPOnly"},
		{"3.3.5", 3, "name and value at most 4,096 bytes", "an error with both sizes, before anything is stored or sent", "keep less in cookies, or a session", "cookie/TestLargest cookie/TestLineRefuses e2e/TestSize"},
	}},
	{"V3.5 and V3.7 Origins and redirects", []requirement{
		{"3.5.1", 1, "forged cross-origin requests are refused", "unsafe methods and websocket upgrades from another origin are refused, by Sec-Fetch-Site, Origin or Referer, login and logout included; SameSite=Strict beside it", "add origins to `Config.CrossOrigin` with care",
			"attack/TestCSRF_CVE_2025_24358_CVE_2025_46721_Gokapi promises/TestG6CrossOrigin promises/TestG7AnotherHost e2e/TestCrossOrigin"},
		{"3.5.2", 1, "what relies on the preflight cannot be called without one", "the check does not rely on it: it is the same for every content type", "no `Access-Control-Allow-Origin` for everybody on routes with effects", "attack/TestCSRF_CVE_2025_24358_CVE_2025_46721_Gokapi e2e/TestPreflight"},
		{"3.5.3", 1, "effects only by unsafe methods", "HEAD and prefetch never change a session", "no effects on GET, `Config.Landing` pages above all", "promises/TestG14PrefetchAndHead e2e/TestLogoutLink"},
		{"3.5.4", 2, "separate applications on separate hosts", "cookies are the host's alone by default; `Keys.Application` keeps applications with one secret apart", "the hosts; paths and ports separate nothing", "promises/TestG6SetCookieLines attack/TestConfusion_CVE_2023_48309_CVE_2019_10911 e2e/TestTipPrefix"},
		{"3.7.2", 2, "redirects to other hosts only from an allow-list", "`SafeReturn` lets none through", "use it for every target that comes from a request", "promises/TestSafeReturn attack/TestOpenRedirect_CVE_2025_67713_CVE_2026_25779 promises/FuzzSafeReturn"},
	}},
	{"V9 Self-contained tokens", []requirement{
		{"9.1.1", 1, "signature or MAC before the content", "signed and sealed cookies, and a session in its cookie, are decoded after they were authenticated; one error whatever is wrong", "", "cookie/TestEveryBitCounts attack/TestErrorOracle_CVE_2010_3332 cookie/FuzzOpen"},
		{"9.1.2", 1, "an allow-list of algorithms", "each declared kind accepts its one version, which is one construction; nothing is negotiated", "", "attack/TestDowngrade_CVE_2026_39324 cookie/TestRefused"},
		{"9.1.3", 1, "keys only from configuration", "the key id in a cookie chooses among the configured secrets and no others", "", "cookie/TestRotation cookie/TestSecretsWithOneID attack/TestConfusion_CVE_2023_48309_CVE_2019_10911"},
		{"9.2.1", 1, "valid only within its time span", "issue time and lifetime are inside; the lifetime declared now also bounds what was issued before; 60 seconds of clock skew", "", "cookie/TestLifetime cookie/TestForgedHours"},
		{"9.2.2", 2, "right type and purpose", "purpose and kind are part of the key and of what is authenticated", "", "cookie/TestConfusion attack/TestConfusion_CVE_2023_48309_CVE_2019_10911"},
		{"9.2.3", 2, "meant for this service", "bound to the cookie's name and to `Keys.Application`", "name each application that shares a secret", "attack/TestConfusion_CVE_2023_48309_CVE_2019_10911 promises/TestG8RefusedWithoutAStoreCall"},
		{"9.2.4", 2, "an audience, where one key serves several", "the same", "the same", "attack/TestConfusion_CVE_2023_48309_CVE_2019_10911"},
	}},
	{"V11 Cryptography", []requirement{
		{"11.1.1", 2, "a policy for keys", "", "its own: who has `SECRET_KEY`, how long it lives; [the formats](spec/cookie.md) say what is derived from it", ""},
		{"11.1.2", 2, "an inventory of keys and algorithms", "the [cookie](spec/cookie.md) and [record](spec/record.md) specifications list every derived key, its purpose and algorithm; vectors freeze them", "include them in its own", "cookie/TestKeyVectors cookie/TestVectors internal/token/TestTokenVectors internal/record/TestRecordVectors"},
		{"11.2.1", 2, "validated implementations", "Go's standard library and nothing else; everything works under `GODEBUG=fips140=only` (`make fips`)", "run a validated version of the module where that is asked for", "internal/repotest/TestCoreImportsOnlyStd"},
		{"11.2.2", 2, "keys and algorithms can be replaced", "several secrets, of which the first signs; new ones log nobody out. Algorithms change by a new version of the format, not by configuration", "rotate", "promises/TestG8Rotation cookie/TestRotation sealedstore/TestRotation"},
		{"11.2.3", 2, "at least 128 bits of security", "AES-256-GCM and HMAC-SHA-256 with whole tags; the MAC of a session token has 128 bits, its random part 144", "", "cookie/TestFramesAreAsSpecified internal/token/TestTokenVectors"},
		{"11.2.4", 3, "constant time", "MACs are compared by `hmac.Equal` or `subtle`, tags by GCM; sessions are found by a hash of the token. By construction: nothing here measures it", "", "attack/TestTimingOnLookup_CVE_2019_16782"},
		{"11.2.5", 3, "fail securely, no oracle", "one error and one answer for every forgery", "", "attack/TestErrorOracle_CVE_2010_3332 cookie/TestErrors"},
		{"11.3.1", 1, "no insecure block modes or paddings", "none", "", "cookie/TestFramesAreAsSpecified"},
		{"11.3.2", 1, "approved ciphers and modes", "AES-256-GCM", "", "cookie/TestFramesAreAsSpecified cookie/TestVectors"},
		{"11.3.3", 2, "encrypted data is authenticated", "the same; `sealedstore` binds data to its row too", "", "cookie/TestEveryBitCounts promises/TestG9StolenStore sealedstore/TestG9SealedAndBound"},
		{"11.3.4", 3, "a nonce once per key", "96 random bits under a key of its own for each cookie name and hour, or row; 2^32 messages each, by SP 800-38D", "", "attack/TestNonceReuse_SP800_38D cookie/TestHours"},
		{"11.3.5", 3, "encrypt-then-MAC", "does not arise: GCM", "", "cookie/TestFramesAreAsSpecified"},
		{"11.4.1", 1, "approved hashes", "SHA-256 alone", "", "cookie/TestKeyVectors internal/token/TestTokenVectors"},
		{"11.4.3", 2, "hashes long enough", "256 bits; the token's MAC is cut to 128, where second preimages are what counts", "", "internal/token/TestTokenVectors cookie/TestVectors"},
		{"11.5.1", 2, "random values from a CSPRNG, at least 128 bits, no UUIDs", "crypto/rand: 144 bits in a token, 256 in the id of a session in its cookie", "", "internal/token/TestTokenIssued attack/TestGuessing_CVE_2024_52801_CVE_2025_66630"},
	}},
	{"V14 Data protection", []requirement{
		{"14.2.1", 1, "no token in a URL", "read from the session cookie alone, or by `NewBearer` from the `Authorization` header alone", "put no token of its own there", "promises/TestG8WhichCookieIsOurs"},
		{"14.2.2", 2, "no sensitive data in caches of servers", "`Vary: Cookie` and `Cache-Control: no-store` as soon as the session is looked at; headers to shared caches are removed", "not undo it in a proxy", "promises/TestG12Headers promises/TestG12EveryKindOfAnswer attack/TestCacheLeak_CVE_2023_30861_CVE_2026_27205"},
		{"14.2.5", 3, "no cache deception", "the headers depend on the look at the session, not on the path", "routing: 404 for what does not exist", "promises/TestG12Headers promises/TestG12EveryKindOfAnswer"},
		{"14.3.1", 1, "data is cleared at the client at the end", "`Logout` deletes its cookies by their exact attributes and sends `Clear-Site-Data: \"cache\", \"storage\"` (off: `KeepSiteData`); not `\"cookies\"`, which would also clear those of other hosts of the site",
			"clean up in scripts when the server cannot be reached; ends elsewhere reach a page only when it asks", "promises/TestClearSiteData attack/TestCookieLeftBehind_CVE_2026_34454 e2e/TestBackAfterLogout"},
		{"14.3.2", 2, "anti-caching headers", "as 14.2.2; a handler that says `private` or `no-cache` itself keeps that on answers that set no cookie", "the same", "promises/TestG12Headers e2e/TestBackAfterLogout"},
		{"14.3.3", 2, "nothing sensitive in browser storage but tokens", "the session cookie is random bytes; `NewSealed` encrypts what a cookie must hold", "keep sensitive values in sessions, not in plain or signed cookies", "internal/token/TestTokenIssued cookie/TestFramesAreAsSpecified"},
	}},
	{"V16 Logging and errors", []requirement{
		{"16.2.5", 2, "tokens in logs only hashed or masked", "events and errors have the handle, 72 bits of a hash of the id; every exported type prints without token, id, key or value. The handle is not keyed", "log `Handle`, and no Cookie header", "integration/TestNothingIssuedIsPrinted promises/TestG13EveryTypePrintsNoSecret promises/TestG13NoSecretInSight attack/TestLogLeak_CVE_2023_20866"},
		{"16.3.1", 2, "authentication is logged", "events: login, renewed, logout, revoked, expired", "failed logins, which the library does not see; `Config.Events` to a sink", "promises/TestG13Events"},
		{"16.3.2", 2, "failed authorization is logged", "events: cross-origin requests and cookies refused. A visitor without a login at `RequireLogin` is none", "log in `Config.OnError`, and its own decisions", "promises/TestG13Events"},
		{"16.3.3", 2, "attempts to get around controls are logged", "events: refused with its reason, held back, write after the end, damaged record", "alert on them", "promises/TestG13Events promises/TestG8RefusedWithoutAStoreCall attack/TestGuessing_CVE_2024_52801_CVE_2025_66630"},
		{"16.4.1", 2, "no log injection", "values for `log/slog`, never a line; users and key names have no control characters", "a structured handler", "promises/TestG13LogEvents promises/TestG14Users promises/TestG14KeyNames attack/FuzzRequest"},
		{"16.5.2", 2, "secure when a resource fails", "routes that do not look work on; where the store fails 503, never \"not logged in\", and no cookie is touched", "`Require` on routes with effects", "promises/TestG5LoadFails promises/TestG5RouteThatDoesNotLook promises/TestG5Require"},
		{"16.5.3", 2, "no failing open", "after an error every change is refused and the answer replaced; after a panic nothing is committed", "not to recover and answer by itself past the handler", "promises/TestG5AfterAFailedLoad promises/TestG5CommitFails promises/TestG4Panics"},
	}},
	{"Of other chapters", []requirement{
		{"1.5.2", 2, "safe deserialization", "JSON into the key's own type, from authenticated bytes; what does not fit is absent", "", "promises/TestG5ValueThatDoesNotFit internal/record/FuzzDecodeValue internal/record/FuzzRecord"},
		{"4.1.3", 2, "headers of proxies cannot be forged", "X-Forwarded-For, or Forwarded, counts only from the addresses in `Config.Proxies`, none by default, and up to the last that is not one of them; X-Forwarded-Proto and X-Forwarded-Host are not read", "configure both sides ([guide](guide/proxies.md))", "promises/TestProxies integration/proxies/TestProxies"},
		{"4.2.4", 3, "no CR or LF in HTTP/2 and HTTP/3 headers", "writes none; refusing them is the server's, for net/http Go's", "the server", "attack/TestHeaderInjection_CVE_2020_15111_CVE_2024_47764 cookie/FuzzLine"},
		{"4.4.2", 2, "Origin is checked at a websocket's handshake", "an upgrade is judged as a POST", "", "attack/TestCSRF_CVE_2025_24358_CVE_2025_46721_Gokapi promises/TestG6CrossOrigin"},
		{"4.4.4", 2, "a websocket's session comes from the HTTPS session", "the handshake has the session's cookie; `Ended` closes with the session, in other processes with `Manager.Watch`", "end the connection then", "promises/TestG4Websocket promises/TestEndedCloses promises/TestEndedOfHijackedConnections promises/TestG2EndWinsOverHijackedConnections"},
		{"6.5.2", 2, "a plain hash is enough for secrets of 112 bits", "a store has the SHA-256 of 144 random bits", "", "promises/TestG9StolenStore attack/TestStoreDump_CVE_2026_53603"},
		{"8.3.2", 3, "changes of authorization apply at once", "values are read from the store at each request, a revocation holds from the next one on. Not so with `NewInCookie`, whose values are the cookie's", "keep rights in its own database; revoke or renew when they change", "promises/TestG11RevokeWithoutARequest promises/TestG2EndWinsOverRequestsInFlight integration/TestRedisClientCache"},
		{"13.1.4", 3, "critical secrets and their rotation documented", "", "document `SECRET_KEY`", ""},
		{"13.3.1", 2, "secrets from a vault, not in source", "from the environment or a file, no default, weak ones and placeholders refused", "the vault", "cookie/TestKeysFromEnv cookie/TestWeakSecrets attack/TestStaticSecrets_CVE_2024_6535"},
		{"13.3.4", 3, "secrets are rotated", "`SECRET_KEY_FALLBACKS`; secrets do not expire by themselves", "the schedule", "promises/TestG8Rotation cookie/TestRotation"},
		{"15.3.4", 2, "the user's address from fields nobody can forge", "as 4.1.3; the address is shown in lists and decides nothing", "the same", "promises/TestProxies"},
		{"15.4.1", 3, "shared objects are used safely", "all tests run under the race detector", "", "promises/TestG1IncrementsCarryDifferentNumbers attack/TestStateBleeding_CVE_2026_24894 integration/TestRedisRace integration/TestSQLiteRace"},
		{"15.4.2", 3, "check and act in one step", "every write is conditional on the version it read; login and renewal are one step", "", "promises/TestG1ConflictReplays attack/TestLostUpdate_dbsc_php storetest/TestFaultsAreFound"},
	}},
}
