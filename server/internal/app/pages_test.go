package app

import (
	"testing"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// listClients returns the whole register, read in pages of that size (0: the default).
func listClients(tb testing.TB, numbers numbersv1.NumberServiceClient, size int32) []*numbersv1.Client {
	tb.Helper()
	var all []*numbersv1.Client
	for token := ""; ; {
		resp, err := numbers.ListClients(tb.Context(), &numbersv1.ListClientsRequest{PageSize: size, PageToken: token})
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, resp.GetClients()...)
		if token = resp.GetNextPageToken(); token == "" {
			return all
		}
	}
}

// listFiles returns all files of a source, read in pages of that size (0: the default).
func listFiles(tb testing.TB, files filesv1.FileServiceClient, source filesv1.Source, size int32) []*filesv1.File {
	tb.Helper()
	var all []*filesv1.File
	for token := ""; ; {
		resp, err := files.List(tb.Context(), &filesv1.ListRequest{Source: source, PageSize: size, PageToken: token})
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, resp.GetFiles()...)
		if token = resp.GetNextPageToken(); token == "" {
			return all
		}
	}
}
