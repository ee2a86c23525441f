package main

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

//go:embed nginx.conf
var nginxConf string

// bouncerConf pools by transaction: each may get another connection.
const bouncerConf = `[databases]
* = host=127.0.0.1 port={{.Postgres}} user=shop
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {{.Bouncer}}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
`

// A stack is the processes that -all starts, in folders of their own.
type stack struct {
	dir       string
	processes []*exec.Cmd
	ended     chan string // gets the name of each that ends
}

// runAll starts PostgreSQL, PgBouncer, two instances of this program and nginx in
// front of them, and stops them when ctx ends.
func (o *options) runAll(ctx context.Context, dir string) error {
	st := &stack{dir: dir, ended: make(chan string, 8)}
	defer st.stop()
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	v := map[string]string{"Postgres": ports[0], "Bouncer": ports[1], "One": local(ports[2]), "Two": local(ports[3]), "Listen": o.addr, "TLS": o.cert}
	if o.issuer == "" {
		if err := o.startProvider(ctx, "http://"+v["One"]); err != nil {
			return err
		}
	}
	if err := os.Setenv("SECRET_KEY", cmp.Or(os.Getenv("SECRET_KEY"), rand.Text()+rand.Text())); err != nil { // one for both
		return err
	}
	for _, start := range []func() error{
		func() error { return st.startPostgres(ctx, v) },
		func() error {
			return st.start(ctx, local(v["Bouncer"]), "pgbouncer", "pgbouncer", map[string]string{"conf": fill(bouncerConf, v)}, "conf")
		},
		func() error { return st.startInstance(ctx, o, v["One"], v["Bouncer"]) }, // it makes the tables
		func() error { return st.startInstance(ctx, o, v["Two"], v["Bouncer"]) },
		func() error { return st.startNginx(ctx, o, v) },
	} {
		if err := start(); err != nil {
			return err
		}
	}
	fmt.Print(o.greeting())
	select {
	case <-ctx.Done():
		return nil
	case name := <-st.ended:
		st.ended <- name // for stop
		return errors.New(name + " has ended")
	}
}

func fill(conf string, v map[string]string) string {
	var b strings.Builder
	template.Must(template.New("").Parse(conf)).Execute(&b, v) // to memory: no error
	return b.String()
}

func (st *stack) startPostgres(ctx context.Context, v map[string]string) error {
	if err := st.start(ctx, "", "initdb", "postgresql", nil, "-D", "../data", "-U", "shop", "-A", "trust", "-E", "UTF8", "--no-sync"); err != nil {
		return err
	}
	return st.start(ctx, local(v["Postgres"]), "postgres", "postgresql", nil, "-D", "../data", "-p", v["Postgres"],
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
}

func (st *stack) startNginx(ctx context.Context, o *options, v map[string]string) error {
	files := map[string]string{"conf": fill(nginxConf, v)}
	for name, from := range map[string]string{"cert.pem": o.cert, "key.pem": o.key} {
		if from == "" {
			continue
		}
		data, err := os.ReadFile(from) // which the servers' user may not
		if err != nil {
			return err
		}
		files[name] = string(data)
	}
	dir := filepath.Join(st.dir, "nginx")
	return st.start(ctx, o.addr, "nginx", "nginx", files, "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "conf"))
}

// startInstance starts this program without -all.
func (st *stack) startInstance(ctx context.Context, o *options, addr, bouncer string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "-addr", addr, "-origin", o.origin, "-partner", o.partner, "-proxies", "127.0.0.1/32",
		"-issuer", o.issuer, "-db", "postgres://shop@"+local(bouncer)+"/postgres?sslmode=disable")
	cmd.Env = append(os.Environ(), "SHOP_OPENID_SECRET="+o.secret)
	if o.cert != "" {
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+o.cert) // it is the provider's, too
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Stderr = os.Stderr
	return st.run(ctx, "the instance at "+addr, cmd, func() error {
		res, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
}

// start starts a server in a folder with these files, as a user that servers
// accept, and waits until it listens; where addr is "", until it has ended.
func (st *stack) start(ctx context.Context, addr, name, debian string, files map[string]string, args ...string) error {
	path, err := program(name, debian)
	if err != nil {
		return err
	}
	dir, who, err := st.folder(name)
	for file, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	}
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true, Pdeathsig: syscall.SIGINT}
	cmd.Stdout, cmd.Stderr = log, log
	if addr == "" {
		err = cmd.Run()
	} else {
		err = st.run(ctx, name, cmd, func() error {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err
		})
	}
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w\n%s", name, err, said)
	}
	return nil
}

// run waits until a process serves. A busy machine is no failure.
func (st *stack) run(ctx context.Context, name string, cmd *exec.Cmd, serves func() error) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	st.processes = append(st.processes, cmd)
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		st.ended <- name
		close(done)
	}()
	for {
		err := serves()
		if err == nil {
			return nil
		}
		select {
		case <-done:
			return errors.New(name + " has ended at once")
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the processes, the last one first.
func (st *stack) stop() {
	for _, cmd := range slices.Backward(st.processes) {
		cmd.Process.Signal(syscall.SIGINT)
	}
	limit := time.After(20 * time.Second)
	for range st.processes {
		select {
		case <-st.ended:
		case <-limit:
			for _, cmd := range st.processes {
				syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			}
			return
		}
	}
}

// folder makes one that the servers' user may write.
func (st *stack) folder(name string) (dir string, who *syscall.Credential, err error) {
	if who, err = unprivileged.Account(); err != nil {
		return "", nil, err
	}
	dir = filepath.Join(st.dir, name)
	if err = os.Mkdir(dir, 0o755); err == nil && who != nil {
		err = errors.Join(os.Chown(st.dir, int(who.Uid), int(who.Gid)), os.Chown(dir, int(who.Uid), int(who.Gid)))
	}
	return dir, who, err
}

// program also looks where Debian puts servers.
func program(name, debian string) (string, error) {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range append(folders, "", "/usr/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("-all needs %s, of the Debian package %s; without -all the shop needs nothing", name, debian)
}

// freePorts are ports of this machine that nobody listens on.
func freePorts(n int) (ports []string, err error) {
	for range n {
		l, err := net.Listen("tcp", local("0"))
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports, nil
}

func local(port string) string { return net.JoinHostPort("127.0.0.1", port) }
