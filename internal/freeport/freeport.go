// Package freeport gives tests ports for the servers that they start, and start
// again: nothing else takes one between the choice and the start, nor while the
// server is down.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
)

const (
	lowest  = 20000 // below are the ports of services
	highest = 32767 // above are those that Linux gives out by itself
)

var held struct {
	sync.Mutex
	ports map[int]net.Listener // with their locks, until the process ends
}

// Reserve returns a port of the loopback interface on which nobody listens, by TCP
// or UDP, and which no other caller gets until this process has ended. Where Linux
// has its usual settings the kernel gives it to nobody either, since it is below the
// range that it chooses from.
func Reserve() (int, error) {
	above := highest
	if from, err := chosenFrom(); err == nil && from > lowest+1000 {
		above = min(from-1, highest)
	}
	for range 1000 {
		if port := lowest + rand.IntN(above-lowest+1); lock(port) && unused(port) {
			return port, nil
		}
	}
	return 0, errors.New("freeport: no free port in 1,000 tries")
}

// lock reports whether the port is this process's from now on. On Linux a name that
// is no file says so to other processes, as long as this one runs.
func lock(port int) bool {
	held.Lock()
	defer held.Unlock()
	if _, mine := held.ports[port]; mine {
		return false
	}
	var l net.Listener
	if runtime.GOOS == "linux" {
		var err error
		if l, err = net.Listen("unix", fmt.Sprintf("@coatcheck-port-%d", port)); errors.Is(err, syscall.EADDRINUSE) {
			return false
		}
	}
	if held.ports == nil {
		held.ports = make(map[int]net.Listener)
	}
	held.ports[port] = l // nil where there are no such names
	return true
}

// chosenFrom is the first port that the kernel gives out by itself.
func chosenFrom() (from int, err error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(text), &from)
	}
	return from, err
}

func unused(port int) bool {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	defer u.Close()
	return true
}
