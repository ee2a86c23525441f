package flask

import "testing"

func TestPythonBytes(t *testing.T) {
	t.Parallel()
	// As Python 3 writes header.encode("utf-8").
	for in, want := range map[string]string{
		"curl/8.5": `b'curl/8.5'`, "it's": `b"it's"`, `it's "x"`: `b'it\'s "x"'`, `a\b`: `b'a\\b'`, "a\tb": `b'a\tb'`, "": `b''`,
		"caf\xc3\xa9": `b'caf\xc3\x83\xc2\xa9'`,
	} {
		if got := pythonBytes(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
