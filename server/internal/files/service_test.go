package files

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/apierror"
)

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
