package download

import (
	"errors"
	"fmt"
)

// mkfifo fails: Windows keeps named pipes apart from directories.
func mkfifo(path string) error { return fmt.Errorf("mkfifo %s: %w", path, errors.ErrUnsupported) }
