package filecache

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestSelection(t *testing.T) {
	for _, tt := range []struct {
		selection Selection
		served    []string
		hidden    []string
	}{
		{Selection{}, []string{"a", "a/b", "a.b", "a./b"}, []string{".a", "a/.b", ".git/config", "a/..b", ".a/b"}},
		{Selection{Dotfiles: true}, []string{".a", "a/.b", ".git/config"}, nil},
		{Selection{Allow: []string{"*.pdf", "public/**"}}, []string{"a.pdf", "public/a", "public/a/b.txt"}, []string{"a.txt", "a/b.pdf", "publica", "public/.a"}},
		{Selection{Allow: []string{"**/*.{pdf,png}"}}, []string{"a.pdf", "a/b/c.png"}, []string{"a.PDF", "a.pdfx"}},
		{Selection{Exclude: []string{"**/*.bak", "private/**"}}, []string{"a", "a.bakx", "privates/a"}, []string{"a.bak", "a/b.bak", "private/a", "private/a/b"}},
		{Selection{Allow: []string{"a/**"}, Exclude: []string{"a/b/**"}}, []string{"a/c"}, []string{"a/b/c", "c"}},
		{Selection{Dotfiles: true, Exclude: []string{"**/.git/**"}}, []string{".a"}, []string{".git/config", "a/.git/b"}},
	} {
		if err := tt.selection.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, name := range tt.served {
			if !tt.selection.Includes(name) {
				t.Errorf("%+v does not include %q", tt.selection, name)
			}
		}
		for _, name := range tt.hidden {
			if tt.selection.Includes(name) {
				t.Errorf("%+v includes %q", tt.selection, name)
			}
		}
	}
	for _, bad := range []string{"", "[", "{a", "a\\"} {
		if (Selection{Allow: []string{bad}}).Validate() == nil || (Selection{Exclude: []string{"a", bad}}).Validate() == nil {
			t.Errorf("the pattern %q is accepted", bad)
		}
	}
}

// TestSelectionOfCache: a name that is not served is not found in any way, and the others
// are.
func TestSelectionOfCache(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.txt", "a.bak", ".secret", ".git/config", "sub/b.txt", "sub/.hidden"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, []byte(name))
	}
	c := openCache(t, dir, Options{Capacity: 1 << 20, Selection: Selection{Exclude: []string{"**/*.bak"}}})
	served := []string{"a.txt", "sub/b.txt"}
	for _, name := range served {
		if _, _, err := read(t.Context(), c, name, 1<<20); err != nil {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
	for _, name := range []string{"a.bak", ".secret", ".git/config", "sub/.hidden"} {
		if _, err := c.Open(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Open(%q): %v, want not found", name, err)
		}
		if _, err := c.Stat(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Stat(%q): %v, want not found", name, err)
		}
	}
	found, _, err := c.Walk(t.Context(), "", "", 10, all)
	var names []string
	for _, info := range found {
		names = append(names, info.Name)
	}
	if err != nil || !slices.Equal(names, served) {
		t.Errorf("Walk = %q, %v; want %q", names, err, served)
	}
}
