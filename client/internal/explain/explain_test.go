package explain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestWithoutReason(t *testing.T) {
	server := Server{Addr: "host:1"}
	for _, c := range []struct {
		err     error
		subject string
		want    Record
	}{
		{status.Error(codes.NotFound, "no such file"), "nope", Record{"nope: no such file", "NOT_FOUND", "", "nope"}},
		{status.Error(codes.NotFound, ""), "", Record{"not found", "NOT_FOUND", "", ""}},
		{status.Error(codes.PermissionDenied, ""), "photos/x", Record{"photos/x: permission denied by the server", "PERMISSION_DENIED", ReasonDenied, "photos/x"}},
		{status.Error(codes.PermissionDenied, "not you"), "x", Record{"x: permission denied by the server (not you)", "PERMISSION_DENIED", ReasonDenied, "x"}},
		{status.Error(codes.Unauthenticated, "who?"), "", Record{"the server requires credentials, and does not accept those of this client (who?)", "UNAUTHENTICATED", ReasonNoCredentials, ""}},
		{status.Error(codes.DeadlineExceeded, "context deadline exceeded"), "x", Record{"host:1: no answer in time", "DEADLINE_EXCEEDED", ReasonTimeout, "x"}},
		{status.Error(codes.DeadlineExceeded, "context deadline exceeded"), "", Record{"host:1: no answer in time", "DEADLINE_EXCEEDED", ReasonTimeout, "host:1"}},
		{status.Error(codes.Canceled, "context canceled"), "x", Record{"x: interrupted", "CANCELLED", ReasonInterrupted, "x"}},
		{status.Error(codes.Canceled, "by the server"), "x", Record{"x: the call was canceled (by the server)", "CANCELLED", "", "x"}},
		{status.Error(codes.Unimplemented, "unknown method Stat"), "x", Record{"host:1 does not have this function: it is another server, or an older one", "UNIMPLEMENTED", ReasonUnimplemented, "x"}},
		{status.Error(codes.Unavailable, "the proxy says no"), "", Record{"host:1 is unavailable (the proxy says no)", "UNAVAILABLE", ReasonUnreachable, "host:1"}},
		{status.Error(codes.Internal, "boom"), "x", Record{"x: the server failed (boom)", "INTERNAL", "", "x"}},
		{status.Error(codes.ResourceExhausted, "too much"), "x", Record{"x: the server has reached a limit (too much)", "RESOURCE_EXHAUSTED", "", "x"}},
		{status.Error(codes.InvalidArgument, "bad"), "x", Record{"x: the server refused (bad)", "INVALID_ARGUMENT", "", "x"}},
		{status.Error(codes.Aborted, "changed"), "x", Record{"x: the server gave up (changed); run again", "ABORTED", "", "x"}},
		{status.Error(codes.DataLoss, ""), "x", Record{"x: the server has lost data", "DATA_LOSS", "", "x"}},
		{status.Error(99, "new"), "x", Record{"x: new", "UNKNOWN", "", "x"}},

		// Errors of this machine.
		{context.Canceled, "x", Record{"x: interrupted", "", ReasonInterrupted, "x"}},
		{fmt.Errorf("registering: %w", context.DeadlineExceeded), "", Record{"registering: no answer in time", "", ReasonTimeout, ""}},
		{&fs.PathError{Op: "open", Path: "d/f", Err: syscall.EACCES}, "", Record{"open d/f: permission denied", "", ReasonLocalFile, ""}},
		{&fs.PathError{Op: "write", Path: "d/.f.0123.part", Err: syscall.ENOSPC}, "f", Record{"f: a temporary file: no space left on device", "", ReasonLocalFile, "f"}},
		{&os.LinkError{Op: "rename", Old: "d/.f.0123.part", New: "d/f", Err: syscall.EACCES}, "f", Record{"f: a temporary file: permission denied", "", ReasonLocalFile, "f"}},
		{&fs.PathError{Op: "open", Path: ".profile", Err: syscall.EACCES}, "", Record{"open .profile: permission denied", "", ReasonLocalFile, ""}},
		{fmt.Errorf("%q: %w", "f", fs.ErrExist), "", Record{`"f": file already exists`, "", ReasonLocalExists, ""}},
		{errors.New("the call ended without a checksum"), "x", Record{"x: the call ended without a checksum", "", "", "x"}},
		{errors.New("x: already said"), "x", Record{"x: already said", "", "", "x"}},

		// Wrapped and joined.
		{About(status.Error(codes.NotFound, "no such file"), "nope"), "", Record{"nope: no such file", "NOT_FOUND", "", "nope"}},
		{fmt.Errorf("page 2: %w", About(status.Error(codes.NotFound, "gone"), "inner")), "outer", Record{"outer: page 2: gone", "NOT_FOUND", "", "outer"}},
		{fmt.Errorf("0 of 1 reports were confirmed: %w", status.Error(codes.Unavailable, "error reading from server: EOF")), "", Record{"0 of 1 reports were confirmed: lost the connection to host:1", "UNAVAILABLE", ReasonLost, ""}},
		{fmt.Errorf("%w: %w", errors.New("changed"), status.Error(codes.NotFound, "gone")), "x", Record{"x: changed: gone", "NOT_FOUND", "", "x"}},
		{errors.Join(status.Error(codes.NotFound, "gone"), errors.New("and \x1b[31mmore")), "x", Record{`x: gone; and \x1b[31mmore`, "NOT_FOUND", "", "x"}},
		{status.Error(codes.NotFound, "line\nbreak\u202e"), "\x1bx", Record{`\x1bx: line\nbreak\u202e`, "NOT_FOUND", "", "\x1bx"}},
	} {
		if got := server.Record(c.err, c.subject); got != c.want {
			t.Errorf("%q about %q:\n got %+v\nwant %+v", c.err, c.subject, got, c.want)
		}
	}
}

// TestNoStatusText: whatever the code, whatever wraps it.
func TestNoStatusText(t *testing.T) {
	for code := codes.Code(1); code < 20; code++ {
		err := status.Error(code, "why")
		for _, err := range []error{err, fmt.Errorf("before: %w: after", err), errors.Join(err, err), About(fmt.Errorf("%w, %w", err, err), "y")} {
			for _, text := range []string{Error(err, "x"), Error(err, "")} {
				if text == "" || strings.Contains(text, "rpc error") || strings.Contains(text, "code =") || strings.Contains(text, "desc =") || strings.Contains(text, code.String()) {
					t.Errorf("%v is explained as %q", err, text)
				}
			}
		}
	}
}

// TestOtherDomain: the reason of another server is not taken for Parity's.
func TestOtherDomain(t *testing.T) {
	st, err := status.New(codes.NotFound, "no bucket").WithDetails(&errdetails.ErrorInfo{Reason: "FILE_NOT_FOUND", Domain: "example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := (Server{}).Record(st.Err(), "x"), (Record{"x: no bucket", "NOT_FOUND", "FILE_NOT_FOUND", "x"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestRecordJSON(t *testing.T) {
	text, err := json.Marshal(Server{}.Record(withReason(t, codes.NotFound, "FILE_NOT_FOUND", ""), "nope"))
	if want := `{"message":"nope: no such file","code":"NOT_FOUND","reason":"FILE_NOT_FOUND","subject":"nope"}`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
}

func TestAbout(t *testing.T) {
	if About(nil, "x") != nil {
		t.Error("About makes an error of none")
	}
	err := About(status.Error(codes.NotFound, "gone"), "x")
	if status.Code(err) != codes.NotFound || err.Error() != "rpc error: code = NotFound desc = gone" {
		t.Errorf("About hides the error: %v", err)
	}
}
