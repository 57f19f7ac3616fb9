package explain

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const root = "../../.."

var (
	reasonInCode  = regexp.MustCompile(`\b(?:apierror\.\w+|New|InvalidArgument|Exhausted|Unavailable)\((?:codes\.\w+, )?"([A-Z]+(?:_[A-Z]+)*)"`)
	reasonInProto = regexp.MustCompile(`\(([A-Z]+(?:_[A-Z]+)*)\)`)
)

// serverReasons returns every reason that the server's source gives, and that the comments
// of the protos name in parentheses.
func serverReasons(tb testing.TB) map[string]bool {
	tb.Helper()
	found := map[string]bool{}
	for dir, pattern := range map[string]*regexp.Regexp{"server": reasonInCode, "proto": reasonInProto} {
		inDir := 0
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			if ext := filepath.Ext(path); ext != ".go" && ext != ".proto" {
				return nil
			}
			text, err := os.ReadFile(path)
			for _, m := range pattern.FindAllSubmatch(text, -1) {
				found[string(m[1])] = true
				inDir++
			}
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
		if inDir < 20 {
			tb.Errorf("only %d reasons in %s", inDir, dir)
		}
	}
	return found
}

// TestEveryReason has the sentence for each reason of the server, about subject "x".
func TestEveryReason(t *testing.T) {
	want := map[string]string{
		"INTERNAL":              "x: the server failed; its log has the cause",
		"SHUTTING_DOWN":         "x: the server is shutting down; try again later",
		"SEND_STALLED":          "x: the server ended the call, because this client took no data for too long",
		"CALL_RATE":             "x: the server allows no more calls a second; try again later",
		"REQUESTS_WAITING":      "x: the server ended the call, because too many requests of this client wait to be read; try again later",
		"CREDENTIALS_REQUIRED":  "x: the server requires a token (--token) or a client certificate (--tls-cert)",
		"INVALID_TOKEN":         "x: the server does not know the token of --token",
		"UNKNOWN_CERTIFICATE":   "x: the server does not know the certificate of --tls-cert",
		"ROLE_REQUIRED":         "x: permission denied by the server: it gives this client no role for the call",
		"FILE_NOT_PERMITTED":    "x: permission denied by the server",
		"FILE_NOT_FOUND":        "x: no such file",
		"VERSION_MISMATCH":      "x: the server has another version of the file by now",
		"FILE_CHANGED":          "x: the file changed on the server while it was read; run again",
		"OFFSET_BEYOND_END":     "x: the file on the server is shorter than expected; run again",
		"DISK_UNAVAILABLE":      "x: the server's disk does not answer; try again later",
		"DIRECTORY_UNAVAILABLE": "x: the server's directory does not exist at the moment; try again later",
		"INVALID_NAME":          "x: not a valid name of a file: the description",
		"INVALID_PREFIX":        "x: not a valid beginning of names: the description",
		"INVALID_OFFSET":        "x: not a valid offset: the description",
		"INVALID_LIMIT":         "x: not a valid limit: the description",
		"INVALID_SOURCE":        "x: not a valid source of a list: the description",
		"INVALID_CLIENT_ID":     "x: not a valid client ID: the description",
		"INVALID_PARITY":        "x: not a valid parity: the description",
		"INVALID_SESSION":       "x: not a session of this client: the description",
		"TOO_MANY_SESSIONS":     "x: too many sessions: the message",
		"REGISTER_TIMEOUT":      "x: the server ended the session, because the registration did not arrive in time",
		"SESSION_IDLE":          "x: the server ended the session, because nothing was sent for too long",
		"REGISTER_UNAVAILABLE":  "x: the server's register does not work at the moment; try again later",
		"NOT_COMMITTED":         "x: the server has not stored the last values yet",
		"NOT_REGISTERED":        "x: the server expected something else: the message",
		"ALREADY_REGISTERED":    "x: the server expected something else: the message",
		"EMPTY_REQUEST":         "x: the server expected something else: the description",
		"INVALID_PAGE_SIZE":     "x: not a valid size of a page: the description",
		"INVALID_PAGE_TOKEN":    "x: the server does not know the page that it named; run again",
	}
	for reason := range serverReasons(t) {
		sentence, ok := want[reason]
		if !ok || reasons[reason] == nil {
			t.Errorf("the server has the reason %s: give it a sentence in reasons.go, and in this table", reason)
			continue
		}
		r := Server{Addr: "host:1"}.Record(withReason(t, codes.Unavailable, reason, sentence), "x")
		if want := (Record{sentence, "UNAVAILABLE", reason, "x"}); r != want {
			t.Errorf("%+v, want %+v", r, want)
		}
		delete(want, reason)
	}
	for reason := range want {
		t.Errorf("no server has the reason %s", reason)
	}
	if len(reasons) != len(serverReasons(t)) {
		t.Errorf("sentences for %d reasons, and the server has %d", len(reasons), len(serverReasons(t)))
	}
}

// withReason returns an error as the server makes it; with the description of a field if
// the sentence has one.
func withReason(tb testing.TB, code codes.Code, reason, sentence string) error {
	tb.Helper()
	st, err := status.New(code, "the message").WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: domain})
	if err == nil && strings.Contains(sentence, "the description") {
		st, err = st.WithDetails(&errdetails.BadRequest{
			FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "f", Description: "the description"}},
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return st.Err()
}
