package legacytcp

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
)

// goldenQuiet replaces the 20 ms in replays, so that a busy machine splits
// nothing that the transcript does not.
const goldenQuiet = 250 * time.Millisecond

// transcript is a file of testdata; the README there tells its form.
type transcript struct {
	door   Dialects
	cfg    Config
	draws  []int32
	files  []namedFile
	except []string // replays that do not hold
	steps  []step
}

type namedFile struct {
	name string
	stubFile
}

// step is one line of a transcript.
type step struct {
	line int
	do   string // "C>", "S>", "C> EOF", …
	data string // of "C>" and "S>"
}

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
			g.SetLimit(32) // nearly all they do is wait
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

// play has the conversation with a new gateway. If exactly, each line of the
// server must be one write.
func (tr *transcript) play(t *testing.T, steps []step, exactly bool) error {
	cfg := tr.cfg
	cfg.Limits.Quiet = goldenQuiet
	d := newDoor(t, tr.door, cfg)
	for _, f := range tr.files {
		d.Files.add(f.name, f.stubFile)
	}
	d.Numbers.strict = true // as real services are
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
				break // the gateway need not hear a client out that it has done with
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
			err = errors.New("what is that?")
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

// byBytes returns the steps with every byte of the client in a write of its own.
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

// bySplits returns the conversation once for every place where one write of the
// client can be split in two. Of long writes, both ends and some places between
// have to do.
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

// joined returns the steps with all that the client sends on one connection in
// one write, and all that the server sends after it.
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
			// What the server sends before it may come after it as well.
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

func parseTranscript(t *testing.T, path string) *transcript {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr := &transcript{}
	sc := bufio.NewScanner(f)
	for line := 1; sc.Scan(); line++ {
		if err := tr.parseLine(line, strings.TrimSpace(sc.Text())); err != nil {
			t.Fatalf("%s:%d: %v", path, line, err)
		}
	}
	if sc.Err() != nil {
		t.Fatal(sc.Err())
	}
	return tr
}

func (tr *transcript) parseLine(line int, text string) error {
	word, rest, _ := strings.Cut(text, " ")
	rest, _, _ = strings.Cut(rest, "  #")
	rest = strings.TrimSpace(rest)
	switch word {
	case "", "#":
		return nil
	case "C>", "S>":
		if rest == "EOF" || rest == "RESET" {
			tr.steps = append(tr.steps, step{line: line, do: word + " " + rest})
			return nil
		}
		data, err := parseStrings(rest)
		if len(data) != 1 {
			return fmt.Errorf("%q: %w", rest, err)
		}
		tr.steps = append(tr.steps, step{line, word, data[0]})
		return nil
	case "--":
		tr.steps = append(tr.steps, step{line: line, do: "-- " + rest})
		return nil
	}
	return tr.parseSetting(word, rest)
}

func (tr *transcript) parseSetting(word, rest string) error {
	switch word {
	case "@files-only":
		tr.door = FilesOnly
	case "@bare-replies":
		tr.cfg.BareReplies = true
	case "@except":
		tr.except = strings.Fields(rest)
	case "@draws":
		for _, f := range strings.Fields(rest) {
			n, err := strconv.Atoi(f)
			if err != nil {
				return err
			}
			tr.draws = append(tr.draws, int32(n))
		}
	case "@not-found":
		s, err := parseStrings(rest)
		if len(s) != 1 {
			return fmt.Errorf("%q: %w", rest, err)
		}
		tr.cfg.NotFound = s[0]
	case "@file", "@broken-file", "@failing-file", "@refused-file":
		s, err := parseStrings(rest)
		if len(s) != 2 {
			return fmt.Errorf("%q: %w", rest, err)
		}
		file := stubFile{data: []byte(s[1]), noChecksum: word == "@broken-file"}
		switch word {
		case "@failing-file":
			file.code = codes.Aborted
		case "@refused-file":
			file.code = codes.InvalidArgument
		}
		tr.files = append(tr.files, namedFile{s[0], file})
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

// parseStrings parses Go strings, each of which may be followed by *N for N
// times itself, and by another one joined to it by a plus.
func parseStrings(s string) (all []string, err error) {
	for joined := false; s != ""; {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, err
		}
		s = s[len(quoted):]
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		if after, ok := strings.CutPrefix(s, "*"); ok {
			digits, _, _ := strings.Cut(after, " ")
			n, err := strconv.Atoi(digits)
			if err != nil {
				return nil, err
			}
			text, s = strings.Repeat(text, n), after[len(digits):]
		}
		if joined {
			all[len(all)-1] += text
		} else {
			all = append(all, text)
		}
		s, joined = strings.CutPrefix(strings.TrimSpace(s), "+")
		s = strings.TrimSpace(s)
	}
	return all, nil
}
