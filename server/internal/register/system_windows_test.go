package register

import (
	"errors"
	"os"
)

// mkfifo fails: Windows keeps named pipes apart from directories.
func mkfifo(string) error { return errors.ErrUnsupported }

// freeze and thaw fail: Windows has no signals that stop a process and let it continue.
func freeze(*os.Process) error { return errors.ErrUnsupported }
func thaw(*os.Process) error   { return errors.ErrUnsupported }
