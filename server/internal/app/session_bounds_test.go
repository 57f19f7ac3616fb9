package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// repeating is a report that may have been made before, in the session of that token.
func repeating(value int64, token string) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: value, RepeatsSession: token}}}
}

// rawSession is a session of client 7, message by message.
type rawSession struct {
	*rpcCounting
	token string
	value int64 // with which it began
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
		t.Fatalf("register was answered by %v, %v", resp, err)
	}
	return &rawSession{&rpcCounting{stream, cancel}, resp.GetRegistered().GetSession(), resp.GetRegistered().GetValue()}
}

// finish closes the session in order and returns what it was confirmed last.
func (s *rawSession) finish(t *testing.T) (last *numbersv1.Committed) {
	t.Helper()
	defer s.cancel()
	if err := s.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
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

// repetitions are what can happen around a report that is made again because its
// stream was lost. "ID begin", "ID report V", "ID finish" and "ID lose" are what the
// sessions do; "ID repeat V of OTHER" makes the report again that OTHER may have made.
// The number is the value that must be in the register then.
var repetitions = map[string]struct {
	script string
	want   int64
}{
	"it never arrived":                   {"a begin; a lose; b begin; b repeat 12 of a; b finish", 12},
	"it did arrive":                      {"a begin; a report 12; a lose; b begin; b repeat 12 of a; b finish", 12},
	"only those before arrived":          {"a begin; a report 10; a report 11; a lose; b begin; b repeat 12 of a; b finish", 12},
	"the client was known before":        {"z begin; z report 5; z finish; a begin; a lose; b begin; b repeat 12 of a; b finish", 12},
	"another has written":                {"a begin; a lose; x begin; x report 42; x finish; b begin; b repeat 12 of a; b finish", 42},
	"another writes beside it":           {"a begin; a report 10; x begin; x report 42; a lose; b begin; b repeat 12 of a; b finish; x finish", 42},
	"another has written after it began": {"a begin; a lose; b begin; x begin; x report 42; x finish; b repeat 12 of a; b finish", 42},
	"another has only registered":        {"a begin; a lose; x begin; x finish; b begin; b repeat 12 of a; b finish", 12},
	"the repetition was lost too":        {"a begin; a lose; b begin; b lose; c begin; c repeat 12 of a; c finish", 12},
	"the repetition did arrive":          {"a begin; a lose; b begin; b repeat 12 of a; b lose; c begin; c repeat 12 of a; c finish", 12},
	"repeated, counted on, repeated":     {"a begin; a lose; b begin; b repeat 12 of a; b report 13; b finish; c begin; c repeat 12 of a; c finish", 13},
	"a new report follows":               {"a begin; a lose; x begin; x report 42; x finish; b begin; b repeat 12 of a; b report 43; b finish", 43},
	"values may go back":                 {"a begin; a report 100; a lose; b begin; b repeat 3 of a; b finish", 3},
}

// TestRepeatedReport makes reports again, over every door of the API: what others have
// written since stays, and all is confirmed.
func TestRepeatedReport(t *testing.T) {
	for name, tt := range repetitions {
		for _, door := range []string{"grpc", "inproc"} {
			t.Run(name+"/"+door, func(t *testing.T) {
				t.Parallel()
				r := start(t, "--state=memory:")
				cc := grpc.ClientConnInterface(r.channel)
				if door == "grpc" {
					cc = r.dial(t)
				}
				holdRepetition(t, cc, tt.script)
				list := listClients(t, r.numbersClient(t), 1000)
				if len(list) != 1 || list[0].GetLastValue() != tt.want {
					t.Errorf("the register has %v, want the value %d", list, tt.want)
				}
			})
		}
	}
}

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
			if err := drawOf(t.Context(), s, "odd"); err != nil { // so that it has been taken
				t.Fatalf("%q: %v", step, err)
			}
		case "lose":
			s.cancel()
		case "finish":
			if got := s.finish(t); got.GetReports() != reports[who] || got.GetValue() != last[who] {
				t.Errorf("%q: confirmed was %v, want all %d reports, the last of %d", step, got, reports[who], last[who])
			}
		default:
			t.Fatalf("%q is no step", step)
		}
	}
}

// TestRepeatsNothing: what is no token of the client ends the call, by the argument that
// is wrong, and writes nothing. The log has it quoted.
func TestRepeatsNothing(t *testing.T) {
	r := start(t)
	other, _, err := rpcDoor{r.channel}.count(t.Context(), 8)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	var begun []string // tokens
	for name, cc := range map[string]grpc.ClientConnInterface{"grpc": r.dial(t), "inproc": r.channel} {
		good := beginRaw(t, cc)
		good.finish(t)
		for _, token := range []string{"x", "7", good.token[1:], good.token + "=", strings.ToLower(good.token), "a\nlevel=ERROR msg=forged", strings.Repeat("x", 5000)} {
			s := beginRaw(t, cc)
			if err := s.stream.Send(repeating(666, token)); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			_, err := s.stream.Recv()
			wantStatus(t, fmt.Sprintf("%s: a report that repeats %.40q", name, token), err, codes.InvalidArgument, "INVALID_SESSION")
			for _, d := range status.Convert(err).Details() {
				if bad, ok := d.(*errdetails.BadRequest); ok && bad.GetFieldViolations()[0].GetField() != "report.repeats_session" {
					t.Errorf("%s: violations %v", name, bad)
				}
			}
		}
		s := beginRaw(t, cc)
		if s.value != 0 {
			t.Errorf("%s: the register has %d", name, s.value)
		}
		if err := s.stream.Send(repeating(0, good.token)); err != nil {
			t.Fatal(err)
		}
		s.finish(t)
		begun = append(begun, good.token)
	}
	r.stop()
	for _, token := range begun {
		// Registered, Report: who repeats whose report can be followed.
		if got := r.logged(t, `"`+token+`"`, "client=7"); len(got) != 2 || !strings.Contains(got[0], "msg=Registered") || !strings.Contains(got[0], " session=") ||
			!strings.Contains(got[1], "msg=Report") || !strings.Contains(got[1], " value=0 repeats=") {
			t.Errorf("the token %s is in these lines of the log: %q", token, got)
		}
	}
	if got := r.logged(t, `value=666 repeats="a\nlevel=ERROR msg=forged"`); len(got) != 2 {
		t.Errorf("what is no token is in these lines of the log: %q", got)
	}
}

// TestSessionsPerClient opens as many sessions of one client as there may be, through
// every door. The next is refused at every door, and let in when one of them has ended.
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
			t.Errorf("%s: %v says not when to try again", name, err)
		}
	}
	for _, name := range []string{"legacy", "gateway"} {
		if _, value, err := doors[name].count(t.Context(), 7); err == nil {
			t.Errorf("%s: client %d of %d is told %d", name, limit+1, limit, value)
		}
	}
	begin(t, doors["grpc"], 8, 0).close() // others do as ever
	awaitClients(t, r.numbersClient(t), 7, limit)
	for i := range len(names) { // one of each door
		if err := sessions[i].close(); err != nil {
			t.Error(err)
		}
	}
	awaitClients(t, r.numbersClient(t), 7, limit-int32(len(names)))
	for i, name := range names {
		sessions[i] = begin(t, doors[name], 7, 0)
	}
	for _, s := range sessions {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
	awaitClients(t, r.numbersClient(t), 7, 0)
}

// awaitClients waits until a client has so many sessions.
func awaitClients(t *testing.T, numbers numbersv1.NumberServiceClient, id, sessions int32) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		for _, c := range listClients(t, numbers, 1000) {
			if c.GetClientId() == id && c.GetActiveSessions() == sessions {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("the register has %v; want client %d with %d sessions", listClients(t, numbers, 1000), id, sessions)
		}
	}
}

// TestReportFlood has a client report as fast as it can, over gRPC and through a gateway
// that stands alone: reports are taken at the rate that is set, none is lost, and others
// on the same connection go on.
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
			awaitClients(t, r.numbersClient(t), 7, 0)
			// After the burst at that rate, but for the least time worth waiting.
			took, least := time.Since(began), (reports-rate)*time.Second/rate-100*time.Millisecond
			if took < least {
				t.Errorf("%d reports were taken in %v, want %v at least", reports, took, least)
			}
			list := listClients(t, r.numbersClient(t), 1000)
			if len(list) != 2 || list[0].GetLastValue() != reports || list[1].GetLastValue() != 10 {
				t.Errorf("the register has %v, want %d and 10", list, reports)
			}
			r.stop()
			if got := r.logged(t, "level=WARN", "reported faster", "client=7", "waited="); len(got) != 1 {
				t.Errorf("the log warns %q", got)
			}
			if got := r.logged(t, "level=WARN", "reported faster", "client=8"); len(got) != 0 {
				t.Errorf("the log warns %q", got)
			}
		})
	}
}

func TestNumbersFlags(t *testing.T) {
	for _, flag := range []string{"--sessions-per-client=-1", "--report-rate=-1", "--report-rate=fast"} {
		name, _, _ := strings.Cut(flag, "=")
		err := Run(t.Context(), []string{"--grpc=127.0.0.1:0", "--legacy=", "--admin=", flag, t.TempDir()}, io.Discard, io.Discard)
		if ExitStatus(err) != exitUsage || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want a mistake in %s", flag, err, name)
		}
	}
	cmd, err := parse([]string{t.TempDir()}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if cfg := cmd.(*serveCommand); cfg.SessionsPerClient != 64 || cfg.ReportRate != 1000 {
		t.Errorf("%d sessions a client and %d reports a second by default, want 64 and 1000", cfg.SessionsPerClient, cfg.ReportRate)
	}
}

// TestCrowdNeverRegisters has clients of the real program that open a session and say
// nothing: after 10 s all are told so, and the program is as small as it was. It takes
// as long as that, so PARITY_UNREGISTERED must say how many, such as 40000.
func TestCrowdNeverRegisters(t *testing.T) {
	if os.Getenv("PARITY_UNREGISTERED") == "" {
		t.Skip("PARITY_UNREGISTERED says how many clients; TestNeverRegister in the package of the service has 200")
	}
	const (
		perConn  = 5000
		register = 10 * time.Second // the bound
		late     = time.Minute      // a slow machine
	)
	clients := setting(t, "PARITY_UNREGISTERED", 0)
	p := startProcess(t, "--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=", "--data-dir="+t.TempDir(),
		"--trusted-gateways=127.0.0.0/8", "--log-messages=false", t.TempDir())
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
		wantStatus(t, "never registered", <-ended, codes.ResourceExhausted, "REGISTER_TIMEOUT")
	}
	if took := time.Since(began); took < register || took > opened+register+late {
		t.Errorf("the last was ended after %v", took)
	}
	t.Logf("%d clients: resident %d MiB before, %d MiB with them, all ended after %v", clients, before>>20, most>>20, time.Since(began))
	if resp, err := numbersv1.NewNumberServiceClient(cc).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
		t.Errorf("Draw afterwards: %v, %v", resp, err)
	}
}

// resident returns how many bytes of memory the process has.
func (p *process) resident(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.ParseInt(cmp.Or(strings.Fields(rest)[0], "0"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
