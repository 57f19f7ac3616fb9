package counter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// script is a server that records what its sessions do, with the time.
type script struct {
	start   time.Time
	began   []Start // what each Dial in turn gets; the last one again after that
	draw    func(ctx context.Context, n int) (int32, error)
	report  func(value int64) error
	dialed  func(n int) error
	closing error

	dials, draws int
	reported     []int64
	events       []string // "500ms report 1", …
	states       []State
}

func (s *script) log(format string, args ...any) {
	s.events = append(s.events, fmt.Sprintf("%v ", time.Since(s.start))+fmt.Sprintf(format, args...))
}

func (s *script) dial(context.Context) (Session, Start, error) {
	n := s.dials
	s.dials++
	if s.dialed != nil {
		if err := s.dialed(n); err != nil {
			return nil, Start{}, err
		}
	}
	return s, s.began[min(n, len(s.began)-1)], nil
}

func (s *script) Report(value int64) error {
	s.log("report %d", value)
	if s.report != nil {
		if err := s.report(value); err != nil {
			return err
		}
	}
	s.reported = append(s.reported, value)
	return nil
}

func (s *script) Draw(ctx context.Context, p numbersv1.Parity) (int32, error) {
	if p != numbersv1.Parity_PARITY_EVEN && p != numbersv1.Parity_PARITY_ODD {
		return 0, fmt.Errorf("drew %v", p)
	}
	s.draws++
	if s.draw == nil {
		return 1, nil
	}
	return s.draw(ctx, s.draws)
}

func (s *script) Close() error {
	s.log("close")
	return s.closing
}

// run counts for the given time.
func (s *script) run(t *testing.T, d time.Duration) (notices []string, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	s.start = time.Now()
	var counted []int64
	c := Counter{
		Dial:    s.dial,
		Counted: func(value int64, _ int32) { counted = append(counted, value) },
		Notice:  func(line string) { notices = append(notices, line) },

		Connection: func(state State) { s.states = append(s.states, state) },
	}
	err = c.Run(ctx)
	if !slices.Equal(counted, s.reported) {
		t.Errorf("Counted was told %d, reported were %d", counted, s.reported)
	}
	return notices, err
}

func wantEvents(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{began: []Start{{Value: 59, Increment: 7}}}
		if notices, err := s.run(t, 1700*time.Millisecond); err != nil || notices != nil {
			t.Errorf("Run = %v, notices %q", err, notices)
		}
		wantEvents(t, s.events, "500ms report 66", "1s report 73", "1.5s report 80", "1.7s close")
	})
}

// A new increment is used as soon as it arrives, and the next one is drawn 3 to 5 s later.
func TestDraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		s := &script{began: []Start{{Increment: 1}}}
		s.draw = func(_ context.Context, n int) (int32, error) {
			at = append(at, time.Since(s.start))
			return int32(10 * n), nil
		}
		if _, err := s.run(t, time.Hour); err != nil {
			t.Fatal(err)
		}
		last, shortest, longest := time.Duration(0), time.Hour, time.Duration(0)
		for _, t := range at {
			shortest, longest = min(shortest, t-last), max(longest, t-last)
			last = t
		}
		if shortest < 3*time.Second || shortest > 3100*time.Millisecond || longest > 5*time.Second || longest < 4900*time.Millisecond {
			t.Errorf("%d draws, every %v to %v, want 3s to 5s", len(at), shortest, longest)
		}
		if len(s.events) != 7200 && len(s.events) != 7201 { // the last report and the end come together
			t.Errorf("%d reports and a close in an hour, want 7200", len(s.events))
		}
	})
}

// A draw that waits for its answer does not stop the counting.
func TestCountsWhileDrawing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{began: []Start{{Increment: 1}}}
		var drawn time.Duration
		s.draw = func(context.Context, int) (int32, error) {
			time.Sleep(9 * time.Second)
			drawn = time.Since(s.start)
			return 50, nil
		}
		if _, err := s.run(t, 14900*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		ones := int(drawn / ReportInterval)
		if len(s.reported) != 29 || s.draws != 1 || s.reported[ones-1] != int64(ones) || s.reported[28] != int64(ones+50*(29-ones)) {
			t.Errorf("%d draws, one answered after %v, reports %d", s.draws, drawn, s.reported)
		}
	})
}

// The session is closed when the draw under way has ended.
func TestStopsWhileDrawing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{began: []Start{{Increment: 1}}}
		s.draw = func(ctx context.Context, n int) (int32, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			return 0, ctx.Err()
		}
		if _, err := s.run(t, 6*time.Second); err != nil || s.draws != 1 {
			t.Errorf("Run = %v, %d draws", err, s.draws)
		}
		if last := s.events[len(s.events)-1]; last != "7s close" {
			t.Errorf("ended with %q", last)
		}
	})
}

// A server that does not answer a draw counts as lost.
func TestDrawTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{began: []Start{{Increment: 1}, {Value: 1000, Increment: 2}}}
		s.draw = func(ctx context.Context, n int) (int32, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		notices, err := s.run(t, 16*time.Second)
		if err != nil || s.dials != 2 || len(notices) != 2 {
			t.Errorf("Run = %v after %d dials, notices %q", err, s.dials, notices)
		}
	})
}

func TestReconnects(t *testing.T) {
	lost := errors.New("connection \x1b lost")
	synctest.Test(t, func(t *testing.T) {
		s := &script{began: []Start{{Value: 0, Increment: 1}, {Value: 40, Increment: 5}}}
		s.report = func(value int64) error {
			if value == 3 {
				return lost
			}
			return nil
		}
		var tried []time.Duration
		s.dialed = func(n int) error {
			tried = append(tried, time.Since(s.start))
			if n > 0 && n < 20 {
				return errors.New("refused")
			}
			return nil
		}
		notices, err := s.run(t, 2*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		wantEvents(t, s.events[:4], "500ms report 1", "1s report 2", "1.5s report 3", "1.5s close")
		if !strings.HasSuffix(s.events[4], " report 45") || len(tried) != 21 {
			t.Errorf("went on with %q after %d dials", s.events[4], len(tried))
		}
		first, longest := tried[1]-1500*time.Millisecond, time.Duration(0)
		if len(s.states) != 22 || s.states[0].Err != nil || s.states[1].Attempts != 0 || s.states[20].Attempts != 19 ||
			s.states[20].Err == nil || s.states[21].Err != nil || s.states[21].Start.Value != 40 {
			t.Errorf("states %+v", s.states)
		}
		for i, state := range s.states[1:21] {
			if state.Retry != s.start.Add(tried[i+1]) || state.Lost != s.start.Add(1500*time.Millisecond) {
				t.Errorf("attempt %d at %v, promised for %v", i, tried[i+1], state.Retry.Sub(s.start))
			}
		}
		for i := range tried[2:] {
			longest = max(longest, tried[i+2]-tried[i+1])
		}
		if first < 50*time.Millisecond || first > 100*time.Millisecond || longest < 2500*time.Millisecond || longest > 5*time.Second {
			t.Errorf("first retry after %v, the others up to %v apart", first, longest)
		}
		if len(notices) != 2 || notices[0] != `connection \x1b lost; reconnecting` || !strings.HasPrefix(notices[1], "connected again after ") || !strings.HasSuffix(notices[1], ", going on from 40") {
			t.Errorf("notices %q", notices)
		}
	})
}

func TestRunErrors(t *testing.T) {
	refused := &RefusedError{errors.New("no such client")}
	lost := errors.New("lost")
	for name, c := range map[string]struct {
		script script
		want   error
		dials  int
	}{
		"cannot connect": {script{dialed: func(int) error { return lost }}, lost, 1},
		"refused":        {script{report: func(int64) error { return fmt.Errorf("report: %w", refused) }}, refused, 1},
		"close":          {script{closing: lost}, lost, 1},
		"refused later": {script{report: func(int64) error { return lost }, dialed: func(n int) error {
			if n > 0 {
				return refused
			}
			return nil
		}}, refused, 2},
		"stopped when not connected": {script{report: func(int64) error { return lost }, dialed: func(n int) error {
			if n > 0 {
				return lost
			}
			return nil
		}}, lost, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := c.script
				s.began = []Start{{Increment: 1}}
				_, err := s.run(t, 2*time.Second)
				if !errors.Is(err, c.want) || c.dials != 0 && s.dials != c.dials {
					t.Errorf("Run = %v after %d dials, want %v after %d", err, s.dials, c.want, c.dials)
				}
			})
		})
	}
}
