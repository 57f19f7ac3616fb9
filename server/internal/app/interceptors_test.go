package app

import (
	"testing"

	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/register"
)

// TestDoorName: the gateway, which does not know the server, names its door as the
// server does.
func TestDoorName(t *testing.T) {
	if got, want := legacytcp.DoorName, register.Legacy.String(); got != want {
		t.Errorf("legacytcp.DoorName = %q, want %q", got, want)
	}
}
