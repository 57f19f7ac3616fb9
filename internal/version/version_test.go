package version

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for want, info := range map[string]*debug.BuildInfo{
		"parity v1.2.3, go1.26.1": {GoVersion: "go1.26.1", Main: debug.Module{Version: "v1.2.3"}},
		"parity (devel), commit 0123456789ab-dirty, go1.26.1": {
			GoVersion: "go1.26.1", Main: debug.Module{Version: "(devel)"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: "true"}},
		},
		"parity v1.2.3, commit abc, go1.26.1": {
			GoVersion: "go1.26.1", Main: debug.Module{Version: "v1.2.3"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}},
		},
	} {
		if got := describe(info).String(); got != want {
			t.Errorf("describe(%+v) = %q, want %q", info, got, want)
		}
	}
	if got := String(); !strings.HasPrefix(got, "parity ") || !strings.Contains(got, "go1.") {
		t.Errorf("String() = %q", got)
	}
}
