package app

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/h2/h2test"
)

// attack starts attackers that connect until end. Each one reconnects when with returns.
func (b *besieged) attack(attackers int, end time.Time, with func(p *h2test.Peer)) *sync.WaitGroup {
	var attacking sync.WaitGroup
	for range attackers {
		attacking.Go(func() {
			for time.Now().Before(end) {
				p, err := h2test.Dial(b.grpc, 0)
				if err != nil {
					continue
				}
				with(p)
				p.Close()
			}
		})
	}
	return &attacking
}

// TestRapidReset opens calls and resets them at once, and reconnects when it is cut off.
// Memory and goroutines stay bounded, and a new client is served.
func TestRapidReset(t *testing.T) {
	b := startBesieged(t)
	before := b.resident(t)
	end := time.Now().Add(time.Duration(doorScale(1, 10)) * time.Second)
	attacking := b.attack(16, end, func(p *h2test.Peer) {
		for time.Now().Before(end) {
			id, err := p.Call(filesv1.FileService_Get_FullMethodName, &filesv1.GetRequest{Name: "f0"}, false)
			if err == nil {
				err = p.Reset(id)
			}
			if err != nil {
				return
			}
		}
	})
	most, goroutines, worst := 0, 0.0, time.Duration(0)
	for time.Now().Before(end) {
		most = max(most, b.resident(t)-before)
		goroutines = max(goroutines, b.metric(t, "go_goroutines"))
		worst = max(worst, b.serves(t))
	}
	attacking.Wait()
	cut := b.metric(t, `parity_grpc_connections_cut_total{reason="resets"}`)
	t.Logf("%d MiB more than before, %.0f goroutines, %.0f connections cut, new clients served within %s",
		most>>20, goroutines, cut, worst.Round(time.Millisecond))
	if most > 100<<20 || goroutines > 16*maxCalls+1000 || cut == 0 {
		t.Errorf("want at most 100 MiB and %d goroutines, and connections cut off", 16*maxCalls+1000)
	}
}

// TestFloods sends frames that open no call, as fast as possible. Memory stays bounded,
// and new clients are served.
func TestFloods(t *testing.T) {
	b := startBesieged(t)
	before := b.resident(t)
	for name, flood := range map[string]func(p *h2test.Peer) error{
		"SETTINGS": func(p *h2test.Peer) error {
			return p.Settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 16})
		},
		"empty DATA": func(p *h2test.Peer) error { return p.Raw(http2.FrameData, 0, 1, nil) },
		"CONTINUATION": func(p *h2test.Peer) error {
			if err := p.Raw(http2.FrameHeaders, 0, 3, nil); err != nil {
				return err
			}
			for range 10_000 {
				if err := p.Raw(http2.FrameContinuation, 0, 3, nil); err != nil {
					return err
				}
			}
			return nil
		},
		"PRIORITY":      func(p *h2test.Peer) error { return p.Raw(http2.FramePriority, 0, 1, make([]byte, 5)) },
		"WINDOW_UPDATE": func(p *h2test.Peer) error { return p.Raw(http2.FrameWindowUpdate, 0, 1, []byte{0, 0, 0, 1}) },
		"PING":          func(p *h2test.Peer) error { return p.Raw(http2.FramePing, 0, 0, make([]byte, 8)) },
	} {
		t.Run(name, func(t *testing.T) {
			end := time.Now().Add(time.Duration(doorScale(300, 5000)) * time.Millisecond)
			attacking := b.attack(4, end, func(p *h2test.Peer) {
				p.Read()
				p.Conn.SetWriteDeadline(end)
				_, err := p.Call(numbersv1.NumberService_Count_FullMethodName, nil, true)
				for err == nil && time.Now().Before(end) {
					err = flood(p)
				}
			})
			worst := time.Duration(0)
			for time.Now().Before(end) {
				worst = max(worst, b.serves(t))
			}
			attacking.Wait()
			t.Logf("new clients served within %s", worst.Round(time.Millisecond))
		})
	}
	b.bounded(t, before, 100<<20)
}
