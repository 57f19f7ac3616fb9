package numbers

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/register"
)

// deaf is the stream of a client that never reads a confirmation.
type deaf struct {
	grpc.ServerStream
	ctx      context.Context
	requests chan *numbersv1.CountRequest
}

func (d *deaf) Context() context.Context { return d.ctx }

func (d *deaf) Recv() (*numbersv1.CountRequest, error) {
	req := new(numbersv1.CountRequest)
	return req, d.RecvMsg(req)
}

func (d *deaf) RecvMsg(m any) error {
	select {
	case req, open := <-d.requests:
		if !open {
			return io.EOF
		}
		m.(*numbersv1.CountRequest).Kind = req.Kind
		return nil
	case <-d.ctx.Done():
		return d.ctx.Err()
	}
}

func (d *deaf) Send(resp *numbersv1.CountResponse) error {
	if resp.GetCommitted() == nil {
		return nil
	}
	<-d.ctx.Done()
	return d.ctx.Err()
}

// TestDeafClient reports without reading: its reports are saved all the same.
func TestDeafClient(t *testing.T) {
	store := register.NewMemory()
	service := New(store, 10000, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	d := &deaf{ctx: ctx, requests: make(chan *numbersv1.CountRequest)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		service.Count(d)
	}()
	d.requests <- &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Register{Register: &numbersv1.Register{ClientId: 1}}}
	for v := range int64(1000) {
		d.requests <- &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: v}}}
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		clients, err := store.List(ctx, -1, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(clients) == 1 && clients[0].Value == 999 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the register has %+v, want the value 999", clients)
		}
	}
	cancel()
	<-ended
	service.Wait()
}
