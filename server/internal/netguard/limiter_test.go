package netguard

import (
	"net/netip"
	"slices"
	"testing"
)

// TestLimits admits connections up to both limits and one more.
func TestLimits(t *testing.T) {
	l := newLimiter(Limits{Total: 6, PerAddress: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	var places []*place
	for i, step := range []struct {
		from    string
		refused Reason
	}{
		{"192.0.2.1", ""}, {"192.0.2.1", ""}, {"192.0.2.1", ReasonAddress},
		// One /64 counts as one address.
		{"2001:db8::1", ""}, {"2001:db8::ffff:1", ""}, {"2001:db8::2", ReasonAddress},
		{"10.1.1.1", ""}, {"10.1.1.1", ""}, {"10.1.1.1", ReasonTotal}, {"2001:db8:0:1::1", ReasonTotal},
	} {
		p, displaced, got := l.admit(netip.MustParseAddr(step.from), nil)
		if got != step.refused || displaced != nil || (p == nil) != (got != "") {
			t.Errorf("step %d: admit(%s) = %v, %v, %q, want %q", i, step.from, p, displaced, got, step.refused)
		}
		if p != nil {
			places = append(places, p)
		}
	}
	l.release(places[0])
	again, _, got := l.admit(netip.MustParseAddr("192.0.2.1"), nil)
	if got != "" {
		t.Errorf("after a release: %q", got)
	}
	for _, p := range append(places, again) { // the first one for the second time
		l.release(p)
	}
	if l.open() != 0 || len(l.byAddress) != 0 {
		t.Errorf("after all releases: %d open, %v", l.open(), l.byAddress)
	}
}

// TestDisplace fills the limits with connections of which some have been heard.
func TestDisplace(t *testing.T) {
	l := newLimiter(Limits{Total: 5, PerAddress: 3, Displace: true})
	var dropped []string
	places := map[string]*place{}
	admit := func(name, from string) Reason {
		p, displaced, refused := l.admit(netip.MustParseAddr(from), func() { dropped = append(dropped, name) })
		if displaced != nil {
			displaced.drop()
			l.release(displaced) // as its Close does
		}
		places[name] = p
		return refused
	}
	const a, b, c = "192.0.2.1", "192.0.2.2", "192.0.2.3"
	for _, step := range []struct {
		name, from string
		heard      bool
		dropped    string
		refused    Reason
	}{
		{"a1", a, true, "", ""}, {"a2", a, false, "", ""}, {"a3", a, false, "", ""},
		{"a4", a, true, "a2", ""}, // its address is full: the oldest silent one of the address
		{"b1", b, false, "", ""}, {"b2", b, true, "", ""},
		{"c1", c, true, "a3", ""}, {"c2", c, true, "b1", ""}, // all is full: the oldest silent one
		{"c3", c, true, "", ReasonTotal}, // nobody is silent any more
	} {
		before := len(dropped)
		if got := admit(step.name, step.from); got != step.refused {
			t.Errorf("%s: refused %q, want %q", step.name, got, step.refused)
		}
		if step.heard && places[step.name] != nil {
			l.heard(places[step.name])
		}
		if got := dropped[before:]; step.dropped == "" && len(got) > 0 || step.dropped != "" && !slices.Equal(got, []string{step.dropped}) {
			t.Errorf("%s displaces %q, want %q", step.name, got, step.dropped)
		}
	}
	if l.open() != 5 || l.silent.Len() != 0 {
		t.Errorf("%d open, %d silent, want 5 and 0", l.open(), l.silent.Len())
	}
	for _, p := range places {
		if p != nil {
			l.release(p)
		}
	}
	if l.open() != 0 || len(l.byAddress) != 0 {
		t.Errorf("after all releases: %d open, %v", l.open(), l.byAddress)
	}
}
