package callrate

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/apierror/apierrortest"
	"example.com/parity/server/internal/origin"
)

// permitted makes n calls at once and returns how many were permitted, and the last refusal.
func permitted(t *testing.T, l *Limiter, from origin.Origin, n int) (admitted int, refusal error) {
	t.Helper()
	for range n {
		if err := l.admit(origin.NewContext(t.Context(), from)); err == nil {
			admitted++
		} else {
			refusal = err
		}
	}
	return admitted, refusal
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(10, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
		a := origin.Origin{Peer: "198.51.100.1:1000"}
		if n, err := permitted(t, l, a, 15); n != 10 {
			t.Errorf("a burst of 15: %d permitted", n)
		} else {
			apierrortest.Check(t, "the 11th call", err, codes.ResourceExhausted, "CALL_RATE")
			for _, d := range status.Convert(err).Details() {
				if info, ok := d.(*errdetails.RetryInfo); ok {
					time.Sleep(info.GetRetryDelay().AsDuration())
				}
			}
		}
		if n, _ := permitted(t, l, a, 2); n != 1 {
			t.Errorf("after the delay of RetryInfo %d of 2 calls are permitted, want 1", n)
		}
		for _, tt := range []struct {
			from origin.Origin
			want int
		}{
			{origin.Origin{Peer: "198.51.100.1:2000"}, 0}, // the same address
			{origin.Origin{Peer: "198.51.100.2:1000"}, 10},
			{origin.Origin{Peer: "[2001:db8::1]:1"}, 10},
			{origin.Origin{Peer: "[2001:db8::2]:1"}, 0}, // the same network
			{origin.Origin{Peer: "192.0.2.1:1"}, 20},
			{origin.Origin{Peer: "198.51.100.1:1000", Caller: "x", Proven: true}, 10},
			{origin.Origin{Peer: "203.0.113.1:1000", Caller: "x", Proven: true}, 0}, // the same caller
			{origin.Origin{Peer: "inproc"}, 20},
		} {
			if n, _ := permitted(t, l, tt.from, 20); n != tt.want {
				t.Errorf("%+v: %d of 20 calls are permitted, want %d", tt.from, n, tt.want)
			}
		}
		time.Sleep(time.Minute)
		if n, _ := permitted(t, l, a, 15); n != 10 {
			t.Errorf("after a minute %d of 15 calls are permitted, want 10", n)
		}
	})
}

func TestManyClients(t *testing.T) {
	l := New(1, nil)
	for i := range maxClients + 10 {
		permitted(t, l, origin.Origin{Caller: fmt.Sprint(i), Proven: true}, 1)
	}
	if n := l.clients.Len(); n != maxClients {
		t.Errorf("%d clients are remembered, want %d", n, maxClients)
	}
}
