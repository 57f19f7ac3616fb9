package numbers

import (
	"testing"
	"testing/synctest"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestClientThatDoesNotRead checks that the reports of a client that reads no confirmation
// are saved.
func TestClientThatDoesNotRead(t *testing.T) {
	s, store := newService(Options{})
	var st *stub
	ready := make(chan struct{})
	st = s.count(t, func(resp *numbersv1.CountResponse) error {
		<-ready
		if resp.GetCommitted() == nil {
			return nil
		}
		<-st.ctx.Done()
		return st.ctx.Err()
	})
	close(ready)
	st.ask(registering(1))
	for v := range int64(1000) {
		st.ask(reporting(v))
	}
	for end := time.Now().Add(5 * time.Second); valueOf(t, store, 1) != 999; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the register has %d, want 999", valueOf(t, store, 1))
		}
	}
	st.cancel()
	<-st.ended
	s.Wait()
}

// TestHeadersFirst checks that a client which waits for the headers before it sends can
// begin a session.
func TestHeadersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newService(Options{})
		call := s.count(t, nil)
		synctest.Wait() // nothing is sent
		select {
		case <-call.headers:
		default:
			t.Error("no headers before the first request")
		}
		close(call.requests)
		if err := <-call.ended; err != nil {
			t.Errorf("Count: %v", err)
		}
	})
}
