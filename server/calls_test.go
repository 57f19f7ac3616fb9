package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/filecache"
)

// wantStatus checks the code and that the details say why.
func wantStatus(t *testing.T, what string, err error, code codes.Code, reason string) {
	t.Helper()
	st := status.Convert(err)
	var info *errdetails.ErrorInfo
	var violations int
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.BadRequest:
			violations = len(d.GetFieldViolations())
		}
	}
	if st.Code() != code || info.GetReason() != reason || info.GetDomain() != "parity" {
		t.Errorf("%s: %v with %v, want %v with %s", what, err, info, code, reason)
	}
	if (violations > 0) != (code == codes.InvalidArgument) {
		t.Errorf("%s: %v has %d field violations", what, err, violations)
	}
}

func TestGetStatuses(t *testing.T) {
	r := start(t)
	r.write(t, "f", []byte("0123456789"))
	files := r.filesClient(t)
	_, file, err := download(t.Context(), files, &filesv1.GetRequest{Name: "f"})
	if err != nil {
		t.Fatal(err)
	}
	if file.GetName() != "f" || file.GetSizeBytes() != 10 || file.GetVersion() == "" || file.GetCached() || file.GetModified() == nil {
		t.Errorf("the first response describes the file as %v", file)
	}
	for _, tt := range []struct {
		req    *filesv1.GetRequest
		code   codes.Code
		reason string
	}{
		{&filesv1.GetRequest{}, codes.InvalidArgument, "INVALID_NAME"},
		{&filesv1.GetRequest{Name: "a\x00b"}, codes.InvalidArgument, "INVALID_NAME"},
		{&filesv1.GetRequest{Name: strings.Repeat("n", 1025)}, codes.InvalidArgument, "INVALID_NAME"},
		{&filesv1.GetRequest{Name: strings.Repeat("n", 1024)}, codes.NotFound, "FILE_NOT_FOUND"},
		{&filesv1.GetRequest{Name: "f", Offset: -1}, codes.InvalidArgument, "INVALID_OFFSET"},
		{&filesv1.GetRequest{Name: "f", Limit: -1}, codes.InvalidArgument, "INVALID_LIMIT"},
		{&filesv1.GetRequest{Name: "f", Offset: 11}, codes.OutOfRange, "OFFSET_BEYOND_END"},
		{&filesv1.GetRequest{Name: "f", Offset: 1<<63 - 1}, codes.OutOfRange, "OFFSET_BEYOND_END"},
		{&filesv1.GetRequest{Name: "f", Version: "another"}, codes.Aborted, "VERSION_MISMATCH"},
		{&filesv1.GetRequest{Name: "none"}, codes.NotFound, "FILE_NOT_FOUND"},
		{&filesv1.GetRequest{Name: "/etc/passwd"}, codes.NotFound, "FILE_NOT_FOUND"},
	} {
		_, _, err := download(t.Context(), files, tt.req)
		wantStatus(t, tt.req.String(), err, tt.code, tt.reason)
	}
	for _, tt := range []struct {
		offset, limit int64
		want          string
	}{
		{0, 0, "0123456789"}, {0, 10, "0123456789"}, {0, 11, "0123456789"}, {0, 1, "0"}, {9, 0, "9"}, {3, 4, "3456"},
		{10, 0, ""}, {10, 5, ""}, {1, 1<<63 - 1, "123456789"},
	} {
		got, _, err := download(t.Context(), files, &filesv1.GetRequest{
			Name: "f", Offset: tt.offset, Limit: tt.limit, Version: file.GetVersion(),
		})
		if err != nil || string(got) != tt.want {
			t.Errorf("offset %d, limit %d: %q, %v; want %q", tt.offset, tt.limit, got, err, tt.want)
		}
	}
}

// TestGetRanges crosses the borders of chunks.
func TestGetRanges(t *testing.T) {
	const chunk = filecache.BlockSize
	r := start(t)
	want := content(3*chunk + 5)
	r.write(t, "cached", want)
	r.write(t, "uncached", append(bytes.Clone(want), make([]byte, 64<<20)...))
	files := r.filesClient(t)
	for _, name := range []string{"cached", "uncached"} {
		for _, offset := range []int64{0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk} {
			for _, limit := range []int64{1, 5, chunk - 1, chunk, chunk + 1} {
				end := min(offset+limit, int64(len(want)))
				got, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: name, Offset: offset, Limit: end - offset})
				if err != nil || !bytes.Equal(got, want[offset:end]) {
					t.Errorf("%s from %d to %d: %d bytes, %v", name, offset, end, len(got), err)
				}
			}
		}
	}
}

// TestColdFileAtOnce: a thousand callers of one cold file, the first of whom goes
// away.
func TestColdFileAtOnce(t *testing.T) {
	r := start(t)
	want := content(100<<10 + 1)
	r.write(t, "cold", want)
	files := r.filesClient(t)
	first, cancel := context.WithCancel(t.Context())
	if _, err := files.Get(first, &filesv1.GetRequest{Name: "cold"}); err != nil {
		t.Fatal(err)
	}
	cancel()
	var callers sync.WaitGroup
	for range 1000 {
		callers.Go(func() {
			got, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: "cold"})
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	callers.Wait()
	if n := r.cache.Stats().Fills; n != 1 {
		t.Errorf("read from disk %d times, want once", n)
	}
}

func TestReadErrorStaysInside(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything: no read error is to be had")
	}
	r := start(t)
	r.write(t, "f", []byte("x"))
	if err := os.Chmod(filepath.Join(r.dir, "f"), 0); err != nil {
		t.Fatal(err)
	}
	_, _, err := download(t.Context(), r.filesClient(t), &filesv1.GetRequest{Name: "f"})
	wantStatus(t, "unreadable file", err, codes.Internal, "INTERNAL")
	if strings.Contains(err.Error(), "permission") {
		t.Errorf("the caller is told %v", err)
	}
	r.stop()
	if got := r.logged(t, "msg=call", "permission denied"); len(got) != 1 {
		t.Errorf("the log says %q, want the cause", got)
	}
}

// TestHostileNames sends names that must lead nowhere through every door.
func TestHostileNames(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t)
	r.write(t, "f", []byte("content"))
	if err := os.Symlink(outside, filepath.Join(r.dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(r.dir, "zero")); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		if err := syscall.Mkfifo(filepath.Join(r.dir, "fifo"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, d := range r.doors(t) {
		for _, file := range []string{
			"../f", "..", ".", "out/secret", "out", "zero", "fifo", "/dev/zero", "f/", "f/f", "./f", "x/../f", "\\..\\f", "a\x00", "\x00",
			"%2e%2e/f", strings.Repeat("../", 300) + "etc/passwd", strings.Repeat("x", 5000),
		} {
			if data, err := d.get(t.Context(), file); !errors.Is(err, errNotFound) {
				t.Errorf("%s: get(%.40q) = %.20q, %v; want not found", name, file, data, err)
			}
		}
		if data, err := d.get(t.Context(), "f"); err != nil || string(data) != "content" {
			t.Errorf("%s: then get of a file = %q, %v", name, data, err)
		}
	}
}

// TestOwnFilesAreHidden serves the directory that the program writes into itself.
func TestOwnFilesAreHidden(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "sub", "server.log")
	if err := os.Mkdir(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	served := startIn(t, dir, "--log-file="+log)
	aside := filepath.Join(dir, "sub", "server-2026-01-02T03-04-05.678.log")
	if err := os.WriteFile(aside, []byte("old lines"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub", "server-notes.log"), []byte("a user's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("sub/server.log", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	files := served.filesClient(t)
	for _, name := range []string{"sub/server.log", "link", "sub/" + filepath.Base(aside)} {
		_, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: name})
		wantStatus(t, name, err, codes.NotFound, "FILE_NOT_FOUND")
	}
	resp, err := files.List(t.Context(), &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY})
	if err != nil || len(resp.GetFiles()) != 1 || resp.GetFiles()[0].GetName() != "sub/server-notes.log" {
		t.Errorf("List = %v, %v; want the user's file alone", resp, err)
	}
}

func TestListPages(t *testing.T) {
	r := start(t)
	want := []string{"a/1", "a/b/2", "a.txt", "a0", "b", "c c", "ü"}
	for _, name := range want {
		r.write(t, name, []byte(name))
	}
	files := r.filesClient(t)
	for i := len(want) - 1; i >= 0; i-- {
		if _, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: want[i]}); err != nil {
			t.Fatal(err)
		}
	}
	for source, first := range map[filesv1.Source]string{
		filesv1.Source_SOURCE_DIRECTORY: "a/1",
		filesv1.Source_SOURCE_CACHE:     "ü", // fetched first
	} {
		for _, size := range []int32{0, 1, 2, 3, 7, 8, 1 << 30} {
			var got []string
			req := &filesv1.ListRequest{Source: source, PageSize: size}
			for {
				resp, err := files.List(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range resp.GetFiles() {
					got = append(got, f.GetName())
					if !f.GetCached() {
						t.Errorf("%v: %q is not marked as cached", source, f.GetName())
					}
				}
				if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
					break
				}
			}
			if len(got) != len(want) || got[0] != first {
				t.Errorf("%v by %d: %q", source, size, got)
			}
			if source == filesv1.Source_SOURCE_DIRECTORY && strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("%v by %d: %q, want %q", source, size, got, want)
			}
		}
	}
	first, err := files.List(t.Context(), &filesv1.ListRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		req    *filesv1.ListRequest
		reason string
	}{
		{&filesv1.ListRequest{PageSize: -1}, "INVALID_PAGE_SIZE"},
		{&filesv1.ListRequest{PageToken: "!"}, "INVALID_PAGE_TOKEN"},
		{&filesv1.ListRequest{PageToken: "abcd"}, "INVALID_PAGE_TOKEN"},
		{&filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY, PageToken: first.GetNextPageToken()}, "INVALID_PAGE_TOKEN"},
		{&filesv1.ListRequest{Source: 7}, "INVALID_SOURCE"},
	} {
		_, err := files.List(t.Context(), tt.req)
		wantStatus(t, tt.req.String(), err, codes.InvalidArgument, tt.reason)
	}
}

func TestDraw(t *testing.T) {
	numbers := start(t).numbersClient(t)
	for parity, want := range map[numbersv1.Parity][]int32{
		numbersv1.Parity_PARITY_EVEN: {0}, numbersv1.Parity_PARITY_ODD: {1}, numbersv1.Parity_PARITY_UNSPECIFIED: {0, 1},
	} {
		seen := map[int32]int{}
		for range 2000 {
			resp, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{Parity: parity})
			if err != nil {
				t.Fatal(err)
			}
			if n := resp.GetNumber(); n < 0 || n > 99 || resp.GetParity() != parityOf(n) {
				t.Fatalf("Draw(%v) = %v", parity, resp)
			}
			seen[resp.GetNumber()]++
		}
		for n := range int32(100) {
			asked := len(want) == 2 || n%2 == want[0]
			if asked != (seen[n] > 0) {
				t.Errorf("Draw(%v) gave %d %d times in 2,000", parity, n, seen[n])
			}
		}
	}
	_, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{Parity: 3})
	wantStatus(t, "Draw(3)", err, codes.InvalidArgument, "INVALID_PARITY")
}

func parityOf(n int32) numbersv1.Parity {
	if n%2 == 0 {
		return numbersv1.Parity_PARITY_EVEN
	}
	return numbersv1.Parity_PARITY_ODD
}

func TestCountStatuses(t *testing.T) {
	r := start(t)
	numbers := r.numbersClient(t)
	for _, tt := range []struct {
		name   string
		reqs   []*numbersv1.CountRequest
		code   codes.Code
		reason string
	}{
		{"a report first", []*numbersv1.CountRequest{reporting(1)}, codes.FailedPrecondition, "NOT_REGISTERED"},
		{"a draw first", []*numbersv1.CountRequest{drawing(1)}, codes.FailedPrecondition, "NOT_REGISTERED"},
		{"an empty request first", []*numbersv1.CountRequest{{}}, codes.FailedPrecondition, "NOT_REGISTERED"},
		{"registered twice", []*numbersv1.CountRequest{registering(1), registering(1)}, codes.FailedPrecondition, "ALREADY_REGISTERED"},
		{"an empty request", []*numbersv1.CountRequest{registering(1), {}}, codes.InvalidArgument, "EMPTY_REQUEST"},
		{"a negative ID", []*numbersv1.CountRequest{registering(-1)}, codes.InvalidArgument, "INVALID_CLIENT_ID"},
		{"an ID too great", []*numbersv1.CountRequest{registering(10001)}, codes.InvalidArgument, "INVALID_CLIENT_ID"},
		{"no parity", []*numbersv1.CountRequest{registering(1), drawing(9)}, codes.InvalidArgument, "INVALID_PARITY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stream, err := numbers.Count(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, req := range tt.reqs {
				if err := stream.Send(req); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			for err == nil {
				_, err = stream.Recv()
			}
			wantStatus(t, tt.name, err, tt.code, tt.reason)
		})
	}
	if _, err := numbers.ListClients(t.Context(), &numbersv1.ListClientsRequest{}); err != nil {
		t.Errorf("ListClients afterwards: %v", err)
	}
}

// TestCountSession holds one session step by step.
func TestCountSession(t *testing.T) {
	r := start(t)
	numbers := r.numbersClient(t)
	stream, err := numbers.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	send := func(reqs ...*numbersv1.CountRequest) {
		t.Helper()
		for _, req := range reqs {
			if err := stream.Send(req); err != nil {
				t.Fatal(err)
			}
		}
	}
	recv := func() *numbersv1.CountResponse {
		t.Helper()
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	send(registering(5))
	if got := recv().GetRegistered(); got.GetValue() != 0 || got.GetIncrement() != 1 || got.GetReturning() {
		t.Errorf("a new client is told %v", got)
	}

	// However many reports there are, all are confirmed, in fewer messages.
	const reports = 10_000
	for v := range int64(reports) {
		send(reporting(v + 1))
	}
	confirmations := 0
	for last := int64(0); last < reports; confirmations++ {
		c := recv().GetCommitted()
		if c.GetReports() <= last || c.GetValue() != c.GetReports() {
			t.Fatalf("after %d reports: %v", last, c)
		}
		last = c.GetReports()
	}
	if confirmations > reports/2 {
		t.Errorf("%d confirmations of %d reports", confirmations, reports)
	}

	// Draws are answered in their order.
	var lastNumber int32
	for i := range 100 {
		send(drawing(numbersv1.Parity(1 + i%2)))
	}
	for i := range 100 {
		inc := recv().GetIncrement()
		lastNumber = inc.GetNumber()
		if inc.GetParity() != numbersv1.Parity(1+i%2) || parityOf(lastNumber) != inc.GetParity() {
			t.Fatalf("draw %d: %v", i, inc)
		}
	}
	list, err := numbers.ListClients(t.Context(), &numbersv1.ListClientsRequest{})
	if err != nil || len(list.GetClients()) != 1 {
		t.Fatalf("ListClients = %v, %v", list, err)
	}
	c := list.GetClients()[0]
	if c.GetClientId() != 5 || c.GetLastValue() != reports || c.GetLastNumber() != lastNumber || c.GetActiveSessions() != 1 ||
		time.Since(c.GetLastSeen().AsTime()) > time.Minute {
		t.Errorf("the register has %v", c)
	}

	// The reports before the client's end are confirmed before the server's.
	send(reporting(77))
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if got := recv().GetCommitted(); got.GetReports() != reports+1 || got.GetValue() != 77 {
		t.Errorf("the last confirmation is %v", got)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the session ended with %v", err)
	}

	// The client is known from now on.
	again, err := numbers.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Send(registering(5)); err != nil {
		t.Fatal(err)
	}
	resp, err := again.Recv()
	if got := resp.GetRegistered(); err != nil || got.GetValue() != 77 || got.GetIncrement() != lastNumber || !got.GetReturning() {
		t.Errorf("a returning client is told %v, %v; want 77 and %d", got, err, lastNumber)
	}
}

func TestSharedID(t *testing.T) {
	r := start(t)
	doors := r.doors(t)
	a, _, err := doors["grpc"].count(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := doors["legacy"].count(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []counting{a, b} {
		if err := s.report(int64(10 + i)); err != nil {
			t.Fatal(err)
		}
		if err := drawOf(t.Context(), s, "odd"); err != nil { // so that the report has been taken
			t.Fatal(err)
		}
	}
	list, err := r.numbersClient(t).ListClients(t.Context(), &numbersv1.ListClientsRequest{})
	if err != nil || len(list.GetClients()) != 1 || list.GetClients()[0].GetActiveSessions() != 2 || list.GetClients()[0].GetLastValue() != 11 {
		t.Fatalf("ListClients = %v, %v; want one client with two sessions and the last value, 11", list, err)
	}
	c := list.GetClients()[0]
	if c.GetDoor() != numbersv1.Door_DOOR_LEGACY || len(c.GetDoors()) != 2 {
		t.Fatalf("the register has %v; want both doors, the legacy one last", c)
	}
	byGRPC, byLegacy := c.GetDoors()[0], c.GetDoors()[1]
	if byGRPC.GetDoor() != numbersv1.Door_DOOR_GRPC || byLegacy.GetDoor() != numbersv1.Door_DOOR_LEGACY ||
		time.Since(byGRPC.GetLastSeen().AsTime()) > time.Minute ||
		!byGRPC.GetLastSeen().AsTime().Before(byLegacy.GetLastSeen().AsTime()) ||
		!byLegacy.GetLastSeen().AsTime().Equal(c.GetLastSeen().AsTime()) {
		t.Errorf("the register has %v; want a time for each door, and the later of them as the last", c)
	}
	if err := a.close(); err != nil {
		t.Error(err)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
	r.stop()
	if got := r.logged(t, "level=WARN", "client=3", "sessions=2"); len(got) != 1 {
		t.Errorf("the log warns %q", got)
	}
}

func TestListClientsPages(t *testing.T) {
	r := start(t)
	for id := range int32(7) {
		s, _, err := rpcDoor{r.channel}.count(t.Context(), id*1000)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	numbers := r.numbersClient(t)
	for _, size := range []int32{0, 1, 3, 7, 8, 5000} {
		var got []int32
		req := &numbersv1.ListClientsRequest{PageSize: size}
		for {
			resp, err := numbers.ListClients(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range resp.GetClients() {
				got = append(got, c.GetClientId())
				if c.GetActiveSessions() != 0 {
					t.Errorf("client %d has %d sessions", c.GetClientId(), c.GetActiveSessions())
				}
			}
			if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		if len(got) != 7 || got[0] != 0 || got[6] != 6000 {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
	_, err := numbers.ListClients(t.Context(), &numbersv1.ListClientsRequest{PageSize: -1})
	wantStatus(t, "page size", err, codes.InvalidArgument, "INVALID_PAGE_SIZE")
	_, err = numbers.ListClients(t.Context(), &numbersv1.ListClientsRequest{PageToken: "x"})
	wantStatus(t, "page token", err, codes.InvalidArgument, "INVALID_PAGE_TOKEN")
}

// TestLog checks that every message through both doors is in server.log, with the
// real peer, and that nobody can write lines of his own into it.
func TestLog(t *testing.T) {
	r := start(t)
	r.write(t, "f", []byte("content"))
	doors := r.doors(t)
	for i, name := range []string{"grpc", "legacy"} {
		holdNumbers(t, doors[name], strings.ReplaceAll("ID connect 0; ID report 12; ID odd; ID close", "ID", string(rune('7'+i))))
		if _, err := doors[name].get(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if _, err := doors[name].get(t.Context(), "x\nlevel=ERROR msg=forged"); !errors.Is(err, errNotFound) {
			t.Fatal(err)
		}
		if _, err := doors[name].list(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The metadata by which the gateway tells for whom it calls is nobody else's.
	ctx := metadata.AppendToOutgoingContext(t.Context(), legacytcp.MetadataDoor, "legacy", legacytcp.MetadataPeer, "6.6.6.6:66")
	if _, err := r.numbersClient(t).Draw(ctx, &numbersv1.DrawRequest{}); err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", r.legacyAddr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write([]byte("f")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(nc); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	r.stop()

	for _, tt := range []struct {
		want int
		text []string
	}{
		{1, []string{"msg=Register ", "door=grpc", "client=7"}},
		{1, []string{"msg=Register ", "door=legacy", "client=8"}},
		{1, []string{"msg=Registered", "door=legacy", "client=8", "value=0"}},
		{1, []string{"msg=Report", "door=grpc", "client=7", "value=12"}},
		{1, []string{"msg=Report", "door=legacy", "client=8", "value=12"}},
		{1, []string{"msg=Draw ", "door=legacy", "client=8", "parity=odd"}},
		{1, []string{"msg=Increment", "door=legacy", "client=8", "number=", "parity=odd"}},
		{1, []string{"msg=Committed", "door=legacy", "client=8", "reports=1", "value=12"}},
		{1, []string{"msg=GetRequest", "door=grpc", "name=\"f\""}},
		{1, []string{"msg=GetResponse", "door=grpc", "name=\"f\"", "bytes=7", "cache=miss"}},
		{2, []string{"msg=GetResponse", "door=legacy", "name=\"f\"", "bytes=7", "cache=hit"}},
		{1, []string{"msg=ListRequest", "door=legacy"}},
		{1, []string{"msg=call", "door=grpc", "FileService/Get", "code=NotFound"}},
		{2, []string{"peer=\"" + nc.LocalAddr().String(), "name=\"f\""}},
		{0, []string{"6.6.6.6"}},
		{0, []string{"msg=forged\n"}},
	} {
		if got := r.logged(t, tt.text...); len(got) != tt.want {
			t.Errorf("%q is in %d lines of the log, want %d:\n%s", tt.text, len(got), tt.want, strings.Join(got, ""))
		}
	}
}

func TestLogJSON(t *testing.T) {
	r := start(t, "--log-format=json")
	if _, err := r.doors(t)["legacy"].get(t.Context(), "\x1b[2J\"quoted\""); !errors.Is(err, errNotFound) {
		t.Fatal(err)
	}
	if _, err := r.numbersClient(t).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if got := r.logged(t, `"level":"INFO","msg":"DrawResponse","door":"grpc"`); len(got) != 1 {
		t.Errorf("logged %q", got)
	}
	for _, line := range r.logged(t, "") {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("%q is not JSON: %v", line, err)
		}
	}
}
