package legacytcp

import (
	"io"
	"testing"
	"time"
)

// TestPresence looks at clients that are there, have sent EOF, or have reset, with and
// without input that nobody has read.
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
			for end := time.Now().Add(patience); presenceOf(server) != tt.want; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s, with %q unread: %d, want %d", name, unread, presenceOf(server), tt.want)
				}
			}
			if tt.want == gone {
				continue // what it sent is lost as well, or not
			}
			client.CloseWrite()
			if got, err := io.ReadAll(server); err != nil || string(got) != unread {
				t.Errorf("%s: after the look %q and %v are read, want %q", name, got, err, unread)
			}
		}
	}
	_, server := tcpPair(t)
	server.Close()
	if got := presenceOf(server); got != gone {
		t.Errorf("of a connection that is closed: %d, want %d", got, gone)
	}
}
