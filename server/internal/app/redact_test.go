//go:build unix

package app

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func TestRedactArgs(t *testing.T) {
	got := redactArgs([]string{"server", "gateway", "--upstream-token", "s3cret", "--upstream-token=s3cret", "--state=redis://u:s3cret@h"})
	want := []string{"server", "gateway", "--upstream-token", "REDACTED", "--upstream-token=REDACTED", "--state=redis://REDACTED@h"}
	if !slices.Equal(got, want) {
		t.Errorf("redactArgs = %q, want %q", got, want)
	}
}

// TestPasswordStaysInside: neither the admin pages nor the errors show the password of
// Redis.
func TestPasswordStaysInside(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	mini.RequireUserAuth("parity", "s3cr:et/@x")
	p := startProcess(t, serverArgs(t, t.TempDir(), "--state", "redis://parity:s3cr%3Aet%2F%40x@"+mini.Addr())...)
	for _, path := range []string{"/debug/pprof/cmdline", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/metrics", "/healthz"} {
		if code, body := p.admin(t, path); code != http.StatusOK || strings.Contains(body, "s3cr") {
			t.Errorf("GET %s: %d %q; want no password", path, code, body)
		} else if path == "/debug/pprof/cmdline" && !strings.Contains(body, "--state\x00redis://REDACTED@"+mini.Addr()+"\x00") {
			t.Errorf("GET %s: %q; want the URL with REDACTED", path, body)
		}
	}
	if err := p.terminate(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	for _, mistake := range []string{"redis://parity:s3cr%3Aet@127.0.0.1:1", "redis:/parity:s3cret@127.0.0.1", "redis://parity:s3cr/et@127.0.0.1:1", "rediss//parity:s3cret@h"} {
		p := launch(t, serverArgs(t, t.TempDir(), "--state="+mistake)...)
		if code := p.endsWithin(t, time.Minute); code == exitOK {
			t.Errorf("--state=%s was accepted", mistake)
		}
		if said := p.stderr.String(); strings.Contains(said, "s3cr") {
			t.Errorf("--state=%s: stderr %q shows the password", mistake, said)
		}
	}
}
