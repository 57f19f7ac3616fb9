package legacytcp

import (
	"syscall"
	"testing"
)

// TestKeepalive checks that the listeners in use have the keepalive that the
// package leaves to them.
func TestKeepalive(t *testing.T) {
	d := newDoor(t, Both, Config{})
	p := d.dial(t)
	spy, err := d.spy.of(p)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := spy.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		on, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		idle, _ := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE)
		if on != 1 || idle != 15 {
			t.Errorf("SO_KEEPALIVE = %d and TCP_KEEPIDLE = %d, want 1 and 15", on, idle)
		}
	})
}
