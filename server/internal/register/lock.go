package register

import (
	"errors"
	"os"
	"time"
)

var (
	errLocked = errors.New("locked by another process")
	errInUse  = errors.New("is in use by another server")
)

const (
	// lockWait is how long to wait for the file's lock: long enough for a server that is
	// about to end, short enough to learn soon that another one is running.
	lockWait = time.Second
	// lockRetry is the time between attempts to take a lock.
	lockRetry = 20 * time.Millisecond
)

// lock takes an exclusive lock on f until f is closed.
func lock(f *os.File) error {
	for end := time.Now().Add(lockWait); ; time.Sleep(lockRetry) {
		err := tryLock(f)
		switch {
		case !errors.Is(err, errLocked):
			return err
		case time.Now().After(end):
			return errInUse
		}
	}
}
