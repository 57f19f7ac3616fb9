package download_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/parity/client/download"
	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// Downloading a file. Running it again after an interrupt resumes.
func ExampleGet() {
	// A server with one file.
	files := &fakeserver.Files{}
	files.Put("greeting.txt", []byte("hello, world"))
	addr, stopServer := fakeserver.Example(files, nil)
	defer stopServer()

	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	path := filepath.Join(dir, "copy.txt")
	result, err := download.Get(context.Background(), filesv1.NewFileServiceClient(conn), "greeting.txt", path, download.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	content, err := os.ReadFile(path)
	fmt.Println(result.Bytes, string(content), err)
	// Output: 12 hello, world <nil>
}

// Downloading over several connections, at a limited rate.
func ExampleGroup() {
	files := &fakeserver.Files{}
	files.Put("large", make([]byte, 10<<20))
	addr, stopServer := fakeserver.Example(files, nil)
	defer stopServer()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	var clients []filesv1.FileServiceClient
	for range 3 {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer conn.Close()
		clients = append(clients, filesv1.NewFileServiceClient(conn))
	}
	group := download.NewGroup(1 << 30) // bytes a second
	for _, spare := range clients[1:] {
		group.Lend(spare)
	}
	result, err := download.GetBelow(context.Background(), clients[0], "large", dir, download.Options{Group: group})
	fmt.Println(result.Bytes, err)
	// Output: 10485760 <nil>
}
