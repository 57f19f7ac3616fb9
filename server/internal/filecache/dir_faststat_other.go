//go:build !linux

package filecache

import "os"

// fastStat is unavailable on this platform.
type fastStat struct{}

func newFastStat(*os.Root) fastStat            { return fastStat{} }
func (fastStat) stat(string) (_ stamp, _ bool) { return }
func (fastStat) close()                        {}
