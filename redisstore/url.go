package redisstore

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// ParseURL makes the option for New of a URL:
//
//	redis://[user:password@]host[:6379][/database]
//	redis+sentinel://[user:password@]host[:26379],host…/master set[/database]
//	redis+cluster://[user:password@]host[:6379],host…
//
// With rediss instead of redis the connections use TLS 1.2 or later. Name and
// password are the server's; those of the sentinels are fields of the option.
// Errors do not contain the URL.
func ParseURL(text string) (option rueidis.ClientOption, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return option, errURL
	}
	port := "6379"
	database := true
	base, kind, _ := strings.Cut(scheme, "+")
	switch kind {
	case "":
		option.ForceSingleClient = true
	case "sentinel":
		port = "26379"
	case "cluster":
		database = false
	default:
		return option, errURL
	}
	if base == "rediss" {
		option.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	} else if base != "redis" {
		return option, errURL
	}
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		u, err := url.Parse("redis://" + authority[:at] + "@host")
		if err != nil || u.User == nil {
			return option, errors.New("coatcheck: redisstore: URL with a user and password that are not percent-encoded")
		}
		option.Username = u.User.Username()
		option.Password, _ = u.User.Password()
		authority = authority[at+1:]
	}
	for host := range strings.SplitSeq(authority, ",") {
		addr, err := address(host, port)
		if err != nil {
			return option, err
		}
		option.InitAddress = append(option.InitAddress, addr)
	}
	if kind == "" && len(option.InitAddress) > 1 {
		return option, errors.New("coatcheck: redisstore: URL with several hosts; want redis+sentinel or redis+cluster")
	}
	return option, parsePath(&option, kind, database, path)
}

var errURL = errors.New("coatcheck: redisstore: URL scheme; want redis, redis+sentinel or redis+cluster, or rediss for TLS")

func address(host, port string) (string, error) {
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	} else {
		host = strings.Trim(host, "[]")
	}
	if n, err := strconv.Atoi(port); host == "" || strings.ContainsAny(host, "?#@%[] ") || err != nil || n < 1 || n > 65535 {
		return "", errors.New("coatcheck: redisstore: URL with a wrong host; want host or host:port")
	}
	return net.JoinHostPort(host, port), nil
}

func parsePath(option *rueidis.ClientOption, kind string, database bool, path string) (err error) {
	if strings.ContainsAny(path, "?#") {
		return errors.New("coatcheck: redisstore: URL with a query; settings are fields of the option and of Config")
	}
	if kind == "sentinel" {
		if option.Sentinel.MasterSet, path, _ = strings.Cut(path, "/"); option.Sentinel.MasterSet == "" {
			return errors.New("coatcheck: redisstore: URL without the name of the master set")
		}
		option.Sentinel.TLSConfig = option.TLSConfig
	}
	if path == "" {
		return nil
	}
	if option.SelectDB, err = strconv.Atoi(path); err != nil || option.SelectDB < 0 || !database {
		return errors.New("coatcheck: redisstore: URL with a wrong database; want a number, and none for a Cluster")
	}
	return nil
}
