package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// Config is what a Store can be told. The zero Config is a good one for a
// single server.
type Config struct {
	// Prefix begins the name of every key and of the channel, so that several
	// stores and other programs can share a server. It must not contain braces,
	// which Redis Cluster reads as a slot. Default "coatcheck:".
	Prefix string

	// ClientCache, if not 0, lets this process keep what it has loaded for that
	// long, unless the server says that it changed: a hot session is then read
	// without a round trip. Commits always go to the server, and this process
	// never reads anything older than its own writes. What another process
	// ends is seen here after milliseconds, or, where a connection hangs
	// without breaking, when the client notices: with its defaults after 7
	// seconds at most. Needs RESP3, and up to 128 MB for each connection
	// (ClientOption.CacheSizeEachConn).
	ClientCache time.Duration

	// WaitReplicas, if not 0, is how many replicas must have logins, logouts,
	// renewals and revocations before they are reported as done, within two
	// seconds. Without it a failover can lose the last of them: a session that
	// was ended is then alive again. It costs the time of the replication and a
	// connection for the length of the call.
	WaitReplicas int

	// Logger gets the Warnings at the start. Nil: nobody does.
	Logger *slog.Logger
}

// DefaultPrefix begins keys where Config.Prefix is empty.
const DefaultPrefix = "coatcheck:"

const maxPrefix = 64

// A Store keeps sessions in Redis or Valkey. It is a store.Store,
// store.Pinger, store.Watcher, store.Counter and store.Lister, safe for concurrent
// use.
type Store struct {
	client   rueidis.Client
	cluster  bool
	records  string // prefixes of keys
	indexes  string
	channel  string
	ping     string // a key that never is
	cache    time.Duration
	replicas int64
	scripts  [scripts]program
	written  recent // by this process a moment ago: not to be read from the cache
	unsure   recent // written, but not confirmed by enough replicas
	dialer   dialer
	waits    waits // the commands under way
}

// New connects to the server that option names and gives it the scripts; it
// fails if there is none. Whether it is a Cluster is asked of the server;
// option.Sentinel.MasterSet makes it Sentinel. The Store changes some options:
// retries are off (S14), commands share one connection to each server, and
// the client's cache is off unless cfg turns it on.
// Close frees the connections.
func New(ctx context.Context, option rueidis.ClientOption, cfg Config) (*Store, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	prepareOption(&option, cfg)
	s := &Store{
		records: cfg.Prefix + "s", indexes: cfg.Prefix + "u{}", channel: cfg.Prefix + "ended", ping: cfg.Prefix + "ping",
		cache: cfg.ClientCache, replicas: int64(cfg.WaitReplicas),
	}
	// A cached value older than a write can only come from a connection that
	// hangs: the client asks an idle one after one or two pauses, and drops it
	// when the answer does not come.
	s.written.life = 2*option.Dialer.KeepAlive + option.ConnWriteTimeout + time.Second
	s.unsure.life = time.Minute
	s.dialer.track(&option)
	var err error
	if s.scripts, err = readScripts(); err != nil {
		return nil, fmt.Errorf("coatcheck: redisstore: %w", err)
	}
	if s.client, err = rueidis.NewClient(option); err != nil {
		return nil, fmt.Errorf("coatcheck: redisstore: connect: %w", err)
	}
	s.cluster = s.client.Mode() == rueidis.ClientModeCluster
	if err := s.loadScripts(ctx); err != nil {
		s.client.Close()
		return nil, err
	}
	if cfg.Logger != nil {
		s.logWarnings(ctx, cfg.Logger)
	}
	return s, nil
}

// Format prints where the store keeps sessions and none of their ids, whatever
// the verb.
func (s *Store) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{redisstore %s}", s.records) }

// check completes and checks the Config.
func (c *Config) check() error {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	switch {
	case strings.ContainsAny(c.Prefix, "{}"):
		return errors.New("coatcheck: redisstore: Config.Prefix contains a brace, which names a slot of a Cluster")
	case len(c.Prefix) > maxPrefix:
		return fmt.Errorf("coatcheck: redisstore: Config.Prefix has %d bytes; want at most %d", len(c.Prefix), maxPrefix)
	case c.ClientCache < 0:
		return fmt.Errorf("coatcheck: redisstore: Config.ClientCache is %v; want >= 0", c.ClientCache)
	case c.WaitReplicas < 0:
		return fmt.Errorf("coatcheck: redisstore: Config.WaitReplicas is %d; want >= 0", c.WaitReplicas)
	}
	return nil
}

// What prepareOption sets where the caller did not.
const (
	keepAlive       = time.Second
	writeTimeout    = 4 * time.Second
	topologyRefresh = 5 * time.Second
)

func prepareOption(o *rueidis.ClientOption, cfg Config) {
	o.DisableRetry = true
	// One connection to each server carries the commands in the order of the
	// calls, so that a look after a call that was given up sees what it did.
	o.PipelineMultiplex = -1
	o.SendToReplicas, o.ReplicaOnly = nil, false // a replica is behind: an ended session would live there
	o.DisableCache = cfg.ClientCache == 0
	if !o.DisableCache {
		o.AlwaysRESP2, o.ClientTrackingOptions = false, nil
	}
	if o.Dialer.KeepAlive == 0 {
		o.Dialer.KeepAlive = keepAlive
	}
	if o.ConnWriteTimeout == 0 {
		o.ConnWriteTimeout = writeTimeout
	}
	// Ask for the topology also when nobody told of a change.
	if o.Sentinel.MasterSet != "" && o.Sentinel.TopologyRefreshInterval == 0 {
		o.Sentinel.TopologyRefreshInterval = topologyRefresh
	}
	if o.ClusterOption.ShardsRefreshInterval == 0 {
		o.ClusterOption.ShardsRefreshInterval = topologyRefresh
	}
}

// Close frees the connections. Calls under way fail.
func (s *Store) Close() { s.client.Close() }

// Ping asks whether the server takes changes, by removing a key that is not
// there: a replica, or a server that is still loading, answers a PING as well.
// In a Cluster it asks one of them.
func (s *Store) Ping(ctx context.Context) error {
	return s.fault(ctx, "ping", s.client.Do(ctx, s.client.B().Unlink().Key(s.ping).Build()).Error())
}

// Sweep does nothing: Redis drops by itself what is over, 60 seconds late
// (S11), and each login clears a little of its user's index.
func (s *Store) Sweep(ctx context.Context, _ time.Time, _ int) (int, error) { return 0, ctx.Err() }

func (s *Store) recordKey(id store.ID) string { return s.records + string(id[:]) }

// indexKey contains the user as it is. The empty braces before it make Redis
// hash all of the key, so that braces in a user's name choose no slot.
func (s *Store) indexKey(user string) string { return s.indexes + user }
