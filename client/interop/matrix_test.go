package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// fakeRow is a row of which everything is known.
type fakeRow struct {
	title   string
	unbuilt error
	results map[string]error
}

func (r fakeRow) name() string                                     { return r.title }
func (r fakeRow) build(context.Context, *fixture) error            { return r.unbuilt }
func (r fakeRow) run(_ context.Context, c testCase, _ place) error { return r.results[c.name] }
func (r fakeRow) bench(context.Context, place) (float64, error)    { return 0, absent("no") }

// newMatrix runs rows without servers.
func newMatrix(tb testing.TB, rows []row, cases ...testCase) *matrix {
	tb.Helper()
	f := &fixture{servers: []*server{{grpc: "g:1"}, {grpc: "t:2"}, {grpc: "a:3"}}}
	m, err := runMatrix(tb.Context(), f, rows, cases, io.Discard)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestMatrix(t *testing.T) {
	rows := []row{
		fakeRow{title: "one", results: map[string]error{"b": absent("no b here"), "c": absent("nor c"), "long": absent("not yet")}},
		fakeRow{title: "second", results: map[string]error{"a": errors.New("wrong\nnumber"), "b": absent("no b here"), "long": absent("not yet")}},
		fakeRow{title: "third", unbuilt: errors.New("no compiler")},
	}
	m := newMatrix(t, rows, testCase{name: "a"}, testCase{name: "b"}, testCase{name: "c"}, testCase{name: "long"})
	const want = `case  one    second  third
a     ok     FAIL    FAIL
b     - (1)  - (1)   FAIL
c     - (2)  ok      FAIL
long  - (3)  - (3)   FAIL

(1) no b here
(2) nor c
(3) not yet
FAIL second a: wrong\nnumber
FAIL third: not built: no compiler
`
	var got bytes.Buffer
	m.write(&got, false)
	if got.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", got.String(), want)
	}
	const wantMarkdown = `| case | one | second | third |
|---|---|---|---|
| a | ok | FAIL | FAIL |
`
	got.Reset()
	m.write(&got, true)
	if !strings.HasPrefix(got.String(), wantMarkdown) {
		t.Errorf("printed\n%s\nwant\n%s at first", got.String(), wantMarkdown)
	}
}

func TestMatrixFailed(t *testing.T) {
	good := fakeRow{title: "good", results: map[string]error{"a": absent("no")}}
	for _, tt := range []struct {
		row  fakeRow
		want bool
	}{
		{good, false},
		{fakeRow{title: "red", results: map[string]error{"a": errors.New("wrong")}}, true},
		{fakeRow{title: "not built", unbuilt: errors.New("no compiler")}, true},
	} {
		if m := newMatrix(t, []row{good, tt.row}, testCase{name: "a"}, testCase{name: "b"}); m.failed() != tt.want {
			t.Errorf("failed of %s = %v, want %v", tt.row.title, m.failed(), tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, args := range []string{"--rows go,perl", "--cases (", "--cases nothing", "now"} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("parse(%s): no error", args)
		}
	}
	o, err := parse(strings.Fields("--rows grpcurl,go --cases ^draw"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rowNames(o.rows), " "); got != "go grpcurl" || len(o.cases) != 2 {
		t.Errorf("parse: rows %s, %d cases", got, len(o.cases))
	}
}

// The whole, with the quickest row: a server, a driver, a table.
func TestRun(t *testing.T) {
	var out, progress bytes.Buffer
	err := run(t.Context(), strings.Fields("--rows go --cases ^(draw_even|tls|get_missing)$"), &out, &progress)
	if err != nil {
		t.Errorf("run = %v\n%s%s", err, progress.String(), out.String())
	}
	for _, name := range []string{"draw_even", "get_missing", "tls"} {
		if !regexp.MustCompile(`(?m)^` + name + ` +ok$`).MatchString(out.String()) {
			t.Errorf("%s is not ok:\n%s", name, out.String())
		}
	}
}

// TestDocumentedCases compares the list with the tables of the documents.
func TestDocumentedCases(t *testing.T) {
	var want []string
	for _, c := range cases {
		want = append(want, c.name)
	}
	for document, heading := range map[string]string{"README.md": "## Cases", "../../docs/clients.md": "## What passes"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		_, table, _ := strings.Cut(string(text), "\n"+heading+"\n")
		table, _, _ = strings.Cut(table, "\n## ")
		var got []string
		for _, m := range regexp.MustCompile("(?m)^\\| `?([a-z0-9_]+)`? \\|").FindAllStringSubmatch(table, -1) {
			if m[1] != "case" {
				got = append(got, m[1])
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s has the cases %q, want %q", document, got, want)
		}
		header := "| case | " + strings.Join(rowNames(allRows()), " | ") + " |"
		if strings.HasSuffix(document, "clients.md") && !strings.Contains(table, header) {
			t.Errorf("%s does not have the header %q", document, header)
		}
	}
}
