package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// repeating returns a report that may have been sent before in the session of token.
func repeating(value int64, token string) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: value, RepeatsSession: token}}}
}

// rawSession is a session of client 7 in which the test handles each message.
type rawSession struct {
	*rpcCounting
	token string
	value int64 // the last value when it began
}

func beginRaw(t *testing.T, cc grpc.ClientConnInterface) *rawSession {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	stream, err := numbersv1.NewNumberServiceClient(cc).Count(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(registering(7)); err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil || resp.GetRegistered() == nil {
		t.Fatalf("the response to Register is %v, %v", resp, err)
	}
	return &rawSession{&rpcCounting{stream: stream, cancel: cancel}, resp.GetRegistered().GetSession(), resp.GetRegistered().GetValue()}
}

// finish half-closes the session, waits for its end, and returns the last Committed.
func (s *rawSession) finish(t *testing.T) (last *numbersv1.Committed) {
	t.Helper()
	defer s.cancel()
	if err := s.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	last = s.committed
	for {
		resp, err := s.stream.Recv()
		if errors.Is(err, io.EOF) {
			return last
		} else if err != nil {
			t.Fatal(err)
		}
		if c := resp.GetCommitted(); c != nil {
			last = c
		}
	}
}

// repetitions are scripts of what can happen around a report that is repeated because its
// stream was lost. "ID begin", "ID report V", "ID finish" and "ID lose" are steps of session
// ID. "ID repeat V of OTHER" repeats a report that session OTHER may have sent. "register
// has V" checks the value in the register.
var repetitions = map[string]string{
	"report lost":                     "a begin; a lose; b begin; b repeat 12 of a; b finish; register has 12",
	"report arrived":                  "a begin; a report 12; a lose; b begin; b repeat 12 of a; b finish; register has 12",
	"only earlier reports arrived":    "a begin; a report 10; a report 11; a lose; b begin; b repeat 12 of a; b finish; register has 12",
	"known client":                    "z begin; z report 5; z finish; a begin; a lose; b begin; b repeat 12 of a; b finish; register has 12",
	"written by another session":      "a begin; a lose; x begin; x report 42; x finish; b begin; b repeat 12 of a; b finish; register has 42",
	"written by a concurrent session": "a begin; a report 10; x begin; x report 42; a lose; b begin; b repeat 12 of a; b finish; x finish; register has 42",
	"written after the begin":         "a begin; a lose; b begin; x begin; x report 42; x finish; b repeat 12 of a; b finish; register has 42",
	"another session without reports": "a begin; a lose; x begin; x finish; b begin; b repeat 12 of a; b finish; register has 12",
	"repetition lost too":             "a begin; a lose; b begin; b lose; c begin; c repeat 12 of a; c finish; register has 12",
	"repetition arrived":              "a begin; a lose; b begin; b repeat 12 of a; b lose; c begin; c repeat 12 of a; c finish; register has 12",
	"repeated after a newer value":    "a begin; a lose; b begin; b repeat 12 of a; b report 13; b finish; c begin; c repeat 12 of a; c finish; register has 13",
	"new report follows":              "a begin; a lose; x begin; x report 42; x finish; b begin; b repeat 12 of a; b report 43; b finish; register has 43",
	"value decreases":                 "a begin; a report 100; a lose; b begin; b repeat 3 of a; b finish; register has 3",
}

// TestRepeatedReport repeats reports over gRPC and in process. A repetition does not
// overwrite what another session has written since, and every report is confirmed.
func TestRepeatedReport(t *testing.T) {
	for name, script := range repetitions {
		for _, door := range []string{"grpc", "inproc"} {
			t.Run(name+"/"+door, func(t *testing.T) {
				t.Parallel()
				r := start(t, "--state=memory:")
				cc := grpc.ClientConnInterface(r.channel)
				if door == "grpc" {
					cc = r.dial(t)
				}
				holdRepetition(t, cc, script)
			})
		}
	}
}

// holdRepetition runs a script of repetitions.
func holdRepetition(t *testing.T, cc grpc.ClientConnInterface, script string) {
	t.Helper()
	sessions, reports, last := map[string]*rawSession{}, map[string]int64{}, map[string]int64{}
	for _, step := range strings.Split(script, "; ") {
		var who, op, of, other string
		var value int64
		fmt.Sscan(step, &who, &op, &value, &of, &other)
		s := sessions[who]
		switch op {
		case "begin":
			sessions[who] = beginRaw(t, cc)
		case "report", "repeat":
			req := reporting(value)
			if op == "repeat" {
				req = repeating(value, sessions[other].token)
			}
			if err := s.stream.Send(req); err != nil {
				t.Fatalf("%q: %v", step, err)
			}
			reports[who], last[who] = reports[who]+1, value
			if err := drawOf(t.Context(), s, "odd"); err != nil { // so that the server has processed the report
				t.Fatalf("%q: %v", step, err)
			}
		case "lose":
			s.cancel()
		case "finish":
			if got := s.finish(t); got.GetReports() != reports[who] || got.GetValue() != last[who] {
				t.Errorf("%q: the last Committed = %v, want %d reports and value %d", step, got, reports[who], last[who])
			}
		case "has":
			list := listClients(t, numbersv1.NewNumberServiceClient(cc), 1000)
			if len(list) != 1 || list[0].GetLastValue() != value {
				t.Errorf("the register has %v, want value %d", list, value)
			}
		default:
			t.Fatalf("unknown step %q", step)
		}
	}
}

// TestRepeatsNothing: a repetition with an invalid token ends the call with
// INVALID_ARGUMENT that names the field, and writes nothing. The log quotes the token.
func TestRepeatsNothing(t *testing.T) {
	r := start(t)
	other, _, err := rpcDoor{r.channel}.count(t.Context(), 8)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	var tokens []string // valid ones
	for name, cc := range map[string]grpc.ClientConnInterface{"grpc": r.dial(t), "inproc": r.channel} {
		good := beginRaw(t, cc)
		good.finish(t)
		for _, token := range []string{"x", "7", good.token[1:], good.token + "=", strings.ToLower(good.token), "a\nlevel=ERROR msg=forged", strings.Repeat("x", 5000)} {
			s := beginRaw(t, cc)
			if err := s.stream.Send(repeating(666, token)); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			_, err := s.stream.Recv()
			wantStatus(t, fmt.Sprintf("%s: a report that repeats session %.40q", name, token), err, codes.InvalidArgument, "INVALID_SESSION")
			for _, d := range status.Convert(err).Details() {
				if bad, ok := d.(*errdetails.BadRequest); ok && bad.GetFieldViolations()[0].GetField() != "report.repeats_session" {
					t.Errorf("%s: violations %v, want one of report.repeats_session", name, bad)
				}
			}
		}
		s := beginRaw(t, cc)
		if s.value != 0 {
			t.Errorf("%s: the register has value %d, want 0", name, s.value)
		}
		if err := s.stream.Send(repeating(0, good.token)); err != nil {
			t.Fatal(err)
		}
		s.finish(t)
		tokens = append(tokens, good.token)
	}
	r.stop()
	for _, token := range tokens {
		// The lines of Registered and Report show which session repeats whose report.
		if got := r.logged(t, `"`+token+`"`, "client=7"); len(got) != 2 || !strings.Contains(got[0], "msg=Registered") || !strings.Contains(got[0], " session=") ||
			!strings.Contains(got[1], "msg=Report") || !strings.Contains(got[1], " value=0 repeats=") {
			t.Errorf("the log lines with the token %s are %q, want one of Registered and one of Report", token, got)
		}
	}
	if got := r.logged(t, `value=666 repeats="a\nlevel=ERROR msg=forged"`); len(got) != 2 {
		t.Errorf("the log lines with the forged token are %q, want two, quoted", got)
	}
}

// TestSessionsPerClient opens the maximum number of sessions of one client, through all
// doors. Every door refuses the next one, and admits it when another has ended.
func TestSessionsPerClient(t *testing.T) {
	const limit = 64 // the default
	r := start(t)
	doors := r.doors(t)
	names := []string{"grpc", "inproc", "legacy", "gateway"}
	sessions := map[int]counting{}
	for i := range limit {
		sessions[i] = begin(t, doors[names[i%len(names)]], 7, 0)
	}
	for _, name := range []string{"grpc", "inproc"} {
		stream, err := numbersv1.NewNumberServiceClient(doors[name].(rpcDoor).cc).Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(registering(7)); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		wantStatus(t, name, err, codes.ResourceExhausted, "TOO_MANY_SESSIONS")
		var retry *errdetails.RetryInfo
		for _, d := range status.Convert(err).Details() {
			if d, ok := d.(*errdetails.RetryInfo); ok {
				retry = d
			}
		}
		if retry.GetRetryDelay().AsDuration() <= 0 {
			t.Errorf("%s: %v has no RetryInfo", name, err)
		}
	}
	for _, name := range []string{"legacy", "gateway"} {
		if _, value, err := doors[name].count(t.Context(), 7); err == nil {
			t.Errorf("%s: session %d was accepted with value %d, want %d sessions", name, limit+1, value, limit)
		}
	}
	begin(t, doors["grpc"], 8, 0).close() // other clients are not affected
	awaitSessions(t, r.numbersClient(t), 7, limit)
	for i := range len(names) { // one session of each door
		if err := sessions[i].close(); err != nil {
			t.Error(err)
		}
	}
	awaitSessions(t, r.numbersClient(t), 7, limit-int32(len(names)))
	for i, name := range names {
		sessions[i] = begin(t, doors[name], 7, 0)
	}
	for _, s := range sessions {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
	awaitSessions(t, r.numbersClient(t), 7, 0)
}

// awaitSessions waits until client id has this number of sessions.
func awaitSessions(t *testing.T, numbers numbersv1.NumberServiceClient, id, sessions int32) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		for _, c := range listClients(t, numbers, 1000) {
			if c.GetClientId() == id && c.GetActiveSessions() == sessions {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("the register has %v, want client %d with %d sessions", listClients(t, numbers, 1000), id, sessions)
		}
	}
}

// TestReportFlood reports as fast as possible in one session, over gRPC and through a
// standalone gateway. Reports are accepted at the configured rate, none is lost, and
// another session on the same connection is not delayed.
func TestReportFlood(t *testing.T) {
	const rate, reports = 200, 700
	for _, door := range []string{"grpc", "gateway"} {
		t.Run(door, func(t *testing.T) {
			r := start(t, fmt.Sprintf("--report-rate=%d", rate))
			d := r.doors(t)[door]
			other := begin(t, d, 8, 0)
			s := begin(t, d, 7, 0)
			began := time.Now()
			for v := range int64(reports) {
				send(t, s, v+1)
			}
			for v := range int64(10) {
				send(t, other, v+1)
				if err := drawOf(t.Context(), other, "even"); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(other.close(), s.close()); err != nil {
				t.Error(err)
			}
			awaitSessions(t, r.numbersClient(t), 7, 0)
			// After a burst, reports are limited to the rate. The server does not wait for
			// less than 100 ms.
			took, least := time.Since(began), (reports-rate)*time.Second/rate-100*time.Millisecond
			if took < least {
				t.Errorf("%d reports were accepted in %v, want %v at least", reports, took, least)
			}
			list := listClients(t, r.numbersClient(t), 1000)
			if len(list) != 2 || list[0].GetLastValue() != reports || list[1].GetLastValue() != 10 {
				t.Errorf("the register has %v, want values %d and 10", list, reports)
			}
			r.stop()
			if got := r.logged(t, "level=WARN", "exceeded the report rate", "client=7", "waited="); len(got) != 1 {
				t.Errorf("the log has the warnings %q of client 7, want one", got)
			}
			if got := r.logged(t, "level=WARN", "exceeded the report rate", "client=8"); len(got) != 0 {
				t.Errorf("the log has the warnings %q of client 8, want none", got)
			}
		})
	}
}

func TestNumbersFlags(t *testing.T) {
	for _, flag := range []string{"--sessions-per-client=-1", "--report-rate=-1", "--report-rate=fast"} {
		name, _, _ := strings.Cut(flag, "=")
		err := Run(t.Context(), []string{"--grpc=127.0.0.1:0", "--legacy=", "--admin=", flag, t.TempDir()}, io.Discard, io.Discard)
		if ExitStatus(err) != exitUsage || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want a usage error that names %s", flag, err, name)
		}
	}
	cmd, err := parse([]string{t.TempDir()}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if cfg := cmd.(*serveCommand); cfg.SessionsPerClient != 64 || cfg.ReportRate != 1000 {
		t.Errorf("the defaults are %d sessions per client and %d reports per second, want 64 and 1000", cfg.SessionsPerClient, cfg.ReportRate)
	}
}

// TestCrowdNeverRegisters opens sessions that send nothing. After 10 s the program ends
// all of them. Because of that time it runs only if PARITY_UNREGISTERED is set, to the
// number of sessions, such as 40000.
func TestCrowdNeverRegisters(t *testing.T) {
	if os.Getenv("PARITY_UNREGISTERED") == "" {
		t.Skip("PARITY_UNREGISTERED sets the number of sessions; TestNeverRegister of package numbers opens 200")
	}
	const (
		perConn  = 5000
		register = 10 * time.Second // the server's limit
		late     = time.Minute      // on a slow machine
	)
	clients := setting(t, "PARITY_UNREGISTERED", 0)
	p := startProcess(t, serverArgs(t, t.TempDir(), "--trusted-gateways=127.0.0.0/8", "--log-messages=false")...)
	before := p.resident(t)
	ended := make(chan error, clients)
	var cc *grpc.ClientConn
	began := time.Now()
	for i := range clients {
		if i%perConn == 0 {
			cc = p.dial(t)
		}
		stream, err := numbersv1.NewNumberServiceClient(cc).Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := stream.Recv()
			ended <- err
		}()
	}
	opened, most := time.Since(began), p.resident(t)
	for range clients {
		wantStatus(t, "a session that never registers", <-ended, codes.ResourceExhausted, "REGISTER_TIMEOUT")
	}
	if took := time.Since(began); took < register || took > opened+register+late {
		t.Errorf("the last session ended after %v, want %v to %v", took, register, opened+register+late)
	}
	t.Logf("%d sessions: resident set %d MiB before, %d MiB with them, all ended after %v", clients, before>>20, most>>20, time.Since(began))
	if resp, err := numbersv1.NewNumberServiceClient(cc).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
		t.Errorf("Draw afterwards = %v, %v", resp, err)
	}
}
