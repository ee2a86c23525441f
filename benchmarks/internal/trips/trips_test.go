package trips_test

import (
	"bufio"
	"io"
	"net"
	"testing"

	"github.com/coatcheck/coatcheck/benchmarks/internal/trips"
)

// Two requests written at once are one round trip, one after the other two.
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
		for in := bufio.NewReader(conn); ; { // answers each line when none is waiting
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			if in.Buffered() == 0 {
				io.WriteString(conn, "ok\n")
			}
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
	for _, request := range []string{"a\nb\n", "c\n"} {
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Count(); got != 2 {
		t.Errorf("counted %d round trips, want 2", got)
	}
	// The client has not hung up.
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
