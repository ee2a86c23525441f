// Package redisstore keeps sessions in Redis 6.2 or later or in Valkey:
// standalone, behind Sentinel, or in a Cluster.
//
//	option, err := redisstore.ParseURL("redis://localhost/0")
//	store, err := redisstore.New(ctx, option, redisstore.Config{})
//	sessions, err := coatcheck.New(store, keys, coatcheck.Config{})
//
// A load is one round trip, a commit one: a script that compares the version.
// Redis drops by itself what is over, 60 seconds late, so Sweep does nothing.
// The clocks of servers and applications must agree to within half a minute.
//
// A call ends with its context: at once, or in the first 40 ms of a command that
// much later, since no timer is armed for what a server answers in time.
//
// # What the server must promise
//
// A session that was ended stays ended as long as the server keeps the write.
// Set maxmemory-policy to noeviction. A server that restarts from a snapshot,
// or a replica that takes over, has lost its last writes, and among them ends:
// see Config.WaitReplicas, Store.Warnings and the guide.
//
// # What an observer can see in a Cluster
//
// Record and index lie in different slots. The index entry is written first,
// so no session is live and missing from its user's list. A Replace is decided
// by one step at the old id; the new record is pending until then, which is
// not live for anyone. An observer who lists the user can see the old session,
// or the new one, and in between not both. If the process dies between the
// steps, whoever comes to the pending record next looks up what was decided.
// EndUser is one step at the user's index, then one at each session; a Replace
// that it meets half way is first brought to its decision.
package redisstore
