package app

import (
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/h2/h2test"
)

// TestGetsThatNobodyReads opens hundreds of Gets whose clients either have no
// flow-control window, or have window but do not read their sockets. Without a bound
// each would hold a chunk of 1 MiB. Together they hold at most the reply buffer, and new
// clients are served. PARITY_DOOR_SCALE=full opens 15,800 and waits until all are closed.
func TestGetsThatNobodyReads(t *testing.T) {
	full := os.Getenv("PARITY_DOOR_SCALE") == "full"
	for _, notReading := range []bool{false, true} {
		name, window := "no window", uint32(0)
		if notReading {
			name, window = "not reading", 1<<30
		}
		t.Run(name, func(t *testing.T) {
			b := startBesieged(t)
			before := b.resident(t)
			calls, conns := doorScale(400, 15_800), doorScale(4, 64)
			peers := make([]*h2test.Peer, conns)
			for i := range peers {
				peers[i] = b.peer(t, window)
				if notReading {
					peers[i].Grant(0, 1<<30)
				} else {
					peers[i].Read()
				}
			}
			var ids []uint32
			for i := range calls {
				id, err := peers[i%conns].Call(filesv1.FileService_Get_FullMethodName,
					&filesv1.GetRequest{Name: b.names[i%len(b.names)], Offset: int64(i/len(b.names)) % 200 * 4096}, false)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			b.bounded(t, before, doorScale(64<<20, 400<<20))
			if !full {
				return
			}
			time.Sleep(sendTimeout)
			for i, id := range ids {
				if notReading {
					break
				}
				if r, err := peers[i%conns].Await(id, 2*sendTimeout, h2test.Ended); err != nil || codes.Code(r.Code) != codes.ResourceExhausted {
					t.Fatalf("call %d = %+v, %v; want ResourceExhausted", i, r, err)
				}
			}
			// A client that does not read does not answer pings either.
			for end := time.Now().Add(3 * sendTimeout); notReading && b.metric(t, "parity_grpc_connections") > 1; time.Sleep(time.Second) {
				if time.Now().After(end) {
					t.Fatalf("the connections are still open:\n%s", b.page(t, "/metrics"))
				}
			}
		})
	}
}

// TestDrawsThatNobodyReads has sessions without a flow-control window draw. The server
// draws no numbers for them, so none wait in memory.
func TestDrawsThatNobodyReads(t *testing.T) {
	b := startBesieged(t)
	before := b.resident(t)
	draw := &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{}}}
	for c := range doorScale(4, 64) {
		p := b.peer(t, 0)
		p.Read()
		for s := range 50 {
			id, err := p.Call(numbersv1.NumberService_Count_FullMethodName, &numbersv1.CountRequest{
				Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: int32(c*50 + s)}},
			}, true)
			for i := 0; i < 200 && err == nil; i++ {
				err = p.Send(id, draw)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	b.bounded(t, before, doorScale(64<<20, 400<<20))
	var logged []byte
	for end := time.Now().Add(doorPatience); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if logged, err = os.ReadFile(b.log); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(logged), "msg=DrawResponse") { // bounded ends with a Draw
			break
		}
		if time.Now().After(end) {
			t.Fatal("the log lacks the Draw of the last check")
		}
	}
	if n := strings.Count(string(logged), "msg=Increment"); n > 0 {
		t.Errorf("the server drew %d numbers, want 0", n)
	}
}
