package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/explain"
	"example.com/parity/client/internal/glob"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// maxNames bounds how many files one command downloads: their names are held in memory.
const maxNames = 1 << 20

// expand returns the names of the files to download, each once: names as they are, and for
// patterns those that they match on the server. A name that exists is no pattern. missing
// has an error for each pattern that matches nothing.
func (c *getCommand) expand(ctx context.Context, p *program) (names []string, missing []error, err error) {
	files, seen, globs := filesv1.NewFileServiceClient(p.conn), map[string]bool{}, false
	add := func(name string) error {
		if len(names) == maxNames {
			return fmt.Errorf("there are more than %d files", maxNames)
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
		return nil
	}
	for _, name := range c.Names {
		literal := !glob.Is(name)
		if !literal {
			if literal, err = exists(ctx, files, name); err != nil {
				return nil, nil, explain.About(err, name)
			}
		}
		if literal {
			if err := add(name); err != nil {
				return nil, nil, err
			}
			continue
		}
		globs = true
		found, err := matching(ctx, files, name, add)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			missing = append(missing, explain.About(status.Error(codes.NotFound, "no file of the server matches"), name))
		}
	}
	if !globs {
		return names, missing, nil
	}
	// Now what only the server could say.
	if c.Output != "" && len(names) > 1 {
		return nil, nil, usageError{fmt.Errorf("--output: takes one file, and %q matches %d; use --dir", c.Names[0], len(names))}
	}
	if c.Output == "" {
		if err := c.checkPaths(names); err != nil {
			return nil, nil, err
		}
	}
	return names, missing, nil
}

// exists reports whether the server has a file of that name.
func exists(ctx context.Context, files filesv1.FileServiceClient, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := files.Stat(ctx, &filesv1.StatRequest{Name: name})
	switch status.Code(err) {
	case codes.OK:
		return true, nil
	case codes.NotFound, codes.InvalidArgument, codes.Unimplemented:
		return false, nil
	}
	return false, err
}

// matching calls add with the names of the server's files that match a pattern, in their
// order, and reports whether there is one.
func matching(ctx context.Context, files filesv1.FileServiceClient, text string, add func(name string) error) (found bool, err error) {
	pattern, err := glob.Parse(text)
	if err != nil {
		return false, usageError{err}
	}
	err = pages(ctx, func(ctx context.Context, token string) (string, error) {
		page, err := files.List(ctx, &filesv1.ListRequest{
			Source: filesv1.Source_SOURCE_DIRECTORY, Prefix: pattern.Prefix(), PageToken: token,
		})
		if err != nil {
			return "", err
		}
		for _, f := range page.GetFiles() {
			if !pattern.Match(f.GetName()) {
				continue
			}
			found = true
			if err := add(f.GetName()); err != nil {
				return "", err
			}
		}
		return page.GetNextPageToken(), nil
	})
	return found, err
}
