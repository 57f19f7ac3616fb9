package explain

import (
	"context"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// code returns the sentence for a status whose reason is unknown: one of grpc-go itself,
// of a proxy, or of another server.
func (s Server) code(st *status.Status) sentence {
	message := st.Message()
	switch st.Code() {
	case codes.Unavailable:
		return s.unavailable(message)
	case codes.DeadlineExceeded:
		if strings.Contains(message, "connection error:") {
			return s.unavailable(message)
		}
		return s.about(": no answer in time", ReasonTimeout)
	case codes.Canceled:
		if message == context.Canceled.Error() {
			return sentence{text: "interrupted", reason: ReasonInterrupted}
		}
		return sentence{text: "the call was canceled" + inBrackets(message)}
	case codes.NotFound:
		return sentence{text: orElse(message, "not found")}
	case codes.Unauthenticated:
		return sentence{text: "the server requires credentials, and does not accept those of this client" + inBrackets(message), reason: ReasonNoCredentials}
	case codes.PermissionDenied:
		return sentence{text: "permission denied by the server" + inBrackets(message), reason: ReasonDenied}
	case codes.Unimplemented:
		if strings.Contains(message, "unexpected HTTP status") {
			return s.notGRPC(message)
		}
		return s.about(" does not have this function: it is another server, or an older one", ReasonUnimplemented)
	case codes.Unknown, codes.Internal:
		if strings.Contains(message, "unexpected HTTP status") || strings.Contains(message, "malformed header") {
			return s.notGRPC(message)
		}
		return sentence{text: "the server failed" + inBrackets(message)}
	case codes.ResourceExhausted:
		return sentence{text: "the server has reached a limit" + inBrackets(message)}
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.AlreadyExists:
		return sentence{text: "the server refused" + inBrackets(message)}
	case codes.Aborted:
		return sentence{text: "the server gave up" + inBrackets(message) + "; run again"}
	case codes.DataLoss:
		return sentence{text: "the server has lost data" + inBrackets(message)}
	default:
		return sentence{text: orElse(message, "the server failed")}
	}
}

// about returns a sentence that begins with the server.
func (s Server) about(text, reason string) sentence {
	return sentence{text: s.name() + text, reason: reason, server: true}
}

func (s Server) name() string { return orElse(s.Addr, "the server") }

var httpStatus = regexp.MustCompile(`HTTP status code received from server: (\d{3}[^;]*)`)

func (s Server) notGRPC(message string) sentence {
	answer := ""
	if m := httpStatus.FindStringSubmatch(message); m != nil {
		answer = " (it answers " + strings.TrimSpace(m[1]) + ")"
	}
	return s.about(" is not a gRPC server"+answer+"; is the port right?", ReasonNotGRPC)
}

func inBrackets(message string) string {
	if message == "" {
		return ""
	}
	return " (" + message + ")"
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
