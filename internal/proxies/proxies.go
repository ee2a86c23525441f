//go:build linux

package proxies

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/internal/freeport"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// Names are the proxies that Start knows.
var Names = []string{"nginx", "HAProxy", "Apache", "Caddy", "Varnish"}

// Options say how a proxy is to be started.
type Options struct {
	// Upstream is the address of the application, 127.0.0.1 and a port. It
	// stands for 127.0.0.1:8080 in the configuration.
	Upstream string

	// Recommended takes the configuration that the guide recommends in place
	// of the one that people write.
	Recommended bool

	// Host is the name of the site, in place of app.example.
	Host string

	// Site is a configuration in place of the guide's, in the same form.
	Site string

	// Certificate and Key are those of the site, in PEM. Nil makes some for
	// Host, which sign themselves.
	Certificate, Key []byte
}

// A Proxy is one that serves. It ends with its test.
type Proxy struct {
	Name        string
	HTTP, HTTPS string // addresses, 127.0.0.1 and a port; Caddy has HTTP/3 at HTTPS
	Certificate []byte // in PEM
	Dir         string // its folder

	host      string
	processes []*process
}

// Start starts one of Names before the application and waits until it serves.
// Where the program is not installed it skips the test, or fails it if
// COATCHECK_REQUIRE_ALL is set.
func Start(t testing.TB, name string, o Options) *Proxy {
	t.Helper()
	k, ok := kinds[name]
	if !ok {
		t.Fatalf("proxies: no %q; want one of %q", name, Names)
	}
	if o.Host == "" {
		o.Host = "app.example"
	}
	if o.Site == "" {
		site, err := Site(name, o.Recommended)
		if err != nil {
			t.Fatal(err)
		}
		o.Site = site
	}
	if o.Certificate == nil {
		var err error
		if o.Certificate, o.Key, err = Certificate(o.Host); err != nil {
			t.Fatal(err)
		}
	}
	for program, debian := range k.programs {
		need(t, program, debian)
	}
	var err error
	for range 3 { // somebody may take a port before the proxy does
		var p *Proxy
		if p, err = k.start(t, name, o); err == nil {
			return p
		}
	}
	t.Fatal(err)
	return nil
}

// start makes a folder and starts the processes in it.
func (k *kind) start(t testing.TB, name string, o Options) (*Proxy, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	dir, err := unprivileged.NewDir(name)
	if err != nil {
		return nil, err
	}
	p := &Proxy{Name: name, Dir: dir, HTTP: local(ports[0]), HTTPS: local(ports[1]), Certificate: o.Certificate, host: o.Host}
	t.Cleanup(p.stop)
	s := setup{Options: o, dir: dir, http: ports[0], https: ports[1], inner: ports[2]}
	commands, err := k.prepare(&s)
	if err == nil {
		err = s.writeCertificate()
	}
	if err != nil {
		return nil, err
	}
	for _, args := range commands {
		process, err := startProcess(dir, args)
		if err != nil {
			return nil, err
		}
		p.processes = append(p.processes, process)
	}
	return p, p.ready()
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// patience is long because a busy machine is no failure.
const patience = 60 * time.Second

// ready waits until both ports answer, and it is this proxy that does.
func (p *Proxy) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := p.answers(ctx)
		ended := p.ended()
		if err == nil && !ended {
			return nil
		}
		if ended || ctx.Err() != nil {
			err = fmt.Errorf("%s does not serve (ended: %t): %v\n%s", p.Name, ended, err, p.Log())
			p.stop()
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *Proxy) answers(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.HTTP)
	if err != nil {
		return err
	}
	conn.Close()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.Certificate)
	conn, err = (&tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: p.host}}).DialContext(ctx, "tcp", p.HTTPS)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (p *Proxy) ended() bool {
	for _, process := range p.processes {
		select {
		case <-process.done:
			return true
		default:
		}
	}
	return false
}

// Log returns what the proxy has written so far.
func (p *Proxy) Log() string {
	log, _ := os.ReadFile(filepath.Join(p.Dir, "log"))
	return string(log[max(0, len(log)-8000):])
}

// stop ends the proxy and removes its folder.
func (p *Proxy) stop() {
	for _, process := range p.processes {
		process.stop()
	}
	os.RemoveAll(p.Dir)
}

// A process is one program, with those that it starts.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// startProcess starts a program as the proxies' user. If the test is killed the
// program is asked to end, and ends what it started.
func startProcess(dir string, args []string) (*process, error) {
	who, err := unprivileged.Account()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if who != nil { // Apache opens it again
		if err := log.Chown(int(who.Uid), int(who.Gid)); err != nil {
			return nil, err
		}
	}
	path, err := look(args[0])
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "TMPDIR="+dir, "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the log says why
		close(p.done)
	}()
	return p, nil
}

// stop asks the process to end and, if it does not, kills its group.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// need skips the test where a program is not installed.
func need(t testing.TB, program, debian string) {
	t.Helper()
	if _, err := look(program); err == nil {
		return
	}
	if os.Getenv("COATCHECK_REQUIRE_ALL") != "" {
		t.Fatalf("%s is not installed; it is in the Debian package %s", program, debian)
	}
	t.Skipf("%s is not installed; it is in the Debian package %s", program, debian)
}

// look also searches where Debian puts servers.
func look(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", program))
}

func freePorts(n int) (ports []int, err error) {
	for range n {
		port, err := freeport.Reserve()
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
