package explain

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// quotedCause is how grpc-go writes the cause of a connection error into the message of a
// status; the cause itself is lost.
var quotedCause = regexp.MustCompile(`connection error: desc = ("(?:[^"\\]|\\.)*")`)

// unavailable returns the sentence for a call that found no connection, or lost it.
func (s Server) unavailable(message string) sentence {
	cause := message
	m := quotedCause.FindStringSubmatch(message)
	if m != nil {
		if text, err := strconv.Unquote(m[1]); err == nil {
			cause = text
		}
	}
	switch {
	case strings.HasPrefix(cause, "transport: Error while dialing: "):
		return s.unreachable(dialCause(strings.TrimPrefix(cause, "transport: Error while dialing: ")))
	case strings.HasPrefix(cause, "transport: authentication handshake failed: "):
		return s.handshake(strings.TrimPrefix(cause, "transport: authentication handshake failed: "))
	case strings.HasPrefix(cause, "error reading server preface: "), strings.HasPrefix(cause, "initial http2 frame"),
		strings.HasPrefix(cause, "transport: failed to write "), strings.HasPrefix(cause, "transport: preface mismatch"),
		strings.HasPrefix(cause, "write "): // grpc-go gives the bare error of a write only while it connects
		return s.preface(cause)
	case strings.Contains(message, "produced zero addresses"), strings.Contains(message, "no such host"):
		return s.unreachable("no such host (is the name right?)")
	case strings.Contains(message, "name resolver error"), strings.Contains(message, "record lookup error"):
		return s.unreachable("the name could not be looked up: " + last(cause))
	case m != nil, strings.HasPrefix(message, "error reading from server"), strings.Contains(message, "transport is closing"),
		strings.HasPrefix(message, "read "), strings.Contains(message, "keepalive"):
		return sentence{text: "lost the connection to " + s.name() + cutOff(cause), reason: ReasonLost, server: true}
	}
	return s.about(" is unavailable"+inBrackets(message), ReasonUnreachable)
}

func (s Server) unreachable(cause string) sentence {
	return sentence{text: "cannot reach " + s.name() + ": " + cause, reason: ReasonUnreachable, server: true}
}

func (s Server) tls(cause string) sentence {
	said := s.unreachable(cause)
	said.reason = ReasonTLS
	return said
}

// dialCause returns what to say about an error of net.Dialer.
func dialCause(text string) string {
	cause := last(text)
	switch {
	case strings.HasSuffix(text, "connection refused"), strings.Contains(text, "actively refused"):
		return "connection refused (is the server running?)"
	case strings.Contains(text, "no such host"):
		return "no such host (is the name right?)"
	case strings.HasSuffix(text, "i/o timeout"), strings.Contains(text, "deadline exceeded"), strings.HasSuffix(text, "timed out"):
		return "no answer (is the address right, and does no firewall drop the packets?)"
	case strings.HasPrefix(text, "dial unix "):
		return cause + " (is the server running?)"
	case strings.HasSuffix(text, "invalid port"), strings.HasSuffix(text, "unknown port"):
		return "there is no such port"
	}
	return cause
}

var (
	wrongName = regexp.MustCompile(`certificate is valid for (.+), not (.+)$`)
	noName    = regexp.MustCompile(`cannot validate certificate for (\S+) because it doesn't contain any IP SANs`)
)

// handshake returns what to say about an error of crypto/tls while it connects.
func (s Server) handshake(text string) sentence {
	switch m := wrongName.FindStringSubmatch(text); {
	case strings.Contains(text, "does not look like a TLS handshake"):
		return s.tls("it does not speak TLS (leave out --tls and the other flags of TLS, or is the port another one?)")
	case strings.Contains(text, "signed by unknown authority"):
		return s.tls("its certificate is of an unknown authority (name the authority's file with --tls-ca)")
	case m != nil:
		return s.tls(fmt.Sprintf("its certificate is for %s, not for %s (use one of its names in --addr)", m[1], m[2]))
	case noName.MatchString(text), strings.Contains(text, "is not valid for any names"):
		return s.tls("its certificate is not for this address (use a name of the certificate in --addr)")
	case strings.Contains(text, "is not yet valid") && strings.Contains(text, "is before"):
		return s.tls("its certificate is not valid yet (are the clocks right?)")
	case strings.Contains(text, "certificate has expired"):
		return s.tls("its certificate has expired")
	case strings.Contains(text, "remote error: tls: "):
		return s.alert(text)
	case strings.HasSuffix(text, "EOF"), strings.HasSuffix(text, "connection reset by peer"), strings.HasSuffix(text, "broken pipe"):
		return s.tls("it closed the connection during the TLS handshake (does it speak TLS, and does it have room for another client?)")
	case strings.Contains(text, "deadline exceeded"), strings.HasSuffix(text, "i/o timeout"):
		return s.tls("it does not answer the TLS handshake (does it speak TLS?)")
	}
	return s.tls("TLS failed: " + last(text))
}

// alert returns what to say about a TLS alert of the server.
func (s Server) alert(text string) sentence {
	_, alert, _ := strings.Cut(text, "remote error: tls: ")
	switch alert {
	case "certificate required":
		return s.tls("it requires a certificate of the client (--tls-cert and --tls-key)")
	case "bad certificate", "unknown certificate authority", "unknown certificate", "certificate revoked", "expired certificate":
		return s.tls("it does not accept the certificate of --tls-cert (" + alert + ")")
	}
	return s.tls("it ended the TLS handshake: " + alert)
}

// preface returns what to say about a connection that was made, but on which the server
// did not begin HTTP/2.
func (s Server) preface(text string) sentence {
	switch {
	case strings.Contains(text, "remote error: tls: "):
		return s.alert(text)
	case strings.Contains(text, "looked like an HTTP/1.1 header"):
		return s.about(" is not a gRPC server (it answers with HTTP/1.1); is the port right?", ReasonNotGRPC)
	case strings.Contains(text, "frame too large"), strings.HasPrefix(text, "initial http2 frame"):
		return s.about(" is not a gRPC server"+s.orTLS()+"; is the port right?", ReasonNotGRPC)
	case strings.Contains(text, "use of closed"), strings.Contains(text, "deadline exceeded"), strings.Contains(text, "timeout"):
		// grpc-go closes a connection that takes too long.
		return s.about(" accepts the connection but does not answer; is it a gRPC server"+s.needsTLS()+"?", ReasonUnreachable)
	}
	return s.unreachable("it closed the connection at once (" + s.closedBecause() + ")")
}

func (s Server) orTLS() string {
	if s.TLS {
		return ""
	}
	return ", or one with TLS (--tls or --tls-ca)"
}

func (s Server) needsTLS() string {
	if s.TLS {
		return ""
	}
	return ", and without TLS"
}

func (s Server) closedBecause() string {
	if s.TLS {
		return "does it require another certificate of the client, --tls-cert? or does it have no room for another client?"
	}
	return "does it require TLS? then use --tls or --tls-ca; or does it have no room for another client?"
}

// cutOff returns why a connection ended, if that says anything to a person.
func cutOff(text string) string {
	switch cause := last(text); {
	case strings.Contains(text, "keepalive"):
		return ": nothing came from it for too long"
	case strings.HasSuffix(cause, "EOF"), strings.Contains(text, "transport is closing"), strings.Contains(text, "use of closed"):
		return ""
	default:
		return ": " + cause
	}
}

// last returns the innermost error of a text.
func last(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+2:]
	}
	return text
}
