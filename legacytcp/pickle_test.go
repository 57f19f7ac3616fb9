package legacytcp

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// listsOfNames returns lists to encode. Their sizes need up to three bytes for the length.
func listsOfNames() [][]string {
	lists := [][]string{
		{},
		{""},
		{"f32", "f1m"},
		{"größe", "日本", "🎲", "a b/c", "'\"\\\n\x00\x1b", "\u2028\ufeff"},
	}
	for _, n := range []int{1, 254, 255, 256, 257, 1023, 1024, 65535, 65536, 70000} {
		lists = append(lists, []string{strings.Repeat("x", n), strings.Repeat("ü", n)})
	}
	many := make([]string, 3000)
	for i := range many {
		many[i] = strings.Repeat("n", i%50)
	}
	lists = append(lists, many)
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		names := make([]string, random.IntN(20))
		for i := range names {
			runes := make([]rune, random.IntN(40))
			for j := range runes {
				// About as many of each length in UTF-8. Surrogates and values beyond
				// Unicode become U+FFFD.
				runes[j] = random.Int32N(1 << (7 + random.IntN(15)))
			}
			names[i] = string(runes)
		}
		lists = append(lists, names)
	}
	return lists
}

// TestPickleRoundTrip decodes what pickleNames encodes.
func TestPickleRoundTrip(t *testing.T) {
	for _, names := range listsOfNames() {
		pickle, err := pickleNames(names)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unpickleNames(pickle); err != nil || !slices.Equal(got, names) {
			t.Errorf("%.100q became %.100q and %v", names, got, err)
		}
	}
}

// TestPickleInPython has Python decode what pickleNames encodes, and decodes what Python
// encodes in each of its protocols.
func TestPickleInPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on PATH")
	}
	const program = `
import json, pickle, struct, sys
def reply(b):
    sys.stdout.buffer.write(struct.pack("<I", len(b)) + b)
while header := sys.stdin.buffer.read(4):
    data = sys.stdin.buffer.read(struct.unpack("<I", header)[0])
    names = pickle.loads(data)
    assert type(names) is list and all(type(n) is str for n in names), names
    assert data[:2] == b"\x80\x03", data[:2]
    reply(json.dumps(names).encode())
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        reply(pickle.dumps(names, protocol))
reply(b"done")
`
	lists := append(listsOfNames(), []string{"not UTF-8: \xff", "\xed\xa0\x80"})
	var stdin bytes.Buffer
	for _, names := range lists {
		pickle, err := pickleNames(names)
		if err != nil {
			t.Fatal(err)
		}
		binary.Write(&stdin, binary.LittleEndian, uint32(len(pickle)))
		stdin.Write(pickle)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", program)
	cmd.Stdin = &stdin
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	next := func() (b []byte) {
		n := binary.LittleEndian.Uint32(out)
		b, out = out[4:4+n], out[4+n:]
		return b
	}
	for _, names := range lists {
		want := make([]string, len(names))
		for i, name := range names {
			want[i] = strings.ToValidUTF8(name, "\uFFFD")
		}
		var got []string
		if err := json.Unmarshal(next(), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("Python read %.100q and %v, want %.100q", got, err, want)
		}
		for protocol := range 6 {
			if got, err := unpickleNames(next()); err != nil || !slices.Equal(got, want) {
				t.Errorf("protocol %d: we read %.100q and %v, want %.100q", protocol, got, err, want)
			}
		}
	}
	if got := next(); string(got) != "done" {
		t.Errorf("Python ended with %q", got)
	}
}

// TestUnpickleRefuses decodes truncated pickles, other types, and code.
func TestUnpickleRefuses(t *testing.T) {
	for _, pickle := range []string{
		"",
		"\x80\x03]",
		"\x80\x03].\x80\x03].",
		"\x80\x03].x",
		"\x80\x03N.",
		"\x80\x03}.",
		"\x80\x03(K\x01l.",
		"\x80\x03(C\x01xl.",
		"\x80\x03(X\xff\xff\xff\xffl.",
		"cos\nsystem\n(S'true'\ntR.",
		"File not found",
	} {
		if names, err := unpickleNames([]byte(pickle)); err == nil {
			t.Errorf("unpickleNames(%q) = %q, want an error", pickle, names)
		}
	}
}

// TestJoinNames checks both encodings of the text lists.
func TestJoinNames(t *testing.T) {
	names := []string{"", "a-Z_0.9~/", "%!'()*", "ü \xff\xc3"}
	for _, tt := range []struct {
		name  string
		plain func(rune) bool
		want  string
	}{
		{"unreserved", isUnreserved, "|a-Z_0.9~/|%25%21%27%28%29%2A|%C3%BC%20%FF%C3|"},
		{"printable", isPrintable, "|a-Z_0.9~/|%!'()*|ü %FF%C3|"},
	} {
		if got := string(joinNames(names, tt.plain, '|')); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := string(joinNames([]string{"�"}, isPrintable, '|')); got != "�|" {
		t.Errorf("U+FFFD became %q", got)
	}
}
