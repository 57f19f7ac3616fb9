package numbers

import (
	"bytes"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/register"
)

// TestDefaultBounds compares the timeouts with the documentation of the API.
func TestDefaultBounds(t *testing.T) {
	s, _ := newService(Options{})
	if s.options.RegisterTimeout != 10*time.Second || s.options.IdleTimeout != 10*time.Minute {
		t.Errorf("the timeouts are %v and %v, want 10s and 10m", s.options.RegisterTimeout, s.options.IdleTimeout)
	}
}

// TestTimeouts checks when and how sessions of silent clients end.
func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		every  time.Duration // between requests
		reqs   []*numbersv1.CountRequest
		reason string
		after  time.Duration // the last request, or the beginning
	}{
		{"never registers", 0, nil, "REGISTER_TIMEOUT", RegisterTimeout},
		{"registers late, then nothing", RegisterTimeout - 1, []*numbersv1.CountRequest{registering(7)}, "SESSION_IDLE", IdleTimeout},
		{"registers only", 0, []*numbersv1.CountRequest{registering(7)}, "SESSION_IDLE", IdleTimeout},
		{"counts, then nothing", 500 * time.Millisecond, []*numbersv1.CountRequest{
			registering(7), reporting(1), reporting(2), reporting(3), drawing(),
		}, "SESSION_IDLE", IdleTimeout},
		{"reports just often enough", IdleTimeout - 1, []*numbersv1.CountRequest{
			reporting(1), reporting(2), drawing(), reporting(3),
		}, "SESSION_IDLE", IdleTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newService(Options{})
				var confirmed int64
				st := s.count(t, func(resp *numbersv1.CountResponse) error {
					if c := resp.GetCommitted(); c != nil {
						confirmed = c.GetReports()
					}
					return nil
				})
				if tt.every > RegisterTimeout {
					st.ask(registering(7))
				}
				reports := int64(0)
				for _, req := range tt.reqs {
					time.Sleep(tt.every)
					st.ask(req)
					if req.GetReport() != nil {
						reports++
					}
				}
				last := time.Now()
				isExhausted(t, <-st.ended, tt.reason)
				if after := time.Since(last); after < tt.after || after > tt.after+1 { // 1 ns: see idleTimer.last
					t.Errorf("ended %v after the last request, want %v", after, tt.after)
				}
				if confirmed != reports {
					t.Errorf("%d reports are confirmed of %d", confirmed, reports)
				}
				s.Wait()
			})
		})
	}
}

// TestTimeoutConfirms checks that a session confirms all reports before it times out, even
// if the client read nothing for a while.
func TestTimeoutConfirms(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s, _ := newService(Options{})
			var confirmed int64
			st := s.count(t, func(resp *numbersv1.CountResponse) error {
				if c := resp.GetCommitted(); c != nil {
					if confirmed == 0 {
						time.Sleep(2 * IdleTimeout)
					}
					confirmed = c.GetReports()
				}
				return nil
			})
			st.ask(registering(7), reporting(1))
			synctest.Wait()
			st.ask(reporting(2), reporting(3))
			isExhausted(t, <-st.ended, "SESSION_IDLE")
			if confirmed != 3 {
				t.Errorf("%d reports are confirmed of 3", confirmed)
			}
			s.Wait()
		})
	}
}

// TestHalfDuplexLimits checks that a half-duplex session has neither timeouts nor a rate,
// and that its handler never waits.
func TestHalfDuplexLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newService(Options{ReportRate: 1})
		stream, err := inProcess(t, s).Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		send := func(req *numbersv1.CountRequest) {
			if err := stream.Send(req); err != nil {
				_, err = stream.Recv()
				t.Fatal(err)
			}
		}
		time.Sleep(2 * RegisterTimeout)
		send(registering(7))
		time.Sleep(2 * IdleTimeout)
		began := time.Now()
		for v := range int64(1000) {
			send(reporting(v))
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if err := recvAll(stream); err != nil || time.Since(began) > 0 || valueOf(t, store, 7) != 999 {
			t.Errorf("ended with %v after %v and the value %d; want neither an end nor a wait", err, time.Since(began), valueOf(t, store, 7))
		}
	})
}

// TestNeverRegister checks that calls over a connection that never register end with a
// reason, and leave no goroutines behind.
func TestNeverRegister(t *testing.T) {
	const clients = 200
	s, _ := newService(Options{RegisterTimeout: 500 * time.Millisecond})
	numbers := serveGRPC(t, s)
	if _, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil { // connects
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	var group sync.WaitGroup
	for range clients {
		stream, err := numbers.Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() { isExhausted(t, recvAll(stream), "REGISTER_TIMEOUT") })
	}
	group.Wait()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestTooManySessions opens more sessions of one client ID at a time than the limit:
// exactly as many as the limit are admitted, in each round.
func TestTooManySessions(t *testing.T) {
	const limit, callers, rounds = 8, 20, 50
	s, store := newService(Options{SessionsPerClient: limit})
	for range rounds {
		var group sync.WaitGroup
		var mu sync.Mutex
		var in []*stub
		refused := 0
		for range callers {
			group.Go(func() {
				registered := make(chan struct{}, 1)
				st := s.count(t, func(*numbersv1.CountResponse) error { registered <- struct{}{}; return nil })
				st.ask(registering(7))
				select {
				case <-registered:
					mu.Lock()
					defer mu.Unlock()
					in = append(in, st)
				case err := <-st.ended:
					isExhausted(t, err, "TOO_MANY_SESSIONS")
					mu.Lock()
					defer mu.Unlock()
					refused++
				}
			})
		}
		group.Wait()
		clients, err := store.List(t.Context(), -1, 1)
		if err != nil || len(in) != limit || refused != callers-limit || clients[0].Sessions != limit {
			t.Fatalf("%d sessions, %d refused; the register has %v, %v; want %d sessions", len(in), refused, clients, err, limit)
		}
		for _, st := range in {
			close(st.requests)
			if err := <-st.ended; err != nil {
				t.Error(err)
			}
		}
	}
	s.Wait()
}

// hooked is a store that calls entered when a session has been counted.
type hooked struct {
	*register.Memory
	entered func(open int32)
}

func (h *hooked) Enter(id int32) int32 {
	open := h.Memory.Enter(id)
	h.entered(open)
	return open
}

// TestRefusedSessionInTheWay ends a session and begins another while a third is being
// refused. The refused one must not take the place of the other.
func TestRefusedSessionInTheWay(t *testing.T) {
	const limit = 3
	store := &hooked{Memory: register.NewMemory(), entered: func(int32) {}}
	s := New(store, Options{SessionsPerClient: limit})
	for range limit {
		s.enter(7)
	}
	other := make(chan bool, 1)
	store.entered = func(int32) {
		store.entered = func(int32) {}
		store.Leave(7)
		began := make(chan struct{})
		go func() {
			close(began)
			_, entered := s.enter(7)
			other <- entered
		}()
		<-began
		time.Sleep(20 * time.Millisecond) // time for the other session to be refused
	}
	if open, entered := s.enter(7); entered || open != limit {
		t.Errorf("a session beyond the limit: entered %v, %d are open", entered, open)
	}
	if !<-other {
		t.Error("the other session was refused")
	}
}

// TestReportRate sends reports as fast as they are received.
func TestReportRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, seconds = 100, 7
		var log bytes.Buffer
		s, store := newService(Options{ReportRate: rate, Log: slog.New(slog.NewTextHandler(&log, nil))})
		var confirmed *numbersv1.Committed
		st := s.count(t, func(resp *numbersv1.CountResponse) error {
			confirmed = resp.GetCommitted()
			return nil
		})
		st.ask(registering(7))
		began := time.Now()
		for v := range int64(rate * seconds) {
			st.ask(reporting(v))
		}
		close(st.requests)
		if err := <-st.ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != (seconds-1)*time.Second { // the first second is the burst
			t.Errorf("%d reports took %v", rate*seconds, took)
		}
		if last := int64(rate*seconds - 1); valueOf(t, store, 7) != last || confirmed.GetValue() != last || confirmed.GetReports() != last+1 {
			t.Errorf("the register has %d, confirmed is %v; want %d", valueOf(t, store, 7), confirmed, last)
		}
		s.Wait()
		if want := "client=7 reports=700 waited=6s"; strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), want) {
			t.Errorf("the log has %q, want one line with %q", log.String(), want)
		}
	})
}

// TestReportRateEnds checks that the end of the call and a drain interrupt a wait.
func TestReportRateEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*Service, *stub)
		code codes.Code
	}{
		"client cancels": {func(_ *Service, st *stub) { st.cancel() }, codes.Canceled},
		"drain":          {func(s *Service, _ *stub) { s.Drain() }, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, store := newService(Options{ReportRate: 1})
				st := s.count(t, nil)
				st.ask(registering(7), reporting(1), reporting(2))
				synctest.Wait() // the first report was the burst; the second waits 1 s
				began := time.Now()
				tt.end(s, st)
				err := <-st.ended
				s.Wait()
				if status.Code(err) != tt.code || time.Since(began) > 0 {
					t.Errorf("ended with %v after %v, want %v at once", err, time.Since(began), tt.code)
				}
				if got := valueOf(t, store, 7); got != 2 {
					t.Errorf("the register has %d, want 2", got)
				}
			})
		})
	}
}

// TestSendFails checks that the first failed Send ends the call with its error, and that
// nothing is sent after it.
func TestSendFails(t *testing.T) {
	stalled := apierror.Exhausted("SEND_STALLED", "the peer does not read", time.Second)
	for name, fails := range map[string]func(*numbersv1.CountResponse) bool{
		"registered": func(r *numbersv1.CountResponse) bool { return r.GetRegistered() != nil },
		"increment":  func(r *numbersv1.CountResponse) bool { return r.GetIncrement() != nil },
		"committed":  func(r *numbersv1.CountResponse) bool { return r.GetCommitted() != nil },
	} {
		for _, cancels := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				s, _ := newService(Options{})
				failed, after := false, 0
				var st *stub
				ready := make(chan struct{})
				st = s.count(t, func(resp *numbersv1.CountResponse) error {
					<-ready
					if failed {
						after++
					}
					if !fails(resp) {
						return nil
					}
					failed = true
					if cancels {
						st.cancel()
					}
					return stalled
				})
				close(ready)
				st.ask(registering(7), reporting(1), drawing(), reporting(2), reporting(3), drawing())
				isExhausted(t, <-st.ended, "SEND_STALLED")
				s.Wait()
				if after > 0 {
					t.Errorf("%d messages were sent after the one that failed", after)
				}
			})
		}
	}
}

// TestReportAllocatesNothing checks the most frequent operation: 10,000 clients make
// 20,000 reports per second.
func TestReportAllocatesNothing(t *testing.T) {
	s, store := newService(Options{ReportRate: 1 << 30})
	c := &session{service: s, id: 7, writer: 1, reported: make(chan struct{}, 1), rate: newRateLimiter(1 << 20), idle: newIdleTimer(time.Hour, time.Hour)}
	defer c.idle.stop()
	if _, _, err := store.Register(t.Context(), 7, register.GRPC, time.Now()); err != nil {
		t.Fatal(err)
	}
	r := &numbersv1.Report{Value: 1}
	if n := testing.AllocsPerRun(1000, func() {
		now := time.Now()
		c.idle.touch(now)
		if err := c.report(r, now); err != nil || c.rate.report(now) < 0 {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("a report allocates %v times", n)
	}
}
