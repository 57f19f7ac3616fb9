package numbers

import (
	"testing"
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
