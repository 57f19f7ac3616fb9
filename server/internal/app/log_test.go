package app

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
)

// TestLog checks that every message through both doors is in server.log with the real
// peer, and that a client cannot forge a line.
func TestLog(t *testing.T) {
	r := start(t)
	r.write(t, "f", []byte("content"))
	doors := r.doors(t)
	for i, name := range []string{"grpc", "legacy"} {
		holdNumbers(t, doors[name], strings.ReplaceAll("ID connect 0; ID report 12; ID odd; ID close", "ID", string(rune('7'+i))))
		if _, err := doors[name].get(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if _, err := doors[name].get(t.Context(), "x\nlevel=ERROR msg=forged"); !errors.Is(err, errNotFound) {
			t.Fatal(err)
		}
		if _, err := doors[name].list(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The metadata in which a gateway forwards an address is ignored from other clients.
	ctx := metadata.AppendToOutgoingContext(t.Context(), legacytcp.MetadataDoor, "legacy", legacytcp.MetadataPeer, "6.6.6.6:66")
	if _, err := r.numbersClient(t).Draw(ctx, &numbersv1.DrawRequest{}); err != nil {
		t.Fatal(err)
	}
	nc := dialOld(t, r.legacyAddr())
	nc.send(t, "f")
	if _, err := io.ReadAll(nc); err != nil {
		t.Fatal(err)
	}
	r.stop()

	for _, tt := range []struct {
		want int
		text []string
	}{
		{1, []string{"msg=Register ", "door=grpc", "client=7"}},
		{1, []string{"msg=Register ", "door=legacy", "client=8"}},
		{1, []string{"msg=Registered", "door=legacy", "client=8", "value=0"}},
		{1, []string{"msg=Report", "door=grpc", "client=7", "value=12"}},
		{1, []string{"msg=Report", "door=legacy", "client=8", "value=12"}},
		{1, []string{"msg=Draw ", "door=legacy", "client=8", "parity=odd"}},
		{1, []string{"msg=Increment", "door=legacy", "client=8", "number=", "parity=odd"}},
		{1, []string{"msg=Committed", "door=legacy", "client=8", "reports=1", "value=12"}},
		{1, []string{"msg=GetRequest", "door=grpc", "name=\"f\""}},
		{1, []string{"msg=GetResponse", "door=grpc", "name=\"f\"", "bytes=7", "cache=miss"}},
		{2, []string{"msg=GetResponse", "door=legacy", "name=\"f\"", "bytes=7", "cache=hit"}},
		{1, []string{"msg=ListRequest", "door=legacy"}},
		{1, []string{"msg=call", "door=grpc", "FileService/Get", "code=NotFound"}},
		{2, []string{"peer=\"" + nc.LocalAddr().String(), "name=\"f\""}},
		{0, []string{"6.6.6.6"}},
		{0, []string{"msg=forged\n"}},
	} {
		if got := r.logged(t, tt.text...); len(got) != tt.want {
			t.Errorf("%q is in %d lines of the log, want %d:\n%s", tt.text, len(got), tt.want, strings.Join(got, ""))
		}
	}
}

func TestLogJSON(t *testing.T) {
	r := start(t, "--log-format=json")
	if _, err := r.doors(t)["legacy"].get(t.Context(), "\x1b[2J\"quoted\""); !errors.Is(err, errNotFound) {
		t.Fatal(err)
	}
	if _, err := r.numbersClient(t).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if got := r.logged(t, `"level":"INFO","msg":"DrawResponse","door":"grpc"`); len(got) != 1 {
		t.Errorf("the log has %q, want one line", got)
	}
	for _, line := range r.logged(t, "") {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("%q is not JSON: %v", line, err)
		}
	}
}
