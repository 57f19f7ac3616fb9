package counter_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/parity/client/counter"
	"example.com/parity/client/internal/fakeserver"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// Counting to 3 as client 7.
func ExampleCounter_Run() {
	addr, stopServer := fakeserver.Example(nil, new(fakeserver.Numbers))
	defer stopServer()

	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c := counter.Counter{
		Dial: counter.GRPC(numbersv1.NewNumberServiceClient(conn), 7),
		Counted: func(value int64, increment int32) {
			fmt.Printf("%d (+%d)\n", value, increment)
			if value == 3 {
				stop()
			}
		},
		Notice: func(string) {},
	}
	fmt.Println(c.Run(ctx))
	// Output:
	// 1 (+1)
	// 2 (+1)
	// 3 (+1)
	// <nil>
}
