package stores

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// examineTopology looks at what stands beside the servers that were asked: replicas,
// one of which is the primary after a failover, and who decides on that.
func examineTopology(ctx context.Context, f *Findings, option rueidis.ClientOption, asked map[string]map[string]string) {
	cluster := false
	for _, addr := range slices.Sorted(maps.Keys(asked)) {
		info := asked[addr]
		cluster = cluster || info["cluster_enabled"] == "1"
		if info["role"] != "master" {
			continue
		}
		for i := 0; info["slave"+strconv.Itoa(i)] != ""; i++ {
			if replica := inStep(f, addr, info["slave"+strconv.Itoa(i)]); replica != "" && asked[replica] == nil {
				examineReplica(ctx, f, option, addr, replica)
			}
		}
		if cluster && info["connected_slaves"] == "0" {
			f.note(addr, "add a replica to it", "this part of the Cluster has no replica: while its server is away, so are the sessions on it")
		}
	}
	switch {
	case option.Sentinel.MasterSet != "":
		examineSentinels(ctx, f, option, slices.Sorted(maps.Keys(asked)))
	case cluster:
		examineCluster(ctx, f, option)
	}
}

// beside is how to reach a server beside the one that is asked.
func beside(option rueidis.ClientOption, addr string) (rueidis.Client, error) {
	option.InitAddress, option.Sentinel = []string{addr}, rueidis.SentinelOption{}
	option.ForceSingleClient, option.DisableCache, option.DisableRetry = true, true, true
	return rueidis.NewClient(option)
}

// inStep returns the address of a replica that follows its primary, and tells of
// it. told is what the primary says, such as ip=127.0.0.1,port=6380,state=online,lag=0.
func inStep(f *Findings, primary, told string) string {
	says := make(map[string]string)
	for part := range strings.SplitSeq(told, ",") {
		name, value, _ := strings.Cut(part, "=")
		says[name] = value
	}
	addr := net.JoinHostPort(says["ip"], says["port"])
	if says["state"] != "online" {
		f.wrong(addr, "see the logs of both servers", "this replica of %s is not in step (%s): a failover to it loses sessions, and brings back what had ended", primary, says["state"])
		return ""
	}
	f.fine(addr, "a replica of %s, in step", primary)
	return addr
}

// examineReplica wants a replica that the client does not ask by itself to be fit to
// take over.
func examineReplica(ctx context.Context, f *Findings, option rueidis.ClientOption, primary, addr string) {
	client, err := beside(option, addr)
	var text string
	if err == nil {
		text, err = client.Do(ctx, client.B().Info().Build()).ToString()
		client.Close()
	}
	if err != nil {
		f.note(addr, "run this where all servers can be reached", "its settings cannot be asked from here: %v", err)
		return
	}
	info := redisInfo(text)
	if policy := info["maxmemory_policy"]; policy != "noeviction" && policy != "" && !f.calls(addr, "maxmemory-policy") {
		f.wrong(addr, redisAdvice("maxmemory-policy"), "maxmemory-policy is %s: when it takes over for %s it drops live sessions, and the lists by which they are ended", policy, primary)
	}
	redisMemory(f, addr, info)
	redisDisk(f, addr, info)
}

// examineSentinels wants them to agree on the primary, and to be enough for a
// failover.
func examineSentinels(ctx context.Context, f *Findings, option rueidis.ClientOption, primaries []string) {
	const quorum = 3
	if n := len(option.InitAddress); n < quorum {
		f.note("sentinels", "name all Sentinels in the URL", "%s; where those are away, the application finds no server", plural(n, "Sentinel is named", "Sentinels are named"))
	}
	set := option.Sentinel.MasterSet
	own := option
	own.Username, own.Password, own.TLSConfig, own.SelectDB = option.Sentinel.Username, option.Sentinel.Password, option.Sentinel.TLSConfig, 0
	for _, addr := range option.InitAddress {
		client, err := beside(own, addr)
		if err != nil {
			f.wrong(addr, "start it, or take it out of the URL", "this Sentinel does not answer")
			continue
		}
		text, err := client.Do(ctx, client.B().Arbitrary("SENTINEL", "CKQUORUM", set).Build()).ToString()
		named, err2 := client.Do(ctx, client.B().SentinelGetMasterAddrByName().Master(set).Build()).AsStrSlice()
		client.Close()
		switch {
		case err != nil:
			f.wrong(addr, "start the other Sentinels, at least as many as the quorum and more than half", "this Sentinel could do no failover: %v", err)
		case err2 != nil || len(named) != 2:
			f.wrong(addr, "see its log", "this Sentinel names no primary of %s", set)
		case !slices.Contains(primaries, net.JoinHostPort(named[0], named[1])):
			f.wrong(addr, "SENTINEL RESET "+set+" on it, when the others agree",
				"this Sentinel names %s as the primary, and %s serves: applications that ask it write elsewhere", net.JoinHostPort(named[0], named[1]), strings.Join(primaries, ", "))
		default:
			f.fine(addr, "Sentinel: %s", strings.TrimPrefix(text, "OK "))
		}
	}
}

// examineCluster wants every server to know a Cluster that is whole.
func examineCluster(ctx context.Context, f *Findings, option rueidis.ClientOption) {
	err := eachNode(option, func(addr string, node rueidis.Client) error {
		text, err := node.Do(ctx, node.B().ClusterInfo().Build()).ToString()
		if err != nil {
			return nil // it does not answer, or may not
		}
		info := redisInfo(text)
		if info["cluster_state"] != "ok" || info["cluster_slots_ok"] != "16384" {
			f.wrong(addr, "redis-cli --cluster check "+addr+" says which part is away, and --cluster fix mends it",
				"the Cluster is not whole (state %s, %s of 16384 slots serve): some sessions cannot be read", info["cluster_state"], info["cluster_slots_ok"])
		} else {
			f.fine(addr, "Cluster: whole, %s parts, %s servers", info["cluster_size"], info["cluster_known_nodes"])
		}
		lines, _ := node.Do(ctx, node.B().ClusterNodes().Build()).ToString()
		for line := range strings.Lines(strings.TrimPrefix(lines, "txt:")) {
			failedNode(f, line)
		}
		return nil
	})
	if err != nil {
		f.note("cluster", "", "%v", err)
	}
}

// failedNode tells of a server that the others have given up: a line of CLUSTER
// NODES has its id, host:port@bus,name and flags.
func failedNode(f *Findings, line string) {
	fields := strings.Fields(line)
	if len(fields) < 3 || !slices.Contains(strings.Split(fields[2], ","), "fail") {
		return
	}
	if addr, _, _ := strings.Cut(fields[1], "@"); !f.calls(addr, "this server") {
		f.wrong(addr, "start it, or take it out of the Cluster", "this server is away, as the others say")
	}
}

// calls reports whether something of that name is known to be wrong already, in
// words that begin so. A client of a Cluster may know the replicas, or not yet.
func (f *Findings) calls(what, begins string) bool {
	return slices.ContainsFunc(*f, func(found Finding) bool {
		return found.What == what && found.Level == Wrong && strings.HasPrefix(found.Says, begins)
	})
}

// clocksApart is how far the clocks of a Cluster's servers may be apart; see
// docs/guide/stores-redis.md.
const clocksApart = 5 * time.Second

// examineClocks compares the servers with each other.
func examineClocks(ctx context.Context, f *Findings, option rueidis.ClientOption) error {
	var least, most, doubt time.Duration
	asked := 0
	err := eachNode(option, func(_ string, node rueidis.Client) error {
		ahead, within, err := askedRedis(ctx, node)
		if err != nil { // told of before
			return nil
		}
		if asked++; asked == 1 {
			least, most = ahead, ahead
		}
		least, most, doubt = min(least, ahead), max(most, ahead), max(doubt, within)
		return nil
	})
	if err != nil || asked < 2 {
		return err
	}
	clocksVerdict(f, most-least, 2*doubt)
	return nil
}

func clocksVerdict(f *Findings, apart, doubt time.Duration) {
	says := fmt.Sprintf("those of the servers are %v apart, give or take %v", apart.Round(time.Millisecond), doubt.Round(time.Millisecond))
	if apart-doubt > clocksApart {
		f.wrong("clocks", "let all servers keep time by NTP", "%s; want %v at most, or sessions of one user end at different times", says, clocksApart)
		return
	}
	f.fine("clocks", "%s", says)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
