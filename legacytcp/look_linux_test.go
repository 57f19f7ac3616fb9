package legacytcp

import (
	"fmt"
	"io"
	"testing"

	"example.com/parity/internal/await"
)

// TestPresence checks presenceOf for clients that are connected, have sent EOF, or have
// reset, with and without unread input.
func TestPresence(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*peer)
		want presence
	}{
		"there":       {func(*peer) {}, present},
		"half closed": {func(p *peer) { p.CloseWrite() }, halfClosed},
		"reset":       {func(p *peer) { p.SetLinger(0); p.Close() }, gone},
	} {
		for _, unread := range []string{"", "more"} {
			client, server := tcpPair(t)
			client.send(t, unread)
			tt.end(client)
			await.That(t, fmt.Sprintf("%s, with %q unread: presenceOf is %d", name, unread, tt.want), func() bool { return presenceOf(server) == tt.want })
			if tt.want == gone {
				continue // a reset may discard the input
			}
			client.CloseWrite()
			if got, err := io.ReadAll(server); err != nil || string(got) != unread {
				t.Errorf("%s: read %q, %v after presenceOf, want %q", name, got, err, unread)
			}
		}
	}
	_, server := tcpPair(t)
	server.Close()
	if got := presenceOf(server); got != gone {
		t.Errorf("presenceOf a closed connection = %d, want %d", got, gone)
	}
}
