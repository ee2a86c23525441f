package trips_test

import (
	"bufio"
	"io"
	"net"
	"testing"

	"github.com/coatcheck/coatcheck/benchmarks/internal/trips"
)

// Two requests before the answer are one round trip, however they arrive.
func TestCount(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for in := bufio.NewReader(conn); ; { // answers every second line
			for range 2 {
				if _, err := in.ReadString('\n'); err != nil {
					return
				}
			}
			io.WriteString(conn, "ok\n")
		}
	}()
	p, err := trips.New(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	const rounds = 50
	for range rounds {
		for range 2 {
			if _, err := io.WriteString(conn, "request\n"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Count(); got != rounds {
		t.Errorf("counted %d round trips, want %d", got, rounds)
	}
	// The client has not hung up.
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
