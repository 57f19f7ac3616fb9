package contexts

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "parity", "contexts.json")
	file, err := Load(path)
	if err != nil || len(file.Contexts) != 0 {
		t.Fatalf("Load of no file = %+v, %v", file, err)
	}
	file.Contexts["lab"] = Context{"addr": "lab:1", "tls": "true"}
	file.Contexts["b"] = Context{"addr": "b:1"}
	file.Current = "lab"
	if err := file.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := Load(path)
	if err != nil || !reflect.DeepEqual(again, file) {
		t.Errorf("Load = %+v, %v, want %+v", again, err, file)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := again.Get("none"); err == nil || err.Error() != `there is no context "none", only b, lab` {
		t.Errorf("Get = %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
}

// TestSaveFails: the old file stays, and nothing beside it.
func TestSaveFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "contexts.json")
	if err := os.Mkdir(path, 0o700); err != nil { // a rename cannot replace it
		t.Fatal(err)
	}
	if err := (&File{Contexts: map[string]Context{}}).Save(path); err == nil {
		t.Error("Save succeeds")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
	large := &File{Contexts: map[string]Context{"a": {"addr": strings.Repeat("x", maxFile)}}}
	if err := large.Save(filepath.Join(dir, "large")); err == nil {
		t.Error("Save of too much succeeds")
	}
}

func TestLoadFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "contexts.json")
	for _, text := range []string{"", "{", `{"contexts": 1}`, strings.Repeat(" ", maxFile+1)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if file, err := Load(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Load of %.20q = %+v, %v", text, file, err)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, valid := range map[string]bool{
		"lab": true, "a.b-c_1": true, strings.Repeat("a", 64): true,
		"": false, "-a": false, ".a": false, "a b": false, "a/b": false, "ä": false, strings.Repeat("a", 65): false, "a\n": false,
	} {
		if err := CheckName(name); (err == nil) != valid {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
}
