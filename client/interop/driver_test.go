//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/parity/internal/await"
)

// newDriver returns a row whose driver is a shell script.
func newDriver(tb testing.TB, script string) *driverRow {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "driver")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		tb.Fatal(err)
	}
	r := &driverRow{title: "shell", prepare: func(context.Context, *fixture) (string, error) { return path, nil }}
	if err := r.build(tb.Context(), nil); err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestDriverOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		absent       string // the reason, if the case is absent
		failure      string // part of the error, if it failed
	}{
		{"passes", "exit 0", "", ""},
		{"fails", "echo drew 3, want even >&2; exit 1", "", "exit status 1: drew 3, want even"},
		{"says more than one line", "printf 'one\\n\\ntwo\\n' >&2; exit 1", "", "exit status 1: one | two"},
		{"cannot have it", "echo no compression here; exit 3", "no compression here", ""},
		{"cannot have it, without a reason", "exit 3", "", "without a reason"},
		{"crashes", "exit 7", "", "exit status 7"},
		{"is killed", "kill -9 $$", "", "exit status -1"},
		{"prints controls", "printf '\\033[2J' >&2; exit 1", "", `exit status 1: \x1b[2J`},
		{"prints without end", "yes | head -c 10000000 >&2; echo last >&2; exit 1", "", "y | last"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := newDriver(t, tt.script).run(t.Context(), testCase{name: "draw_even"}, place{})
			reason, isAbsence := isAbsent(err)
			switch {
			case tt.absent != "" && reason != tt.absent:
				t.Errorf("run = %v, want the absence %q", err, tt.absent)
			case tt.failure != "" && (err == nil || isAbsence || !strings.Contains(err.Error(), tt.failure)):
				t.Errorf("run = %v, want a failure with %q", err, tt.failure)
			case tt.absent == "" && tt.failure == "" && err != nil:
				t.Errorf("run = %v, want no error", err)
			}
		})
	}
}

// A driver that hangs is killed, together with what it has started.
func TestDriverHangs(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	r := newDriver(t, fmt.Sprintf("echo waiting for a reply >&2; sleep 1000 & echo $! >%s.new; mv %s.new %s; wait", pidFile, pidFile, pidFile))
	r.limit = time.Second
	err := r.run(t.Context(), testCase{name: "draw_even"}, place{})
	if err == nil || err.Error() != "killed after 1s: waiting for a reply" {
		t.Errorf("run = %v", err)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	await.That(t, "the child of the driver has ended", func() bool { return !alive(child) })
}

// alive reports whether a process runs. One that only waits for its parent's attention
// does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(state), ") Z ")
}

func TestDriverArguments(t *testing.T) {
	at := place{grpc: "g:1", tls: "t:2", auth: "a:3", ca: "/ca.pem", dir: "/d", idBase: 4000, row: "shell"}
	for _, tt := range []struct {
		c    testCase
		want string
	}{
		{testCase{name: "stat"}, "--case stat --addr g:1 --dir /d --row shell --id-base 4000"},
		{testCase{name: "tls", server: withTLS}, "--case tls --addr t:2 --dir /d --row shell --id-base 4000 --tls-ca /ca.pem"},
		{testCase{name: "token", server: withAuth}, "--case token --addr a:3 --dir /d --row shell --id-base 4000 --token " + sampleToken},
	} {
		err := newDriver(t, `echo "$@"; exit 3`).run(t.Context(), tt.c, at)
		if got, ok := isAbsent(err); !ok || got != tt.want {
			t.Errorf("the driver of %s got %q, want %q", tt.c.name, got, tt.want)
		}
	}
}

func TestDriverBench(t *testing.T) {
	for output, want := range map[string]float64{"512.5": 512.5, "warming up\\n77 MB/s": 77} {
		speed, err := newDriver(t, "printf '"+output+"\\n'").bench(t.Context(), place{})
		if speed != want || err != nil {
			t.Errorf("bench after %q = %v, %v, want %v", output, speed, err, want)
		}
	}
	for _, script := range []string{"echo fast", "echo 0", "echo 500; exit 1", "true"} {
		if speed, err := newDriver(t, script).bench(t.Context(), place{}); err == nil {
			t.Errorf("bench of %q = %v, want an error", script, speed)
		}
	}
}

// A script's build that fails leaves a row red, and says why.
func TestDriverScript(t *testing.T) {
	root := t.TempDir()
	f := &fixture{root: root, progress: new(tail)}
	prepare := driverScript("shell")
	if _, err := prepare(t.Context(), f); err == nil || !strings.Contains(err.Error(), "client/shell/driver") {
		t.Errorf("without a script: %v", err)
	}
	dir := filepath.Join(root, "client", "shell")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "driver")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ \"$1\" = --build ] && echo no compiler >&2; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(t.Context(), f); err == nil || !strings.Contains(err.Error(), "no compiler") {
		t.Errorf("with a build that fails: %v", err)
	}
	toolchains["shell"] = []toolchain{{"no-such-compiler", "apt install nothing"}}
	defer delete(toolchains, "shell")
	if _, err := prepare(t.Context(), f); err == nil || !strings.Contains(err.Error(), "no-such-compiler is not installed: apt install nothing") {
		t.Errorf("without a toolchain: %v", err)
	}
}
