package legacytcp

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// transcript is a file of testdata. The README there specifies the format.
type transcript struct {
	door   Dialects
	cfg    Config
	draws  []int32
	files  []namedFile
	except []string // replays that are answered in another way
	steps  []step
}

type namedFile struct{ name, content string }

// step is one line of a transcript.
type step struct {
	line int
	do   string // "C>", "S>", "C> EOF", …
	data string // of "C>" and "S>"
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
	if len(tr.steps) == 0 {
		t.Fatalf("%s has no steps", path)
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
	case "@file":
		s, err := parseStrings(rest)
		if len(s) != 2 {
			return fmt.Errorf("%q: %w", rest, err)
		}
		tr.files = append(tr.files, namedFile{s[0], s[1]})
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

// parseStrings parses Go strings. "x"*3 is a string repeated, "a" + "b" two strings joined.
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
