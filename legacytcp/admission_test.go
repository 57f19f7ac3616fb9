package legacytcp

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// newConns returns connections from addrs that no goroutine serves.
func newConns(addrs ...string) []*conn {
	conns := make([]*conn, len(addrs))
	for i, addr := range addrs {
		conns[i] = &conn{addr: netip.AddrPortFrom(netip.MustParseAddr(addr).Unmap(), uint16(i+1))}
	}
	return conns
}

// TestAdmission adds, hears and removes connections up to both limits.
func TestAdmission(t *testing.T) {
	a := newAdmission(Limits{MaxConns: 4, MaxConnsPerAddress: 2}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	c := newConns("1.0.0.1", "1.0.0.1", "1.0.0.1", "2.0.0.1", "2.0.0.1", "3.0.0.1", "3.0.0.1", "3.0.0.1")
	add := func(i, lost int, refused Reason) {
		t.Helper()
		gotLost, gotRefused := a.add(c[i])
		want := (*conn)(nil)
		if lost >= 0 {
			want = c[lost]
		}
		if gotLost != want || gotRefused != refused {
			t.Fatalf("add(%d) = %p, %q, want %p, %q", i, gotLost, gotRefused, want, refused)
		}
	}
	add(0, -1, "")
	add(1, -1, "")
	add(2, 0, "") // replaces the oldest silent one of its address
	if a.heard(c[0]) || !a.heard(c[1]) {
		t.Fatal("0 still has its place, or 1 has lost it")
	}
	add(3, -1, "")
	add(4, -1, "")
	add(5, 2, "") // replaces the oldest silent one: 1 is not silent
	for _, i := range []int{3, 4, 5} {
		a.heard(c[i])
	}
	add(6, -1, ReasonOverCapacity) // none of 1, 3, 4, 5 is silent
	a.remove(c[3])
	add(6, -1, "")
	a.heard(c[6])
	add(7, -1, ReasonAddressCapacity)
	for i := range c {
		a.remove(c[i])
		a.remove(c[i]) // a connection without a place
	}
	if len(a.conns) > 0 || len(a.addresses) > 0 || a.silent.front != nil || a.silent.back != nil {
		t.Errorf("after all were removed: %+v", a)
	}
}

// TestAdmissionTrusted checks that an address in a trusted network has no limit of its own.
func TestAdmissionTrusted(t *testing.T) {
	a := newAdmission(Limits{MaxConns: 3, MaxConnsPerAddress: 1}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	for _, c := range newConns("10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1") {
		if lost, refused := a.add(c); lost != nil || refused != "" {
			t.Errorf("add(%s) = %p, %q, want a free place", c.addr, lost, refused)
		}
		a.heard(c)
	}
	if _, refused := a.add(newConns("10.0.0.1")[0]); refused != ReasonOverCapacity {
		t.Errorf("add beyond MaxConns = %q, want %q", refused, ReasonOverCapacity)
	}
}

// TestAdmissionKeys checks which addresses share a limit.
func TestAdmissionKeys(t *testing.T) {
	a := newAdmission(Limits{}, nil)
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:0:0:2", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2", true},
	} {
		keyA, _ := a.key(newConns(tt.a)[0].addr.Addr())
		keyB, _ := a.key(newConns(tt.b)[0].addr.Addr())
		if (keyA == keyB) != tt.same {
			t.Errorf("keys of %s and %s = %s and %s, want the same: %v", tt.a, tt.b, keyA, keyB, tt.same)
		}
	}
}

// TestSilentConns fills a gateway with silent connections. New clients are still served, and
// clients that have sent something keep their places.
func TestSilentConns(t *testing.T) {
	for name, limits := range map[string]Limits{
		"all":     {MaxConns: 20, MaxConnsPerAddress: 20},
		"address": {MaxConns: 40, MaxConnsPerAddress: 20},
	} {
		t.Run(name, func(t *testing.T) {
			const silent = 1000
			d := newDoor(t, Both, Config{Limits: limits})
			first := d.dial(t)
			first.send(t, "1 ")
			first.receive(t, "0 ")
			for i := range silent {
				d.dial(t)
				if i%100 != 99 {
					continue
				}
				p := d.dial(t)
				p.send(t, fmt.Sprintf("%d odd ", 2+i))
				p.receive(t, "0 ")
				p.number(t)
				p.CloseWrite()
				p.receiveEnd(t, false)
			}
			first.send(t, "5 odd ")
			first.number(t)
			d.Counts.until(t, func() error {
				if n := d.Counts.closed[ReasonPressure]; n < silent-20 || n > silent {
					return fmt.Errorf("closed by reason: %v, want %d of %q", d.Counts.closed, silent-20, ReasonPressure)
				}
				return nil
			})
		})
	}
}

// TestRefusedConnsAreSummedUp checks that refused connections get a limited number of log
// lines, and that the lines account for all of them.
func TestRefusedConnsAreSummedUp(t *testing.T) {
	const refused = 2000
	d := newDoor(t, Both, Config{Limits: Limits{MaxConns: 1}})
	in := d.dial(t)
	in.send(t, "1 ")
	in.receive(t, "0 ")
	began := time.Now()
	for range refused {
		nc, err := net.Dial("tcp", d.Addr)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	d.Counts.await(t, ReasonOverCapacity, refused)
	d.shutdown(t)() // logs the rest of the counts; newDoor checks their sum
	seconds := int(time.Since(began)/time.Second) + 2
	if lines := strings.Count(d.Log.String(), "\n"); lines > seconds*(strangerLines+1) {
		t.Errorf("%d lines in %d seconds, want at most %d a second", lines, seconds, strangerLines+1)
	}
	if strings.Contains(d.Log.String(), "reason=over_capacity connections=") != (refused > seconds*strangerLines) {
		t.Errorf("nothing was summed up:\n%s", d.Log)
	}
}
