package legacytcp

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// goldenQuiet replaces the quiet of 20 ms, so that two writes of a transcript arrive within
// it on a busy machine too.
const goldenQuiet = 250 * time.Millisecond

// TestGolden plays each transcript of testdata against a gateway, whole and in pieces. The
// README there describes the replays.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			tr := parseTranscript(t, path)
			var g errgroup.Group
			g.SetLimit(32) // they mostly wait
			for replay, conversations := range map[string][][]step{
				"whole":  {tr.steps},
				"bytes":  {tr.byBytes()},
				"splits": tr.bySplits(),
				"joined": {tr.joined()},
			} {
				if slices.Contains(tr.except, replay) {
					continue
				}
				for i, steps := range conversations {
					g.Go(func() error {
						if err := tr.play(t, steps, replay == "whole"); err != nil {
							return fmt.Errorf("%s, replay %d: %w", replay, i, err)
						}
						return nil
					})
				}
			}
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// play plays steps against a new gateway. If exactly, each line of the server must be one
// write.
func (tr *transcript) play(t *testing.T, steps []step, exactly bool) error {
	cfg := tr.cfg
	cfg.Limits.Quiet = goldenQuiet
	d := newDoor(t, tr.door, cfg)
	for _, f := range tr.files {
		d.Files.add(f.name, stubFile{data: []byte(f.content)})
	}
	d.Numbers.strict = true
	if tr.draws != nil {
		d.Numbers.draws = tr.draws
	}

	var p *peer
	var spy *spyConn
	var sent int
	var want []string
	connect := func() {
		p, sent, want = d.dial(t), 0, nil
		spy = d.spyOf(t, p)
	}
	connect()
	for _, s := range steps {
		var err error
		switch s.do {
		case "C>":
			if err = spy.awaitRead(sent); err != nil || spy.isClosed() {
				break // after its last answer the gateway may close without reading on
			}
			sent += len(s.data)
			if _, err = p.Write([]byte(s.data)); spy.isClosed() {
				err = nil
			}
		case "S>":
			want = append(want, s.data)
			err = p.expect(s.data)
		case "C> EOF":
			err = p.CloseWrite()
		case "C> RESET":
			if err = spy.awaitRead(sent); err == nil {
				err = errors.Join(p.SetLinger(0), p.Close())
			}
			d.Counts.await(t, ReasonClient, 1)
		case "S> EOF":
			err = p.expectEnd(false)
		case "S> RESET":
			err = p.expectEnd(true)
		case "-- quiet":
			if err = spy.awaitRead(sent); err == nil {
				time.Sleep(2 * goldenQuiet)
			}
		case "-- reconnect":
			connect()
		default:
			err = errors.New("unknown step")
		}
		if got := spy.written(); err == nil && exactly && strings.HasPrefix(s.do, "S>") && !slices.Equal(got, want) {
			err = fmt.Errorf("the server's writes were %.300q, want %.300q", got, want)
		}
		if err != nil {
			return fmt.Errorf("line %d: %s: %w\n%s", s.line, s.do, err, d.Log)
		}
	}
	return nil
}

// byBytes returns the steps with each byte of the client in its own write.
func (tr *transcript) byBytes() (steps []step) {
	for _, s := range tr.steps {
		if s.do != "C>" {
			steps = append(steps, s)
			continue
		}
		for i := range len(s.data) {
			steps = append(steps, step{s.line, s.do, s.data[i : i+1]})
		}
	}
	return steps
}

// bySplits returns the steps once for each place where a write of the client can be split
// in two. In long writes it splits near both ends and at some places between.
func (tr *transcript) bySplits() (all [][]step) {
	for i, s := range tr.steps {
		if s.do != "C>" {
			continue
		}
		for at := 1; at < len(s.data); at++ {
			if at > 20 && at < len(s.data)-20 && at%50 != 0 {
				continue
			}
			all = append(all, slices.Concat(tr.steps[:i],
				[]step{{s.line, s.do, s.data[:at]}, {s.line, s.do, s.data[at:]}}, tr.steps[i+1:]))
		}
	}
	return all
}

// joined returns the steps with everything that the client sends on a connection in one
// write, followed by everything that the server sends.
func (tr *transcript) joined() (steps []step) {
	var client, server step
	flush := func() {
		if client.data != "" {
			steps = append(steps, client)
		}
		if server.data != "" {
			steps = append(steps, server)
		}
		client, server = step{}, step{}
	}
	for _, s := range tr.steps {
		switch s.do {
		case "C>":
			client = step{s.line, s.do, client.data + s.data}
		case "S>":
			server = step{s.line, s.do, server.data + s.data}
		case "C> EOF":
			// The order of this EOF and the data of the server does not matter.
			steps = append(steps, step{client.line, client.do, client.data}, s)
			client = step{}
		default:
			flush()
			steps = append(steps, s)
		}
	}
	flush()
	return steps
}
