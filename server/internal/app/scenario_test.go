package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// The scenarios below are conversations as data. Each runs through every door against a
// new server, and the results must be the same.

// numberScenarios has these steps: "ID connect LAST" begins a session, and LAST must be
// the client's last value. "ID report V", "ID even", "ID odd" and "ID close" act in the
// session. "ID refused" must fail to begin one.
var numberScenarios = map[string]string{
	"a new client":               "7 connect 0; 7 close",
	"counts and reconnects":      "7 connect 0; 7 report 1; 7 report 2; 7 close; 7 connect 2; 7 close",
	"draws":                      "7 connect 0; 7 odd; 7 even; 7 odd; 7 odd; 7 close",
	"draws and counts":           "7 connect 0; 7 report 3; 7 odd; 7 report 60; 7 even; 7 close; 7 connect 60; 7 report 61; 7 close; 7 connect 61",
	"reconnects several times":   "1 connect 0; 1 report 5; 1 close; 1 connect 5; 1 report 6; 1 close; 1 connect 6",
	"two clients":                "1 connect 0; 2 connect 0; 1 report 10; 2 report 20; 1 close; 2 close; 1 connect 10; 2 connect 20",
	"smallest and largest ID":    "0 connect 0; 10000 connect 0; 0 report 1; 10000 report 2; 0 close; 10000 close; 0 connect 1; 10000 connect 2",
	"smallest and largest value": "1 connect 0; 1 report 9223372036854775807; 1 close; 1 connect 9223372036854775807; 1 report -9223372036854775808; 1 close; 1 connect -9223372036854775808",
	"value decreases":            "1 connect 0; 1 report 100; 1 report 3; 1 close; 1 connect 3",
	"ID too large":               "10001 refused",
}

func TestNumberScenarios(t *testing.T) {
	for name, script := range numberScenarios {
		for _, doorName := range []string{"grpc", "inproc", "legacy", "gateway"} {
			t.Run(name+"/"+doorName, func(t *testing.T) {
				t.Parallel()
				r := start(t)
				holdNumbers(t, r.doors(t)[doorName], script)
			})
		}
	}
}

// holdNumbers runs a script of numberScenarios through a door.
func holdNumbers(t *testing.T, d door, script string) {
	t.Helper()
	sessions := map[int32]counting{}
	defer func() {
		for _, s := range sessions {
			s.close()
		}
	}()
	for _, step := range strings.Split(script, "; ") {
		var id int32
		var op string
		var value int64
		fmt.Sscan(step, &id, &op, &value)
		var err error
		switch op {
		case "connect":
			err = connect(t.Context(), d, sessions, id, value)
		case "refused":
			if _, _, err := d.count(t.Context(), id); err == nil {
				t.Errorf("%q: the session was accepted", step)
			}
		case "report":
			err = sessions[id].report(value)
		case "odd", "even":
			err = drawOf(t.Context(), sessions[id], op)
		case "close":
			err = sessions[id].close()
			delete(sessions, id)
		default:
			t.Fatalf("unknown step %q", step)
		}
		if err != nil {
			t.Fatalf("%q: %v", step, err)
		}
	}
}

// connect begins a session whose client must have the value last. It retries for a while:
// closing a legacy session does not wait until its last report is processed.
func connect(ctx context.Context, d door, sessions map[int32]counting, id int32, last int64) error {
	for end := time.Now().Add(5 * time.Second); ; {
		session, value, err := d.count(ctx, id)
		if err != nil {
			return err
		}
		if value == last {
			sessions[id] = session
			return nil
		}
		session.close()
		if time.Now().After(end) {
			return fmt.Errorf("the last value is %d, want %d", value, last)
		}
	}
}

// drawOf draws an "even" or "odd" number and checks it.
func drawOf(ctx context.Context, s counting, parity string) error {
	p, odd := numbersv1.Parity_PARITY_EVEN, int32(0)
	if parity == "odd" {
		p, odd = numbersv1.Parity_PARITY_ODD, 1
	}
	n, err := s.draw(ctx, p)
	if err != nil {
		return err
	}
	if n < 0 || n > 99 || n%2 != odd {
		return fmt.Errorf("drew %d, want an %s number from 0 to 99", n, parity)
	}
	return nil
}

// fileScenarios has these steps: "get NAME" must return the file, "none NAME" must not
// find it, and "list NAMES" must return exactly these cached files, in this order. The
// cache holds 64 MiB.
var fileScenarios = map[string]string{
	"cache empty at first":        "list",
	"fetched files are cached":    "get f32; get f1m; list f32,f1m",
	"fetched twice, listed once":  "get f32; get f1m; get f32; list f32,f1m",
	"missing file not cached":     "get f32; none f33; list f32",
	"empty file":                  "get empty; list empty",
	"spaces in a name":            "get my report.pdf; list my report.pdf",
	"non-ASCII name":              "get größe.txt; list größe.txt",
	"file in a subdirectory":      "get sub/f; list sub/f",
	"larger than the cache":       "get f32; get f65m; list f32",
	"eviction":                    "get f30m; get f31m; get f32; get f29m; list f31m,f32,f29m",
	"names outside the directory": "none ../f32; none /etc/passwd; none sub/../f32; none ..; list",
	"names of no regular file":    "none sub; none .; list",
	"name of 1,024 bytes":         "none " + strings.Repeat("x", 1024),
	"name of 1,025 bytes":         "none " + strings.Repeat("x", 1025),
	"name of 5,000 bytes":         "none " + strings.Repeat("x", 5000) + "; get f32",
	"name that is not UTF-8":      "none \xff\xfe",
	"name with a NUL":             "none a\x00b; get f32",
	"name with terminal escapes":  "none \x1b[2J",
}

var fileSizes = map[string]int{
	"f32": 32, "f1m": 1 << 20, "empty": 0, "my report.pdf": 12_345, "größe.txt": 7, "sub/f": 100,
	"f29m": 29 << 20, "f30m": 30 << 20, "f31m": 31 << 20, "f65m": 65 << 20,
}

// content returns size bytes that depend on size alone.
func content(size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(data)
	return data
}

func TestFileScenarios(t *testing.T) {
	for name, script := range fileScenarios {
		for _, doorName := range []string{"grpc", "inproc", "legacy", "legacy-files", "gateway"} {
			t.Run(name+"/"+doorName, func(t *testing.T) {
				r := start(t)
				for file, size := range fileSizes {
					if strings.Contains(script, file) {
						r.write(t, file, content(size))
					}
				}
				holdFiles(t, r.doors(t)[doorName], script)
			})
		}
	}
}

// holdFiles runs a script of fileScenarios through a door.
func holdFiles(t *testing.T, d door, script string) {
	t.Helper()
	for _, step := range strings.Split(script, "; ") {
		op, rest, _ := strings.Cut(step, " ")
		switch op {
		case "get":
			data, err := d.get(t.Context(), rest)
			if err != nil || !bytes.Equal(data, content(fileSizes[rest])) {
				t.Fatalf("%q: %d bytes, error %v", step, len(data), err)
			}
		case "none":
			// The client cannot encode a name that is not UTF-8 as a protobuf string.
			if data, err := d.get(t.Context(), rest); err == nil ||
				!errors.Is(err, errNotFound) && !strings.Contains(err.Error(), "UTF-8") {
				t.Errorf("%.40q: %d bytes, error %v; want not found", step, len(data), err)
			}
		case "list":
			want := strings.Split(rest, ",")
			if rest == "" {
				want = []string{}
			}
			if got, err := d.list(t.Context()); err != nil || !slices.Equal(got, want) {
				t.Errorf("list = %q, %v; want %q", got, err, want)
			}
		default:
			t.Fatalf("unknown step %q", step)
		}
	}
}
