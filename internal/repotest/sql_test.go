package repotest_test

import (
	"regexp"
	"testing"
)

var doLock = regexp.MustCompile(`(?i)\bDO\s+(RELEASE|GET)_LOCK`)

// A lock of MySQL is taken and released by SELECT: DO, which throws the answer away,
// is a statement that not everything knows which speaks MySQL's protocol, and hides
// that the lock was not ours.
func TestLocksAreReleasedBySelect(t *testing.T) {
	t.Parallel()
	if !regexp.MustCompile(`SELECT RELEASE_LOCK\(`).MatchString(read(t, "sqlstore/schema.go")) {
		t.Error("sqlstore/schema.go releases no lock by SELECT RELEASE_LOCK: mend this test if the lock is elsewhere")
	}
	for _, name := range files(t, ".go") {
		if found := doLock.FindString(read(t, name)); found != "" {
			t.Errorf("%s has %q: use SELECT, and read the answer", name, found)
		}
	}
}
