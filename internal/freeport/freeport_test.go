package freeport

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
)

// A port is reserved once, and below what the kernel chooses from.
func TestReserve(t *testing.T) {
	seen := make(map[int]bool)
	for range 200 {
		port, err := Reserve()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("%d twice", port)
		}
		seen[port] = true
		if from, err := chosenFrom(); err == nil && from > lowest+1000 && port >= from {
			t.Errorf("%d: the kernel chooses from %d on", port, from)
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}

// Another process does not get it as long as this one runs.
func TestOtherProcesses(t *testing.T) {
	if port, err := strconv.Atoi(os.Getenv("FREEPORT_TAKE")); err == nil {
		if lock(port) {
			t.Errorf("got %d", port)
		}
		if !lock(port + 1) {
			t.Errorf("did not get %d, which nobody has", port+1)
		}
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux")
	}
	const port = lowest - 2 // which Reserve never returns
	if !lock(port) || lock(port) {
		t.Fatal("want the lock once")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOtherProcesses$")
	cmd.Env = append(os.Environ(), "FREEPORT_TAKE="+strconv.Itoa(port))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
