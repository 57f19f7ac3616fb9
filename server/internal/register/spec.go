package register

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// The kinds of store, as a specification begins.
const (
	sqlitePrefix = "sqlite:"
	memoryPrefix = "memory:"
	redisPrefix  = "redis://"
	redissPrefix = "rediss://"
)

// Validate returns an error if spec is not a valid specification. It opens nothing. These
// are valid:
//
//	sqlite:PATH                    a file of this server
//	memory:                        nothing that outlasts the process
//	redis://[USER:PASSWORD@]HOST[:PORT][/DB]    a Redis that servers share
//	rediss://…                     the same over TLS
func Validate(spec string) error {
	switch {
	case spec == memoryPrefix:
		return nil
	case strings.HasPrefix(spec, memoryPrefix):
		return fmt.Errorf("%q: nothing may follow %q", spec, memoryPrefix)
	case spec == sqlitePrefix:
		return fmt.Errorf("%q: the path of the file is missing", spec)
	case strings.HasPrefix(spec, sqlitePrefix):
		return nil
	case strings.HasPrefix(spec, redisPrefix), strings.HasPrefix(spec, redissPrefix):
		_, err := redisOptions(spec)
		return err
	}
	if path, ok := strings.CutPrefix(spec, "bolt:"); ok {
		return fmt.Errorf("%q: the register is no longer kept in bbolt files; use sqlite:%s", spec, path)
	}
	return fmt.Errorf("%q is no store: it must be sqlite:PATH, memory:, redis://HOST:PORT or rediss://HOST:PORT", spec)
}

// Open opens the store that spec names; see Validate. log is told of changes in the
// store's health.
func Open(ctx context.Context, spec string, log *slog.Logger) (Store, error) {
	if err := Validate(spec); err != nil {
		return nil, err
	}
	if spec == memoryPrefix {
		return NewMemory(), nil
	}
	if path, ok := strings.CutPrefix(spec, sqlitePrefix); ok {
		return openedAs(OpenSQLite(path, log))
	}
	return openedAs(OpenRedis(ctx, spec, log))
}

// openedAs keeps a nil pointer from becoming a Store that is not nil.
func openedAs[S Store](s S, err error) (Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// OwnFiles returns the paths of the files in which the store that spec names keeps its
// state, including those that an interrupted start has left. They need not exist.
func OwnFiles(spec string) []string {
	path, ok := strings.CutPrefix(spec, sqlitePrefix)
	if !ok || path == "" {
		return nil
	}
	files := []string{path}
	for _, suffix := range companions {
		files = append(files, resolved(path)+suffix)
	}
	if lockSuffix != "" {
		files = append(files, resolved(path)+lockSuffix)
	}
	return append(files, unfinished(path)...)
}
