// Package explain turns errors into sentences for people, and into records for programs.
// It is the only place of the client that knows what a status means. A sentence says what
// happened, to what, and what to do about it; it never has the text of a status, and is
// safe for a terminal.
package explain

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/terminal"
)

// domain is the domain of the ErrorInfos of a Parity server.
const domain = "parity"

// Server is the server that was called, as the person named it: for sentences about
// connections. Its zero value is a server of unknown address.
type Server struct {
	Addr string // HOST:PORT, or a gRPC target
	TLS  bool   // whether the client uses TLS
}

// Record is an error for programs.
type Record struct {
	// Message is the sentence for people.
	Message string `json:"message"`
	// Code is the name of the gRPC code, such as NOT_FOUND. It is empty if the error is not
	// one of a call.
	Code string `json:"code,omitempty"`
	// Reason is the reason of the server's ErrorInfo, such as FILE_NOT_FOUND, or one of the
	// Reason constants.
	Reason string `json:"reason,omitempty"`
	// Subject is what the error is about: the name of a file, or the server's address.
	Subject string `json:"subject,omitempty"`
}

// Reasons of errors that no server has given.
const (
	ReasonUsage         = "USAGE"             // a mistake in the command line
	ReasonInterrupted   = "INTERRUPTED"       // by a signal
	ReasonTimeout       = "TIMEOUT"           // no answer in time
	ReasonUnreachable   = "UNREACHABLE"       // the server cannot be reached
	ReasonTLS           = "TLS"               // TLS with the server failed
	ReasonNotGRPC       = "NOT_GRPC"          // what is at the address is no gRPC server
	ReasonLost          = "CONNECTION_LOST"   // the connection was lost during a call
	ReasonLocalFile     = "LOCAL_FILE"        // a local file cannot be read or written
	ReasonLocalExists   = "LOCAL_FILE_EXISTS" // a local file is in the way
	ReasonNoCredentials = "UNAUTHENTICATED"   // the server does not know who this is
	ReasonDenied        = "PERMISSION_DENIED" // the server knows, and does not allow it
	ReasonUnimplemented = "UNIMPLEMENTED"     // the server does not have the rpc
)

// Error returns the sentence for err, about subject, which may be empty. It is
// Server.Error for a server of unknown address.
func Error(err error, subject string) string { return Server{}.Error(err, subject) }

// Error returns the sentence for err. subject is what the call was about, such as the name
// of a file; it may be empty. It begins the sentence unless the error is one of the
// connection, which concerns all subjects.
func (s Server) Error(err error, subject string) string { return s.Record(err, subject).Message }

// Record returns the record for err, with the sentence that Error returns.
func (s Server) Record(err error, subject string) Record {
	if subject == "" {
		subject = subjectOf(err)
	}
	said := s.say(err)
	r := Record{Code: said.code, Reason: said.reason, Subject: subject}
	text := said.text
	switch {
	case said.server && subject == "":
		r.Subject = s.Addr
	case !said.server && subject != "" && !strings.HasPrefix(text, subject+":"):
		text = subject + ": " + text
	}
	r.Message = terminal.Escape(text)
	return r
}

// About returns err as an error about subject: the sentences and records for it, and for
// errors that wrap it, have this subject unless they are given another one.
func About(err error, subject string) error {
	if err == nil || subject == "" {
		return err
	}
	return &aboutError{err, subject}
}

type aboutError struct {
	err     error
	subject string
}

func (e *aboutError) Error() string { return e.err.Error() }
func (e *aboutError) Unwrap() error { return e.err }

func subjectOf(err error) string {
	if about, ok := errors.AsType[*aboutError](err); ok {
		return about.subject
	}
	return ""
}

// sentence is what is said about an error, or a part of one.
type sentence struct {
	text   string
	code   string
	reason string
	server bool // whether it is about the server as a whole, which it names
}

// say replaces each error in the tree of err that has a meaning of its own by its
// sentence, and leaves what other errors say around it. The code and the reason are those
// of the first one.
func (s Server) say(err error) sentence {
	if coded, ok := err.(interface{ GRPCStatus() *status.Status }); ok { // this error itself: those that wrap it say more
		return s.status(coded.GRPCStatus())
	}
	if local, ok := sayLocal(err); ok {
		return local
	}
	var inner []error
	switch err := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		if wrapped := err.Unwrap(); wrapped != nil {
			inner = []error{wrapped}
		}
	case interface{ Unwrap() []error }:
		inner = err.Unwrap()
	}
	all := sentence{}
	rest := err.Error()
	for i, wrapped := range inner {
		said := s.say(wrapped)
		if i == 0 || all.reason == "" && all.code == "" {
			all.code, all.reason, all.server = said.code, said.reason, said.server
		}
		if before, after, found := strings.Cut(rest, wrapped.Error()); found {
			all.text += strings.ReplaceAll(before, "\n", "; ") + said.text // errors.Join breaks lines
			rest = after
			// An addition in front is about the subject again.
			all.server = all.server && before == ""
		}
	}
	all.text += rest
	return all
}

// sayLocal returns the sentence for an error of this machine.
func sayLocal(err error) (sentence, bool) {
	switch err { //nolint:errorlint // the errors themselves: those that wrap them say more
	case context.Canceled:
		return sentence{text: "interrupted", reason: ReasonInterrupted}, true
	case context.DeadlineExceeded:
		return sentence{text: "no answer in time", reason: ReasonTimeout}, true
	case fs.ErrExist:
		return sentence{text: err.Error(), reason: ReasonLocalExists}, true
	}
	reason := ReasonLocalFile
	if errors.Is(err, fs.ErrExist) {
		reason = ReasonLocalExists
	}
	switch err := err.(type) { //nolint:errorlint // as above
	case *fs.PathError:
		return sentence{text: visible(err.Op+" "+err.Path, err.Err, err.Path), reason: reason}, true
	case *os.LinkError:
		return sentence{text: visible(err.Op+" "+err.Old+" "+err.New, err.Err, err.Old, err.New), reason: reason}, true
	}
	return sentence{}, false
}

// visible returns the text of an error of files. The name of the hidden file of an
// incomplete download would say nothing.
func visible(what string, err error, paths ...string) string {
	for _, path := range paths {
		if base := filepath.Base(path); strings.HasPrefix(base, ".") && strings.HasSuffix(base, ".part") {
			return "a temporary file: " + err.Error()
		}
	}
	return what + ": " + err.Error()
}

// status returns the sentence for a status.
func (s Server) status(st *status.Status) sentence {
	info, violation := details(st)
	if say, ok := reasons[info.GetReason()]; ok && info.GetDomain() == domain {
		text := st.Message()
		if violation != nil {
			text = violation.GetDescription()
		}
		return sentence{text: say(text), code: codeName(st.Code()), reason: info.GetReason()}
	}
	said := s.code(st)
	said.code = codeName(st.Code())
	if reason := info.GetReason(); reason != "" {
		said.reason = reason
	}
	return said
}

func details(st *status.Status) (info *errdetails.ErrorInfo, violation *errdetails.BadRequest_FieldViolation) {
	for _, detail := range st.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.BadRequest:
			if len(detail.GetFieldViolations()) > 0 {
				violation = detail.GetFieldViolations()[0]
			}
		}
	}
	return info, violation
}

// codeName returns the name of a code as the protocol spells it.
func codeName(c codes.Code) string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return codeNames[codes.Unknown]
}

var codeNames = [...]string{
	codes.OK: "OK", codes.Canceled: "CANCELLED", codes.Unknown: "UNKNOWN", codes.InvalidArgument: "INVALID_ARGUMENT",
	codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.NotFound: "NOT_FOUND", codes.AlreadyExists: "ALREADY_EXISTS",
	codes.PermissionDenied: "PERMISSION_DENIED", codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION", codes.Aborted: "ABORTED", codes.OutOfRange: "OUT_OF_RANGE",
	codes.Unimplemented: "UNIMPLEMENTED", codes.Internal: "INTERNAL", codes.Unavailable: "UNAVAILABLE",
	codes.DataLoss: "DATA_LOSS", codes.Unauthenticated: "UNAUTHENTICATED",
}
