package e2e_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "write docs/pictures, not e2e/screenshots")

// program is the tool, built by whoever asks first.
var program struct {
	once sync.Once
	path string
	err  error
}

// coatcheckServe runs the program as its users do, on a store in memory, until
// the test ends, and returns where. Where a browser keeps no Secure cookie of
// http://localhost it is https.
func coatcheckServe(t *testing.T, e *engine) string {
	t.Helper()
	var args []string
	if e == webkitEngine {
		args = append(args, "--tls")
	}
	url, stop := runServe(t, "localhost:0", "memory:", args...)
	t.Cleanup(stop)
	return url
}

// runServe runs the program until stop, which fails the test if it does not end
// well, streams or not.
func runServe(t *testing.T, addr, store string, args ...string) (url string, stop func()) {
	t.Helper()
	url, _, stop = runServeLogged(t, addr, store, args...)
	return url, stop
}

// runServeLogged is runServe with what the program logs.
func runServeLogged(t *testing.T, addr, store string, args ...string) (url string, log *lockedBuffer, stop func()) {
	t.Helper()
	program.once.Do(func() {
		dir, err := folder()
		if err != nil {
			program.err = err
			return
		}
		program.path = filepath.Join(dir, "coatcheck")
		if out, err := exec.Command("go", "build", "-o", program.path, "../cmd/coatcheck").CombinedOutput(); err != nil {
			program.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	cmd := exec.Command(program.path, append([]string{"serve", "--addr", addr, "--store", store}, args...)...)
	cmd.Env = append(os.Environ(), "SECRET_KEY=q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	log = new(lockedBuffer)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Wait()
		t.Fatalf("serve did not start: %v\n%s", err, log)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "coatcheck serves on ")), log, func() {
		cmd.Process.Signal(os.Interrupt)
		hung := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer hung.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve: %v\n%s", err, log)
		}
	}
}

// A playground is the page of coatcheck serve in a tab, and what the browser
// complained of there.
type playground struct {
	*tab
	url string

	mu        sync.Mutex
	complains []string
	requests  []string
	streams   int // of events, that the server answered
}

// play opens the page. What the browser complains of fails the test, in Chromium,
// which tells of it.
func play(t *testing.T, url string, b *tab) *playground {
	t.Helper()
	p := &playground{tab: b, url: url}
	if b.e != chromiumEngine {
		p.open(url + "/")
		return p
	}
	err := chromedp.Listen(b.cdp(), func(ev any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			p.complains = append(p.complains, "exception: "+e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			p.complains = append(p.complains, "console: "+string(e.Type))
		case *cdplog.EventEntryAdded:
			if e.Entry.Source != "network" && !strings.HasPrefix(e.Entry.Text, "Clear-Site-Data header on ") { // it logs each 401 and each logout, which the page is there to show
				p.complains = append(p.complains, string(e.Entry.Source)+": "+e.Entry.Text)
			}
		case *network.EventRequestWillBeSent:
			p.requests = append(p.requests, e.Request.URL)
		case *network.EventResponseReceived:
			if e.Response.URL == url+"/events" && e.Response.Status == 200 {
				p.streams++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	p.open(url + "/")
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.complains {
			t.Errorf("the browser complained: %s", c)
		}
		for _, r := range p.requests {
			if !strings.HasPrefix(r, url+"/") {
				t.Errorf("the page asked for %s", r)
			}
		}
	})
	return p
}

// streaming waits for the page's n-th stream of events.
func (p *playground) streaming(n int) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		p.mu.Lock()
		have := p.streams
		p.mu.Unlock()
		if have >= n {
			return
		}
	}
	p.t.Fatalf("not %d streams after %v", n, patience)
}

// size sets the window, and the visitor's liking for light or dark.
func (p *playground) size(width, height int64, scheme string) {
	p.t.Helper()
	if p.e != chromiumEngine {
		return // the pictures are Chromium's
	}
	call(p.tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: false})
	call(p.tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// button selects the button of a form for a route.
func button(route string) string {
	method, path, _ := strings.Cut(route, " ")
	return fmt.Sprintf(`#steps form[method=%q][action=%q] button`, method, path)
}

// press clicks on a route's button, as a mouse does, and waits for the answer.
func (p *playground) press(route string) (status, body string) {
	p.t.Helper()
	return p.clicked(button(route))
}

func (p *playground) clicked(selector string) (status, body string) {
	p.t.Helper()
	p.click(selector)
	return p.answered()
}

// answered waits until the page shows the answer.
func (p *playground) answered() (status, body string) {
	p.t.Helper()
	p.until(`document.body.getAttribute("aria-busy") !== "true"`)
	return p.text("#code"), p.text("#body")
}

func (p *playground) text(selector string) string {
	p.t.Helper()
	return eval[string](p.tab, "document.querySelector("+quote(selector)+")?.textContent.replace(/\\s+/g, ' ').trim() ?? 'nothing there'")
}

// fill writes into the field of a route's form.
func (p *playground) fill(name, value string) {
	p.t.Helper()
	eval[bool](p.tab, fmt.Sprintf("document.querySelector('#steps input[name=%s]').value = %s, true", name, quote(value)))
}

// shot writes a picture of the window to e2e/screenshots; with -update those
// that the README shows go to docs/pictures instead, in few colours.
func (p *playground) shot(name string, shown bool) {
	p.t.Helper()
	if *update && !shown {
		return
	}
	eval[bool](p.tab, "document.fonts.ready.then(() => new Promise(go => requestAnimationFrame(() => requestAnimationFrame(() => go(true)))))")
	picture := call(p.tab, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{Format: cdppage.CaptureScreenshotFormatPng}).Data
	dir := "screenshots"
	if *update {
		dir = filepath.Join("..", "docs", "pictures")
		picture = fewColours(p.t, picture)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// fewColours makes a picture small: it keeps the 256 colours that occur most,
// which of a page are nearly all.
func fewColours(t *testing.T, data []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[color.RGBA]int)
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(from.At(x, y)).(color.RGBA) }
	b := from.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int { return count[b] - count[a] })
	palette := make(color.Palette, 0, 256)
	for _, c := range most[:min(256, len(most))] {
		palette = append(palette, c)
	}
	nearest := make(map[color.RGBA]uint8)
	for _, c := range most {
		nearest[c] = uint8(palette.Index(c))
	}
	to := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			to.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 200<<10 {
		t.Errorf("a picture of %d bytes; want at most 200 KiB", out.Len())
	}
	return out.Bytes()
}

func (p *playground) jar() jar {
	p.t.Helper()
	return p.cookies(p.url)
}
