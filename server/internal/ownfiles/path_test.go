//go:build unix

package ownfiles

import (
	"testing"
)

func TestIsBelow(t *testing.T) {
	f := newFolder(t)
	f.write("served/numbers.db")
	f.symlink("served", "alias")
	for path, want := range map[string]bool{"served/numbers.db": true, "alias/later": true, "key.pem": false, "none/none": false} {
		if got := IsBelow(f.path("alias"), f.path(path)); got != want {
			t.Errorf("IsBelow(%q) = %v", path, got)
		}
	}
}
