package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/parity/client/internal/fakeserver"
)

func TestCount(t *testing.T) {
	numbers := new(fakeserver.Numbers)
	server := fakeserver.Start(t, nil, numbers)

	status, out, errs := runProgram(t.Context(), "", "--addr", server.Addr, "count", "--id", "3748", "--for", "1250ms")
	values := numbers.Reports()
	if status != 0 || len(values) == 0 || out != lines("%d", values) || errs != "client ID: 3748\n" {
		t.Errorf("status %d, %q, %q, and the server was told %d", status, out, errs, values)
	}
	// Again, as JSON, and until a signal.
	ctx, cancel := context.WithTimeout(t.Context(), 1250*time.Millisecond)
	defer cancel()
	status, out, _ = runProgram(ctx, "", "--addr", server.Addr, "--json", "count", "--id", "3748")
	again := numbers.Reports()[len(values):]
	if status != 0 || len(again) == 0 || again[0] != int64(len(values)+1) || out != lines(`{"client_id":3748,"value":%d,"increment":1,"confirmed":`+strconv.Itoa(len(values))+`,"connected":true}`, again) {
		t.Errorf("status %d, %q, and the server was told %d", status, out, again)
	}

	if status, _, errs = runProgram(t.Context(), "", "--addr", server.Addr, "count", "--id", "10001"); status != 1 || !strings.Contains(errs, "must be 0 to 10000") {
		t.Errorf("count with a wrong ID: status %d, %q", status, errs)
	}
	numbers.Unconfirmed = true
	if status, _, errs = runProgram(t.Context(), "", "--addr", server.Addr, "count", "--for", "1250ms"); status != 1 || !strings.Contains(errs, "reports were confirmed") {
		t.Errorf("count without confirmation: status %d, %q", status, errs)
	}
}

// lines returns a line of that format for each value.
func lines(format string, values []int64) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, format+"\n", v)
	}
	return b.String()
}
