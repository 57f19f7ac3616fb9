package register

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// The kinds of store, as a specification begins.
const (
	boltPrefix   = "bolt:"
	memoryPrefix = "memory:"
	redisPrefix  = "redis://"
	redissPrefix = "rediss://"
)

// Validate reports what is wrong with a specification, without opening anything.
// These are specifications:
//
//	bolt:PATH                      a file of this server
//	memory:                        nothing that outlasts the process
//	redis://[USER:PASSWORD@]HOST[:PORT][/DB]    a Redis that servers share
//	rediss://…                     the same over TLS
func Validate(spec string) error {
	switch {
	case spec == memoryPrefix:
		return nil
	case strings.HasPrefix(spec, memoryPrefix):
		return fmt.Errorf("%q: nothing may follow %q", spec, memoryPrefix)
	case spec == boltPrefix:
		return fmt.Errorf("%q: the path of the file is missing", spec)
	case strings.HasPrefix(spec, boltPrefix):
		return nil
	case strings.HasPrefix(spec, redisPrefix), strings.HasPrefix(spec, redissPrefix):
		_, err := redisOptions(spec)
		return err
	}
	return fmt.Errorf("%q is no store: it must be bolt:PATH, memory:, redis://HOST:PORT or rediss://HOST:PORT", spec)
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
	if path, ok := strings.CutPrefix(spec, boltPrefix); ok {
		return openedAs(OpenBolt(path, log))
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

// OwnFiles returns the paths of the files that the store spec names keeps its
// state in, with those that a start which was cut off has left. They are nobody
// else's business.
func OwnFiles(spec string) []string {
	if path, ok := strings.CutPrefix(spec, boltPrefix); ok && path != "" {
		return append([]string{path}, unfinished(path)...)
	}
	return nil
}
