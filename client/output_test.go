package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"example.com/parity/client/internal/fakeserver"
)

// fullDisk is a writer that always fails.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestOutputFails(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", []byte("data"))
	server := fakeserver.Start(t, files, new(fakeserver.Numbers))
	for _, args := range []string{"draw", "clients", "list", "get f -o -", "count", "count --json"} {
		err := run(t.Context(), append([]string{"--addr", server.Addr}, strings.Fields(args)...), streams{strings.NewReader(""), fullDisk{}, new(bytes.Buffer)})
		if !errors.Is(err, errFull) {
			t.Errorf("client %s = %v", args, err)
		}
	}
}
