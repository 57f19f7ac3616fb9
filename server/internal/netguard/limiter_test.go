package netguard

import (
	"net/netip"
	"testing"
)

// TestLimits admits connections up to both limits and one more.
func TestLimits(t *testing.T) {
	l := newLimiter(Limits{Total: 6, PerAddress: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for i, step := range []struct {
		from    string
		refused Reason
	}{
		{"192.0.2.1", ""}, {"192.0.2.1", ""}, {"192.0.2.1", ReasonAddress},
		// One /64 counts as one address.
		{"2001:db8::1", ""}, {"2001:db8::ffff:1", ""}, {"2001:db8::2", ReasonAddress},
		{"10.1.1.1", ""}, {"10.1.1.1", ""}, {"10.1.1.1", ReasonTotal}, {"2001:db8:0:1::1", ReasonTotal},
	} {
		if got := l.admit(netip.MustParseAddr(step.from)); got != step.refused {
			t.Errorf("step %d: admit(%s) = %q, want %q", i, step.from, got, step.refused)
		}
	}
	l.release(netip.MustParseAddr("192.0.2.1"))
	if got := l.admit(netip.MustParseAddr("192.0.2.1")); got != "" {
		t.Errorf("after a release: %q", got)
	}
	for _, from := range []string{"192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::1", "10.1.1.1", "10.1.1.1"} {
		l.release(netip.MustParseAddr(from))
	}
	if l.open() != 0 || len(l.byAddress) != 0 {
		t.Errorf("after all releases: %d open, %v", l.open(), l.byAddress)
	}
}
