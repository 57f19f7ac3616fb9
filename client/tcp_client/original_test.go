package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/tcptest"
)

// original behaves as the original server did: replies are bare numbers, and requests for
// numbers that have arrived together are answered in reverse order, with nothing between
// the numbers. In the file dialect it closes the connection after the answer, whatever it
// was.
type original struct {
	t        *testing.T
	addr     string
	numbers  []int             // to draw, in this order
	files    map[string]string // answers to names, and to "list"
	notFound string            // the answer to any other name

	mu     sync.Mutex
	values map[string]string // by ID
	log    strings.Builder   // the conversations, one frame or reply a line
	ended  chan struct{}     // receives after each connection
}

// newOriginal starts an original server. Connections that begin with a digit are in the
// number dialect.
func newOriginal(t *testing.T, s *original) *original {
	t.Helper()
	s.t, s.values, s.ended = t, map[string]string{}, make(chan struct{}, 64)
	s.addr = tcptest.Serve(t, func(nc *net.TCPConn) {
		s.serve(nc)
		s.ended <- struct{}{}
	})
	return s
}

// args returns a command line for the server.
func (s *original) args(rest ...string) []string {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return append([]string{host, port}, rest...)
}

// conversation returns the log.
func (s *original) conversation() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func (s *original) serve(nc *net.TCPConn) {
	request := make([]byte, 1024)
	n, _ := nc.Read(request)
	first := string(request[:n])
	if n > 0 && strings.Trim(first, "0123456789") == "" {
		s.count(nc, first)
		return
	}
	s.mu.Lock()
	answer, ok := s.files[first]
	if !ok {
		answer = s.notFound
	}
	s.mu.Unlock()
	io.WriteString(nc, answer)
}

// originalPause is how long the original listens for more requests before it answers: a
// client that pipelines is caught.
const originalPause = 10 * time.Millisecond

func (s *original) count(nc *net.TCPConn, id string) {
	s.mu.Lock()
	value, ok := s.values[id]
	if !ok {
		value = "0"
	}
	fmt.Fprintf(&s.log, "C> %q\n", id)
	s.mu.Unlock()
	s.reply(nc, value)
	var unread string
	for buf := make([]byte, 1024); ; {
		n, err := nc.Read(buf)
		if err != nil {
			s.mu.Lock()
			s.log.WriteString("C> EOF\n")
			s.mu.Unlock()
			return
		}
		unread += string(buf[:n])
		if strings.Contains(unread, "d") || strings.Contains(unread, "v") { // odd, even
			nc.SetReadDeadline(time.Now().Add(originalPause))
			for err == nil {
				n, err = nc.Read(buf)
				unread += string(buf[:n])
			}
			nc.SetReadDeadline(time.Time{})
		}
		var replies []string
		for frame, rest, ok := strings.Cut(unread, " "); ok; frame, rest, ok = strings.Cut(unread, " ") {
			unread = rest
			s.mu.Lock()
			fmt.Fprintf(&s.log, "C> %q\n", frame+" ")
			if frame == "odd" || frame == "even" {
				replies = append(replies, strconv.Itoa(s.numbers[0]))
				s.numbers = append(s.numbers[1:], s.numbers[0])
			} else {
				s.values[id] = frame
			}
			s.mu.Unlock()
		}
		slices.Reverse(replies)
		s.reply(nc, strings.Join(replies, ""))
	}
}

func (s *original) reply(nc net.Conn, text string) {
	if text == "" {
		return
	}
	s.mu.Lock()
	fmt.Fprintf(&s.log, "S> %q\n", text)
	s.mu.Unlock()
	io.WriteString(nc, text)
}

// wantConversation is the recorded conversation of the original programs, in the original
// server's bytes.
const wantConversation = `C> "3748"
S> "0"
C> "1 "
C> "2 "
C> "odd "
S> "57"
C> "59 "
C> EOF
C> "3748"
S> "59"
C> "even "
S> "90"
C> EOF
`

// TestOriginalConversation counts with an original server, with a reconnect.
func TestOriginalConversation(t *testing.T) {
	server := newOriginal(t, &original{numbers: []int{57, 90}})
	dial := dialer(server.addr, 3748)

	s, start, err := dial(t.Context())
	if err != nil || start.Value != 0 || start.Increment != 1 {
		t.Fatalf("dial = %+v, %v, want value 0 and increment 1", start, err)
	}
	for _, value := range []int64{1, 2} {
		if err := s.Report(value); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Draw(t.Context(), numbersv1.Parity_PARITY_ODD); n != 57 || err != nil {
		t.Fatalf("Draw = %d, %v, want 57", n, err)
	}
	if err := s.Report(59); err != nil {
		t.Fatal(err)
	}
	s.Close()
	<-server.ended

	s, start, err = dial(t.Context())
	if err != nil || start.Value != 59 || start.Increment != 57 {
		t.Fatalf("dial = %+v, %v, want value 59 and increment 57", start, err)
	}
	if n, err := s.Draw(t.Context(), numbersv1.Parity_PARITY_EVEN); n != 90 || err != nil {
		t.Fatalf("Draw = %d, %v, want 90", n, err)
	}
	s.Close()
	<-server.ended
	if got := server.conversation(); got != wantConversation {
		t.Errorf("the original saw\n%s\nwant\n%s", got, wantConversation)
	}
}

// TestOriginalDraws draws from several goroutines. An original server would answer two
// draws at once by one text, such as "9079" for 79 and 90.
func TestOriginalDraws(t *testing.T) {
	numbers := []int{79, 90, 57, 12, 33, 8}
	server := newOriginal(t, &original{numbers: slices.Clone(numbers)})
	s, _, err := dialer(server.addr, 7)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got := make(chan int, len(numbers))
	var drawing sync.WaitGroup
	for range numbers {
		drawing.Go(func() {
			n, err := s.(session).NumberConn.Draw(ctx, numbersv1.Parity_PARITY_ODD)
			if err != nil {
				t.Error(err)
			}
			got <- int(n)
		})
	}
	drawing.Wait()
	close(got)
	var all []int
	for n := range got {
		all = append(all, n)
	}
	slices.Sort(all)
	slices.Sort(numbers)
	if !slices.Equal(all, numbers) {
		t.Errorf("drew %v, want %v", all, numbers)
	}
	s.Close()
}

// TestOriginalCount runs the number client against an original server until it has counted
// with a drawn increment.
func TestOriginalCount(t *testing.T) {
	server := newOriginal(t, &original{numbers: []int{40}})
	in, typed := io.Pipe()
	defer typed.Close()
	values, out := io.Pipe()
	status := make(chan int, 1)
	var errs strings.Builder
	go func() {
		status <- execute(t.Context(), server.args(), streams{in, out, &errs})
		out.Close()
	}()
	io.WriteString(typed, "c\n")
	before, last := 0, 0
	for last-before != 40 {
		before = last
		if _, err := fmt.Fscan(values, &last); err != nil {
			t.Fatalf("%v after %d; %s", err, before, &errs)
		}
		if step := last - before; step != 1 && step != 40 {
			t.Fatalf("counted from %d to %d, want steps of 1 and then 40", before, last)
		}
	}
	go io.Copy(io.Discard, values)
	io.WriteString(typed, "exit\n")
	if got := <-status; got != exitOK {
		t.Errorf("status %d, %s", got, &errs)
	}
	if log := server.conversation(); !strings.Contains(log, "S> \"40\"\n") {
		t.Errorf("the original saw\n%s", log)
	}
}

// TestOriginalList lists what Python pickles, in every protocol. Python 2 has byte strings.
func TestOriginalList(t *testing.T) {
	for name, pickle := range map[string]string{
		"0":           "(lp0\nVf32\np1\naVgr\\u00f6\\u00dfe\np2\naVa b\np3\na.",
		"1":           "]q\x00(X\x03\x00\x00\x00f32q\x01X\x07\x00\x00\x00gr\xc3\xb6\xc3\x9feq\x02X\x03\x00\x00\x00a bq\x03e.",
		"2":           "\x80\x02]q\x00(X\x03\x00\x00\x00f32q\x01X\x07\x00\x00\x00gr\xc3\xb6\xc3\x9feq\x02X\x03\x00\x00\x00a bq\x03e.",
		"3":           "\x80\x03]q\x00(X\x03\x00\x00\x00f32q\x01X\x07\x00\x00\x00gr\xc3\xb6\xc3\x9feq\x02X\x03\x00\x00\x00a bq\x03e.",
		"4":           "\x80\x04\x95\x1b\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x03f32\x94\x8c\x07gr\xc3\xb6\xc3\x9fe\x94\x8c\x03a b\x94e.",
		"5":           "\x80\x05\x95\x1b\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x03f32\x94\x8c\x07gr\xc3\xb6\xc3\x9fe\x94\x8c\x03a b\x94e.",
		"0, Python 2": "(lp0\nS'f32'\np1\naS'gr\\xc3\\xb6\\xc3\\x9fe'\np2\naS'a b'\np3\na.",
		"2, Python 2": "\x80\x02]q\x00(U\x03f32q\x01U\x07gr\xc3\xb6\xc3\x9feq\x02U\x03a bq\x03e.",
	} {
		server := newOriginal(t, &original{files: map[string]string{"list": pickle}})
		status, out, errs := program(t.Context(), nil, server.args("list")...)
		if want := "f32\ngröße\na b\n"; status != exitOK || out != want {
			t.Errorf("protocol %s: status %d, %q, %s, want %q", name, status, out, errs, want)
		}
	}
}

// TestOriginalNotFound has servers that say in different words that a file is missing.
func TestOriginalNotFound(t *testing.T) {
	for _, tt := range []struct {
		reply    string
		options  []string
		variable string
		want     int
		says     string // on stderr
	}{
		{"File not found", nil, "", exitNotFound, "File not found\n"},
		{"File does not exist", nil, "", exitNotFound, "File not found\n"},
		{"No such file", nil, "", exitOK, `12 bytes: "No such file"`},
		{"No such file", []string{"--not-found", "No such file"}, "", exitNotFound, "File not found\n"},
		{"No such file", []string{"--not-found=gone", "--not-found=No such file"}, "", exitNotFound, "File not found\n"},
		{"No such file", nil, "No such file", exitNotFound, "File not found\n"},
		{"No such file", []string{"--not-found", "gone"}, "No such file", exitOK, `12 bytes: "No such file"`},
		{"File not found", []string{"--not-found", "No such file"}, "", exitOK, `14 bytes: "File not found"`},
		{"No such file\n", nil, "", exitOK, "13 bytes\n"}, // a file of one line
		{"\x1b[2J", nil, "", exitOK, "4 bytes\n"},
		{"", nil, "", exitOK, "0 bytes\n"},
		{"", []string{"--not-found", ""}, "", exitNotFound, "File not found\n"},
		{strings.Repeat("x", 2000), []string{"--not-found", strings.Repeat("x", 1024)}, "", exitOK, "2000 bytes\n"},
		{"", []string{"--not-found", strings.Repeat("x", 1025)}, "", exitUsage, "1025 bytes are more than 1024"},
	} {
		t.Run("", func(t *testing.T) {
			if tt.variable != "" {
				t.Setenv(notFoundVariable, tt.variable)
			}
			server := newOriginal(t, &original{notFound: tt.reply})
			dir := t.TempDir()
			status, out, errs := program(t.Context(), nil, append(tt.options, server.args("f", dir)...)...)
			if status != tt.want || out != "" || !strings.Contains(errs, tt.says) {
				t.Errorf("reply %.20q, options %.40q, variable %q: status %d, %q, want %d, %q",
					tt.reply, tt.options, tt.variable, status, errs, tt.want, tt.says)
			}
			want := map[string]string{}
			if tt.want == exitOK {
				want["f"] = tt.reply
			}
			wantFiles(t, dir, want)
		})
	}
}
