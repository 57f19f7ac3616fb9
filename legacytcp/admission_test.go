package legacytcp

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// newConns returns connections from those addresses, which nobody serves.
func newConns(addrs ...string) []*conn {
	conns := make([]*conn, len(addrs))
	for i, addr := range addrs {
		conns[i] = &conn{addr: netip.AddrPortFrom(netip.MustParseAddr(addr).Unmap(), uint16(i+1))}
	}
	return conns
}

// TestAdmission plays newcomers, talkers and leavers against each other.
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
			t.Fatalf("adding %d: took the place of %p and refused %q, want %p and %q", i, gotLost, gotRefused, want, refused)
		}
	}
	add(0, -1, "")
	add(1, -1, "")
	add(2, 0, "") // the place of its address's oldest
	if a.heard(c[0]) || !a.heard(c[1]) {
		t.Fatal("0 has its place, or 1 does not")
	}
	add(3, -1, "")
	add(4, -1, "")
	add(5, 2, "") // all are taken: that of the oldest that is silent, 1 is not
	for _, i := range []int{3, 4, 5} {
		a.heard(c[i])
	}
	add(6, -1, ReasonOverCapacity) // 1, 3, 4, 5 all speak
	a.remove(c[3])
	add(6, -1, "")
	a.heard(c[6])
	add(7, -1, ReasonAddressCapacity)
	for i := range c {
		a.remove(c[i])
		a.remove(c[i]) // again, or of one that never came in
	}
	if len(a.conns) > 0 || len(a.addresses) > 0 || a.silent.front != nil || a.silent.back != nil {
		t.Errorf("left over: %+v", a)
	}
}

// TestAdmissionTrusted: behind trusted networks there are any number of clients.
func TestAdmissionTrusted(t *testing.T) {
	a := newAdmission(Limits{MaxConns: 3, MaxConnsPerAddress: 1}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	for _, c := range newConns("10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1") {
		if lost, refused := a.add(c); lost != nil || refused != "" {
			t.Errorf("%s: took a place, or was refused %q", c.addr, refused)
		}
		a.heard(c)
	}
	if _, refused := a.add(newConns("10.0.0.1")[0]); refused != ReasonOverCapacity {
		t.Errorf("the fourth of three: refused %q", refused)
	}
}

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
			t.Errorf("%s and %s count as %s and %s; one: %v", tt.a, tt.b, keyA, keyB, tt.same)
		}
	}
}

// TestSilentStrangers fills a gateway with connections that say nothing. Newcomers get
// in all the same, those who speak stay, and the log has some lines only.
func TestSilentStrangers(t *testing.T) {
	for name, limits := range map[string]Limits{
		"all":     {MaxConns: 20, MaxConnsPerAddress: 20},
		"address": {MaxConns: 40, MaxConnsPerAddress: 20},
	} {
		t.Run(name, func(t *testing.T) {
			const strangers = 1000
			d := newDoor(t, Both, Config{Limits: limits})
			first := d.dial(t)
			first.send(t, "1 ")
			first.receive(t, "0 ")
			for i := range strangers {
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
				if n := d.Counts.closed[ReasonPressure]; n < strangers-20 || n > strangers {
					return fmt.Errorf("closed by reason: %v, want %d by pressure", d.Counts.closed, strangers-20)
				}
				return nil
			})
		})
	}
}

// TestStrangersAreSummedUp: the log has a bounded number of lines of what strangers do,
// and misses none of it.
func TestStrangersAreSummedUp(t *testing.T) {
	const strangers = 2000
	d := newDoor(t, Both, Config{Limits: Limits{MaxConns: 1}})
	in := d.dial(t)
	in.send(t, "1 ")
	in.receive(t, "0 ")
	began := time.Now()
	for range strangers {
		nc, err := net.Dial("tcp", d.Addr)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	d.Counts.await(t, ReasonOverCapacity, strangers)
	d.shutdown(t)() // what was summed up is logged then at the latest; the harness counts it
	seconds := int(time.Since(began)/time.Second) + 2
	if lines := strings.Count(d.Log.String(), "\n"); lines > seconds*(strangerLines+1) {
		t.Errorf("%d lines in %d seconds, want %d a second", lines, seconds, strangerLines+1)
	}
	if strings.Contains(d.Log.String(), "reason=over_capacity connections=") != (strangers > seconds*strangerLines) {
		t.Errorf("nothing was summed up:\n%s", d.Log)
	}
}
