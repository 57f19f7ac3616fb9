package files

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/apierror/apierrortest"
	"example.com/parity/server/internal/filecache"
)

// TestToStatus checks the status of every error of the cache. The cause of a failure is
// for the log only.
func TestToStatus(t *testing.T) {
	for reason, tt := range map[string]struct {
		err   error
		code  codes.Code
		retry bool
	}{
		"FILE_NOT_FOUND":        {filecache.ErrNotFound, codes.NotFound, false},
		"FILE_CHANGED":          {fmt.Errorf("read: %w", filecache.ErrChanged), codes.Aborted, false},
		"DISK_UNAVAILABLE":      {filecache.ErrDisk, codes.Unavailable, true},
		"DIRECTORY_UNAVAILABLE": {fmt.Errorf("%w: %w", filecache.ErrDirectory, syscall.ENOENT), codes.Unavailable, true},
		"INTERNAL":              {fmt.Errorf("read file: %w", syscall.EIO), codes.Internal, false},
	} {
		err := toStatus(tt.err)
		retry := apierrortest.Check(t, tt.err.Error(), err, tt.code, reason)
		if (retry == retryDelay) != tt.retry || !tt.retry && retry != 0 {
			t.Errorf("%v: retry after %v", tt.err, retry)
		}
		for _, cause := range []error{syscall.ENOENT, syscall.EIO} {
			if strings.Contains(status.Convert(err).Message(), cause.Error()) {
				t.Errorf("the peer receives %q", status.Convert(err).Message())
			}
		}
	}
	if got := apierror.Detail(toStatus(fmt.Errorf("read file: %w", syscall.EIO))); got != "read file: "+syscall.EIO.Error() {
		t.Errorf("the log receives %q", got)
	}
	if toStatus(nil) != nil {
		t.Error("success has a status")
	}
}
