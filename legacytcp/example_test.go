package legacytcp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
)

// services are a NumberService and a FileService with as little as the examples need.
type services struct {
	numbersv1.UnimplementedNumberServiceServer
	filesv1.UnimplementedFileServiceServer
}

func (services) Count(stream grpc.BidiStreamingServer[numbersv1.CountRequest, numbersv1.CountResponse]) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		resp := &numbersv1.CountResponse{}
		switch req.GetKind().(type) {
		case *numbersv1.CountRequest_Registration:
			resp.Kind = &numbersv1.CountResponse_Registered{Registered: &numbersv1.Registered{Value: 41, Returning: true}}
		case *numbersv1.CountRequest_Draw:
			resp.Kind = &numbersv1.CountResponse_Increment{Increment: &numbersv1.Increment{Number: 57}}
		case *numbersv1.CountRequest_Report:
			resp.Kind = &numbersv1.CountResponse_Committed{Committed: &numbersv1.Committed{Reports: 1}}
		}
		if err := stream.Send(resp); err != nil {
			return err
		}
	}
}

func (services) Get(_ *filesv1.GetRequest, stream grpc.ServerStreamingServer[filesv1.GetResponse]) error {
	const checksum = 0x9a71bb4c // CRC-32C of "hello"
	sum := uint32(checksum)
	return stream.Send(&filesv1.GetResponse{File: &filesv1.File{SizeBytes: 5}, Data: []byte("hello"), Crc32C: &sum})
}

// dialServices serves the services over gRPC and returns a connection to them, and a
// function that stops both.
func dialServices() (*grpc.ClientConn, func()) {
	server := grpc.NewServer()
	numbersv1.RegisterNumberServiceServer(server, services{})
	filesv1.RegisterFileServiceServer(server, services{})
	l := listen()
	go server.Serve(l)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	return conn, func() {
		conn.Close()
		server.Stop()
	}
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return l
}

// A gateway in front of services somewhere else, and an old client that counts.
func ExampleNew() {
	conn, stop := dialServices()
	defer stop()
	gateway := legacytcp.New(legacytcp.Config{
		Numbers: numbersv1.NewNumberServiceClient(conn),
		Files:   filesv1.NewFileServiceClient(conn),
	})
	l := listen()
	go gateway.Serve(l, legacytcp.Both)
	defer gateway.Shutdown(context.Background())

	old, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer old.Close()
	reply := make([]byte, 3)
	fmt.Fprint(old, "3748") // its ID
	io.ReadFull(old, reply)
	fmt.Printf("%q\n", reply)
	fmt.Fprint(old, "42 odd ") // a value, and a draw
	io.ReadFull(old, reply)
	fmt.Printf("%q\n", reply)
	// Output:
	// "41 "
	// "57 "
}

// Downloading a file as the original client does.
func ExampleFetch() {
	conn, stop := dialServices()
	defer stop()
	gateway := legacytcp.New(legacytcp.Config{Files: filesv1.NewFileServiceClient(conn)})
	l := listen()
	go gateway.Serve(l, legacytcp.FilesOnly)
	defer gateway.Shutdown(context.Background())

	var file bytes.Buffer
	n, err := legacytcp.Fetch(context.Background(), l.Addr().String(), "greeting.txt", &file)
	fmt.Println(n, file.String(), err)
	// Output: 5 hello <nil>
}
