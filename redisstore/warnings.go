package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// Warnings tells what about the servers' settings breaks a promise of the
// store, one sentence each, with the server's address; nothing if all is well.
// It asks every node, and cannot ask a managed service everything.
func (s *Store) Warnings(ctx context.Context) ([]string, error) {
	var all []string
	for addr, node := range s.client.Nodes() {
		text, err := node.Do(ctx, node.B().Info().Build()).ToString()
		if err != nil {
			return all, s.fault(ctx, "info", err)
		}
		info := parseInfo(text)
		found := policyWarnings(info)
		if info["role"] == "master" {
			found = append(found, durabilityWarnings(info, settings(ctx, node))...)
		}
		for _, w := range found {
			all = append(all, addr+": "+w)
		}
	}
	slices.Sort(all)
	return all, nil
}

func (s *Store) logWarnings(ctx context.Context, log *slog.Logger) {
	all, err := s.Warnings(ctx)
	if err != nil {
		all = append(all, "the settings of the servers could not be read: "+err.Error())
	}
	for _, w := range all {
		log.WarnContext(ctx, "coatcheck: redisstore: "+w)
	}
}

func parseInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// settings returns what INFO does not have; empty where it may not be asked.
func settings(ctx context.Context, node rueidis.Client) map[string]string {
	got := make(map[string]string)
	for _, name := range []string{"save", "appendfsync"} {
		m, err := node.Do(ctx, node.B().ConfigGet().Parameter(name).Build()).AsStrMap()
		if value, ok := m[name]; err == nil && ok {
			got[name] = value
		}
	}
	return got
}

func policyWarnings(info map[string]string) (found []string) {
	if policy := info["maxmemory_policy"]; policy != "noeviction" && policy != "" {
		found = append(found, fmt.Sprintf("maxmemory-policy is %s; want noeviction: "+
			"under pressure the server drops live sessions, and the lists by which a user's sessions are found and ended", policy))
	}
	if v := info["redis_version"]; !atLeast62(v) {
		found = append(found, fmt.Sprintf("version %s; want Redis 6.2 or later, or Valkey", v))
	}
	return found
}

// durabilityWarnings: a server that comes back without its last writes brings
// ended sessions back. One that comes back empty does not.
func durabilityWarnings(info, set map[string]string) (found []string) {
	save, known := set["save"]
	switch {
	case info["aof_enabled"] == "0" && known && save != "":
		found = append(found, "snapshots without an append-only file: after a crash, sessions that ended since the last snapshot are alive again; "+
			"want appendonly yes, or no persistence at all")
	case info["aof_enabled"] == "1" && set["appendfsync"] == "no":
		found = append(found, "appendfsync is no; want everysec or always: a crash of the machine can bring sessions back that ended up to half a minute before")
	}
	return found
}

func atLeast62(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a > 6 || a == 6 && b >= 2)
}
