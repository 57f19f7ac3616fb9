package files

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/filecache"
)

// TestAway: what comes right again by itself is told as such, with the time to try
// again.
func TestAway(t *testing.T) {
	for reason, err := range map[string]error{
		"DISK_UNAVAILABLE":      filecache.ErrDisk,
		"DIRECTORY_UNAVAILABLE": fmt.Errorf("%w: %w", filecache.ErrDirectory, syscall.ENOENT),
	} {
		st := status.Convert(toStatus(err))
		var got string
		var retry time.Duration
		for _, d := range st.Details() {
			switch d := d.(type) {
			case *errdetails.ErrorInfo:
				got = d.GetReason()
			case *errdetails.RetryInfo:
				retry = d.GetRetryDelay().AsDuration()
			}
		}
		if st.Code() != codes.Unavailable || got != reason || retry != retryDelay {
			t.Errorf("%v is told as %v, %s, try again after %s", err, st, got, retry)
		}
		if strings.Contains(st.Message(), syscall.ENOENT.Error()) {
			t.Errorf("the caller is told %q", st.Message())
		}
	}
}

// TestReadErrorStaysInside: the caller of a file that cannot be read is told that
// there was an error, and the log what it was.
func TestReadErrorStaysInside(t *testing.T) {
	err := toStatus(fmt.Errorf("read file: %w", syscall.EIO))
	if st := status.Convert(err); st.Code() != codes.Internal || st.Message() != "internal error" {
		t.Errorf("the caller is told %v", st)
	}
	if got := apierror.Detail(err); !strings.Contains(got, syscall.EIO.Error()) {
		t.Errorf("the log is told %q", got)
	}
}
