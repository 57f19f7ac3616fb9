// Package contexts keeps the servers that a user has given names to, each as the flags
// that lead to it, in a file of the user's configuration directory.
package contexts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	// maxFile bounds what is read of the file, in bytes: thousands of contexts.
	maxFile = 1 << 20
	// maxName is the maximum length of a name, in bytes.
	maxName = 64
)

// Context is a server: values of flags by their names, without dashes.
type Context map[string]string

// File is the content of the file.
type File struct {
	// Current is the name of the context that is used where none is named; empty for none.
	Current string `json:"current,omitempty"`
	// Contexts are the contexts by their names.
	Contexts map[string]Context `json:"contexts"`
}

// Path returns where the file is.
func Path() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "parity", "contexts.json"), nil
}

// Load reads a file. One that does not exist has no contexts.
func Load(path string) (*File, error) {
	file := &File{Contexts: map[string]Context{}}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s: longer than %d bytes", path, maxFile)
	}
	if err := json.Unmarshal(text, file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if file.Contexts == nil {
		file.Contexts = map[string]Context{}
	}
	return file, nil
}

// Save replaces the file at path as a whole: whoever reads it, and whatever happens, finds
// the old or the new one. Only the user may read it.
func (f *File) Save(path string) (err error) {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if len(text) > maxFile {
		return fmt.Errorf("too many contexts: more than %d bytes", maxFile)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// os.CreateTemp creates files with mode 0600.
	temporary, err := os.CreateTemp(dir, ".contexts-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.Write(append(text, '\n'))
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// Get returns the context of a name.
func (f *File) Get(name string) (Context, error) {
	c, ok := f.Contexts[name]
	if !ok {
		return nil, fmt.Errorf("there is no context %q%s", name, f.others())
	}
	return c, nil
}

// others names the contexts that there are.
func (f *File) others() string {
	if len(f.Contexts) == 0 {
		return "; client context add makes one"
	}
	return ", only " + strings.Join(f.Names(), ", ")
}

// Names returns the names of all contexts in order.
func (f *File) Names() []string {
	var names []string
	for name := range f.Contexts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// CheckName returns an error if a context cannot have that name.
func CheckName(name string) error {
	if len(name) > maxName || !validName.MatchString(name) {
		return fmt.Errorf("%q: a name has 1 to %d letters, digits, dots, dashes and underscores, and begins with none of the dots and dashes", name, maxName)
	}
	return nil
}
