package numbers

import (
	"testing"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestDeafClient reports without reading: its reports are saved all the same.
func TestDeafClient(t *testing.T) {
	s, store := newService(Options{})
	var deaf *stub
	ready := make(chan struct{})
	deaf = s.count(t, func(resp *numbersv1.CountResponse) error {
		<-ready
		if resp.GetCommitted() == nil {
			return nil
		}
		<-deaf.ctx.Done()
		return deaf.ctx.Err()
	})
	close(ready)
	deaf.ask(registering(1))
	for v := range int64(1000) {
		deaf.ask(reporting(v))
	}
	for end := time.Now().Add(5 * time.Second); valueOf(t, store, 1) != 999; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the register has %d, want 999", valueOf(t, store, 1))
		}
	}
	deaf.cancel()
	<-deaf.ended
	s.Wait()
}
